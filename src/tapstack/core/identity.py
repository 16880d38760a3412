"""Who an event belongs to, and what makes it that event and no other.

Native producers stamp ``(client_id, n)``; everybody else stamps an ``event_id``. Both are fixed when
the event is created and resent unchanged, together with the user it belongs to.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from tapstack.core.events import ClientEvent, Event, StreamEvent, client_bytes_of

DAY_S = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMELESS = 0  # the client said no time


class Native(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """An event numbered by its client: remembered in intervals while these are few, else as an id."""

    client: bytes  # the 16 bytes of the UUIDv7; the first six are its birth time in ms
    n: int
    when: int  # as `Opaque` has it
    received_day: int


class Opaque(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """An event known by an id alone: remembered one by one.

    The id is kept as 64 bits of its hash. Two ids of one user that share them would count once: with
    the at most 65,600 ids that a user's memory holds, once in 10**14 events.

    Parameters
    ----------
    digest
        Of the id; the same in every copy of the event.
    when
        The client's own time, Unix seconds, ``>= 1``; `TIMELESS` if it said none; the time negated if it is
        more than a day ahead of the collector's. Apart from the sign it is the same in every copy.
    received_day
        The day on which the collector had this copy, days since 1970; 0 where `when` is positive.
    """

    digest: int
    when: int
    received_day: int


Identity = Native | Opaque


def identify(event: Event | StreamEvent) -> Native | Opaque:
    """Name an event."""
    return identify_at(event, unix_s(event.occurred_at))


def identify_at(event: Event | StreamEvent, occurred_s: int) -> Native | Opaque:
    """Name an event, given the Unix second of its ``occurred_at``."""
    when = _client_time_s(event, occurred_s)
    received_day = 0
    if when == TIMELESS or (event.clock_skew_ms and when > unix_s(event.received_at) + DAY_S):
        received_day = unix_s(event.received_at) // DAY_S
        when = -when
    if event.client_id is not None and event.n is not None:
        client = client_bytes_of[event.client_id]
        if client is None:
            raise AssertionError("decode_event admits no other client_id")
        return Native(client, event.n, when, received_day)
    return Opaque(_digest(_event_id(event)), when, received_day)


def number_digest(identity: Native) -> int:
    """Return what an event is known by that its client numbered, where it is remembered as an id."""
    return _digest(f"{UUID(bytes=identity.client)}:{identity.n}", kind=b"native")


def _event_id(event: Event | StreamEvent) -> str:
    if event.event_id is None:
        raise AssertionError("decode_event admits no event without an identity")
    return event.event_id


def client_time_s(event: Event | StreamEvent) -> int:
    """Return the time that the client itself stamped, in Unix seconds; `TIMELESS` if it stamped none.

    Unlike ``occurred_at`` it does not depend on when the event was sent, so every copy of an event
    has the same one. A time before 1970 is as good as its beginning: very old, but a time.
    """
    return _client_time_s(event, unix_s(event.occurred_at))


def _client_time_s(event: Event | StreamEvent, occurred_s: int) -> int:
    skew_ms = event.clock_skew_ms
    if skew_ms is None:
        return TIMELESS
    if skew_ms:
        occurred_ms = occurred_s * 1000 + event.occurred_at.microsecond // 1000
        occurred_s = (occurred_ms - skew_ms) // 1000
    return occurred_s if occurred_s > TIMELESS else TIMELESS + 1


def unix_s(moment: datetime) -> int:
    """Return the Unix second that holds a moment, also before 1970."""
    since = moment - EPOCH  # a datetime's own timestamp() costs twice as much
    return since.days * DAY_S + since.seconds


def partition_key(event: ClientEvent | StreamEvent) -> str:
    """Return the stream's partition key: the user, else the anonymous visitor."""
    return partition_key_of(event.user_id, event.anonymous_id)


def partition_key_of(user_id: str | None, anonymous_id: str | None) -> str:
    """Return the partition key of events with these ids."""
    key = user_id if user_id is not None else anonymous_id
    if key is None:
        raise AssertionError("decode admits no event without a user")
    return key


def _digest(name: str, kind: bytes = b"") -> int:
    # The kind goes into the hash beside the name, not into it: anybody may choose any event_id.
    hashed = hashlib.blake2b(name.encode(), digest_size=8, person=kind)
    return int.from_bytes(hashed.digest(), "big", signed=True)
