"""From records of the stream to events to be applied, and to poison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from tapstack.core.events import Event, Item, decode_event
from tapstack.core.fold import PART_ITEMS_MAX, part_items, parts_count
from tapstack.core.identity import (
    TIMELESS_MS,
    Identity,
    client_time_ms,
    identify,
    lane_of,
    partition_key,
)
from tapstack.core.rows import user_key
from tapstack.errors import InvalidEvent
from tapstack.ports import Key


class StreamRecord(msgspec.Struct, frozen=True, kw_only=True):
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


class Delivery(msgspec.Struct, frozen=True):
    """One part of an event, as one record delivered it."""

    position: int  # of its record in the batch
    event: Event
    part: int
    items: Sequence[Item]  # of this part
    identity: Identity
    user_key: Key
    lane: int
    at_s: int  # the event's own time
    arrived_at_s: int
    too_old: bool  # beyond what a row may have forgotten by expiry: LATE unless it is known


class Poison(NamedTuple):
    """A record that is no event and never will be."""

    position: int
    error: InvalidEvent


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
    for position, record in enumerate(records):
        try:
            event = decode_event(record.data)
        except InvalidEvent as error:
            poison.append(Poison(position, error))
            continue
        deliveries += _deliveries(position, record.arrived_at_s, event, lanes, age_max_s)
    return deliveries, poison


@lru_cache(maxsize=16_384)  # a user comes several times in a batch
def _home(user_id: str | None, partition_key: str, lanes: int) -> tuple[Key, int]:
    """Tell a user's row, and the lane of what is derived from it."""
    return Key(*user_key(user_id, partition_key)), lane_of(partition_key, lanes)


def _deliveries(position: int, arrived_at_s: int, event: Event, lanes: int, age_max_s: int) -> list[Delivery]:
    at_s = int(event.occurred_at.timestamp())
    key, lane = _home(event.user_id, partition_key(event), lanes)
    # A client's clock may be ahead, or silent; the collector's was there too.
    born_s = int(event.received_at.timestamp())
    if (said_ms := client_time_ms(event)) != TIMELESS_MS:
        born_s = min(born_s, said_ms // 1000)
    too_old = born_s < arrived_at_s - age_max_s
    first = Delivery(position, event, 0, event.items, identify(event), key, lane, at_s, arrived_at_s, too_old)
    if len(event.items) <= PART_ITEMS_MAX:
        return [first]
    return [
        msgspec.structs.replace(
            first,
            part=part,
            items=part_items(event, part),
            identity=identify(event, part),
            # The further parts follow the first, however old they are by then.
            too_old=too_old and not part,
        )
        for part in range(parts_count(event))
    ]
