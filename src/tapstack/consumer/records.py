"""From records of the stream to events to be applied, and to poison."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tapstack.core.events import Event, decode_event
from tapstack.core.fold import PART_ITEMS_MAX, part_items, parts_count
from tapstack.core.identity import (
    EPOCH,
    Identity,
    Part,
    identify,
    identify_part,
    lane_of,
    partition_key_of,
    unix_s,
)
from tapstack.core.memo import Memo
from tapstack.core.rows import user_key
from tapstack.errors import InvalidEvent
from tapstack.ports import Key


class StreamRecord(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """A record as the event source mapping delivers it.

    Parameters
    ----------
    shard_id
        Such as ``shardId-000000000006``.
    sequence_number
        Up to 56 digits: a name to hand back, never a number to compute with.
    data
        The payload.
    arrived_at_s
        When the stream had it, Unix seconds.
    """

    shard_id: str
    sequence_number: str
    data: bytes
    arrived_at_s: int


class Delivery(msgspec.Struct, gc=False, frozen=True, kw_only=True):
    """One part of an event, as one record delivered it."""

    position: int  # of its record in the batch
    event: Event
    part: int
    item_ids: Sequence[str]  # of this part
    identity: Identity
    further: Sequence[Part]  # the parts after this one, if it is the first
    user_key: Key
    lane: int
    at_s: int  # the event's own time
    arrived_at_s: int
    too_old: bool  # beyond what a row may have forgotten by expiry: not counted unless it is known


class Poison(NamedTuple):
    """A record that is not an event and never will be."""

    position: int
    reason: str  # a code of `tapstack.dead_letters`
    detail: str  # and not the error, which would hold its frames, and they the batch, and each other


def parse(
    records: Sequence[StreamRecord], *, lanes: int, age_max_s: int
) -> tuple[list[Delivery], list[Poison]]:
    """Parse each record by itself: one bad record harms no other.

    Parameters
    ----------
    records
        The batch, in stream order.
    lanes
        Number of lanes the derived rows are spread over, ``>= 1``.
    age_max_s
        How old an event may be when it arrives, by its client's clock or the collector's.
    """
    deliveries: list[Delivery] = []
    poison: list[Poison] = []
    arrived_at_s, oldest = -1, _Oldest(0, EPOCH)
    for position, record in enumerate(records):
        try:
            event = decode_event(record.data)
        except InvalidEvent as error:
            poison.append(Poison(position, error.code, str(error)))
            continue
        if record.arrived_at_s != arrived_at_s:  # as few times as there are seconds in a batch
            arrived_at_s = record.arrived_at_s
            oldest_s = arrived_at_s - age_max_s
            oldest = _Oldest(oldest_s, EPOCH + timedelta(seconds=oldest_s))
        deliveries += _deliveries(position, arrived_at_s, event, lanes, oldest)
    return deliveries, poison


def _home(whose: tuple[str | None, str | None, int]) -> tuple[Key, int]:
    """Return a user's row, and the lane of what is derived from it, for so many lanes."""
    user_id, anonymous_id, lanes = whose
    partition_key = partition_key_of(user_id, anonymous_id)
    return Key(*user_key(user_id, partition_key)), lane_of(partition_key, lanes)


_homes = Memo(_home, 16_384)  # a user comes several times in a batch


class _Oldest(NamedTuple):
    """The moment before which an event that is not known is too old."""

    at_s: int
    at: datetime


def _deliveries(
    position: int, arrived_at_s: int, event: Event, lanes: int, oldest: _Oldest
) -> list[Delivery]:
    identity = identify(event)
    # A client's clock may be ahead, or silent; the collector's was there too.
    too_old = event.received_at < oldest.at or (0 < identity.when < oldest.at_s)
    key, lane = _homes[event.user_id, event.anonymous_id, lanes]
    ids = [item.item_id for item in event.items] if event.items else []
    first = Delivery(
        position=position,
        event=event,
        part=0,
        item_ids=ids,
        identity=identity,
        further=(),
        user_key=key,
        lane=lane,
        at_s=unix_s(event.occurred_at),
        arrived_at_s=arrived_at_s,
        too_old=too_old,
    )
    return [first] if len(ids) <= PART_ITEMS_MAX else _in_parts(first)


def _in_parts(whole: Delivery) -> list[Delivery]:
    """Cut the delivery of an event whose items do not fit one transaction."""
    event = whole.event
    further = [identify_part(event, part) for part in range(1, parts_count(event))]
    deliveries = [replace(whole, item_ids=_ids(event, 0), further=further)]
    for part, identity in enumerate(further, 1):
        # The further parts follow the first, however old they are by then.
        share = replace(whole, part=part, item_ids=_ids(event, part), identity=identity, too_old=False)
        deliveries.append(share)
    return deliveries


def _ids(event: Event, part: int) -> list[str]:
    return [item.item_id for item in part_items(event, part)]
