"""From records of the stream to events to be applied, and to poison."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from tapstack.core.events import Event, decode_event
from tapstack.core.identity import DAY_S, EPOCH, Identity, identify_at, partition_key_of, unix_s
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
    """An event, as one record delivered it."""

    position: int  # of its record in the batch
    event: Event
    identity: Identity
    user_key: Key
    at_s: int  # the event's own time
    arrived_at_s: int
    arrived_day: int  # days since 1970
    too_old: bool  # beyond what a row may have forgotten by expiry: not counted unless it is known
    data: bytes  # the record's payload: declared attributes may name what `event` passes over


class Poison(NamedTuple):
    """A record that is not an event and never will be."""

    position: int
    reason: str  # a code of `tapstack.dead_letters`
    detail: str  # and not the error, which would hold its frames, and they the batch, and each other


def parse(
    records: Sequence[StreamRecord], *, age_max_s: int, waited_max_s: int = 0
) -> tuple[list[Delivery], list[Poison]]:
    """Parse each record by itself: one bad record harms no other.

    Parameters
    ----------
    records
        The batch, in stream order.
    age_max_s
        How old an event may be when it arrives, by its client's clock or the collector's.
    waited_max_s
        For how long an event may have waited between collector and stream, and is no older for it.
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
        deliveries.append(_delivery(position, record, event, oldest, waited_max_s))
    return deliveries, poison


def _user_key(whose: tuple[str | None, str | None]) -> Key:
    user_id, anonymous_id = whose
    return Key(*user_key(user_id, partition_key_of(user_id, anonymous_id)))


_user_keys = Memo(_user_key, 16_384)  # a user comes several times in a batch


class _Oldest(NamedTuple):
    """The moment before which an event that is not known is too old."""

    at_s: int
    at: datetime


def _delivery(
    position: int, record: StreamRecord, event: Event, oldest: _Oldest, waited_max_s: int
) -> Delivery:
    at_s = unix_s(event.occurred_at)
    identity = identify_at(event, at_s)
    # A client's clock may be ahead, or silent; the collector's was there too.
    too_old = event.received_at < oldest.at
    if 0 < identity.when < oldest.at_s:
        # It may have waited in the spill bucket: it is as old as it was when it was accepted.
        waited_s = min(max(0, record.arrived_at_s - unix_s(event.received_at)), waited_max_s)
        too_old = too_old or identity.when < oldest.at_s - waited_s
    return Delivery(
        position=position,
        event=event,
        identity=identity,
        user_key=_user_keys[event.user_id, event.anonymous_id],
        at_s=at_s,
        arrived_at_s=record.arrived_at_s,
        arrived_day=record.arrived_at_s // DAY_S,
        too_old=too_old,
        data=record.data,
    )
