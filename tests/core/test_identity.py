"""Identities: the same for every copy of an event, different for any two events of a user."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, canonical, client_event, client_event_dicts, rfc3339, stream_event
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import ClientEvent, Event
from tapstack.core.identity import (
    DAY_S,
    TIMELESS,
    Identity,
    Native,
    Opaque,
    client_time_s,
    identify,
    number_digest,
    partition_key,
)
from tapstack.core.memory import Bounds, Seen, judge, remember

UUID7 = "01890a5d-ac96-774b-bcce-b302099a8057"


def said(**changes: Any) -> ClientEvent:
    return decode_client_event(msgspec.json.encode(client_event(**changes)))


# Anything a clock may say: long ago, far ahead, and fractions of a millisecond.
CLIENT_TIMES = st.datetimes(
    datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)
) | st.timedeltas(-timedelta(days=3), timedelta(days=3)).map(lambda offset: NOON + offset)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def remembered(identity: Identity) -> tuple[object, ...]:
    """What is the same in every copy: one may be ahead of the collector's clock, and a later one not."""
    match identity:
        case Native(client, n, when):
            return client, n, abs(when)
        case Opaque(digest, when):
            return digest, abs(when)


ARRIVALS = st.integers(0, 10 * 86_400_000).map(lambda ms: NOON + timedelta(milliseconds=ms))


@given(event=client_event_dicts(), first=ARRIVALS, second=ARRIVALS)
def test_every_resend_has_the_identity_of_the_first(
    event: dict[str, Any], first: datetime, second: datetime
) -> None:
    parsed = decode_client_event(msgspec.json.encode(event))
    one, other = canonical(parsed, first), canonical(parsed, second)
    assert remembered(identify(one)) == remembered(identify(other))


@given(occurred_at=CLIENT_TIMES, first=ARRIVALS, second=ARRIVALS)
@example(
    # Half a millisecond before a full second, clamped in one copy and not in the other.
    occurred_at=NOON + timedelta(hours=24, microseconds=999_500),
    first=NOON + timedelta(milliseconds=1),
    second=NOON + timedelta(hours=1),
)
def test_a_resend_is_the_same_event_although_its_clock_was_wild(
    occurred_at: datetime, first: datetime, second: datetime
) -> None:
    event = said(occurred_at=rfc3339(occurred_at))
    copies = [canonical(event, received_at) for received_at in (first, second)]
    assert remembered(identify(copies[0])) == remembered(identify(copies[1]))
    assert abs(client_time_s(copies[0]) - max(occurred_at.timestamp(), 1)) <= 1


def test_sent_at_and_what_else_the_collector_adds_are_no_part_of_the_identity() -> None:
    plain = canonical(said(occurred_at=rfc3339(NOON)), NOON)
    other = msgspec.structs.replace(plain, sent_at=NOON, protocol="y", received_at=NOON + timedelta(days=2))
    assert remembered(identify(plain)) == remembered(identify(other))


IDENTITIES: dict[str, tuple[dict[str, Any], Native | Opaque | None]] = {
    "native": (
        {"client_id": UUID7, "n": 7},
        Native(bytes.fromhex(UUID7.replace("-", "")), 7, TIMELESS, NOON_S // DAY_S),
    ),
    "native beats event_id": (
        {"client_id": UUID7, "n": 0, "event_id": "x"},
        Native(bytes.fromhex(UUID7.replace("-", "")), 0, TIMELESS, NOON_S // DAY_S),
    ),
}


@pytest.mark.parametrize(("change", "expected"), IDENTITIES.values(), ids=IDENTITIES)
def test_a_numbered_event_is_its_client_and_number(change: dict[str, Any], expected: Native) -> None:
    assert identify(stream_event(**change)) == expected


def test_an_id_is_kept_as_a_signed_64_bit_hash_with_the_clients_time() -> None:
    identity = identify(stream_event(occurred_at=rfc3339(NOON)))
    assert isinstance(identity, Opaque)
    # The layout of stored rows: another hash would count every remembered event again.
    digest = hashlib.blake2b(b"e-1", digest_size=8).digest()
    assert identity == Opaque(int.from_bytes(digest, "big", signed=True), NOON_S, 0)


def test_a_number_that_is_kept_as_an_id_is_the_hash_of_client_and_number_and_of_nothing_a_sender_names() -> (
    None
):
    identity = identify(stream_event(event_id=None, client_id=UUID7, n=3))
    assert isinstance(identity, Native)
    digest = hashlib.blake2b(f"{UUID7}:3".encode(), digest_size=8, person=b"native").digest()
    assert number_digest(identity) == int.from_bytes(digest, "big", signed=True)


@pytest.mark.parametrize(("ahead_s", "is_ahead"), [(-DAY_S, False), (DAY_S, False), (DAY_S + 1, True)])
def test_a_clock_is_ahead_if_it_is_more_than_a_day_beyond_the_collectors(
    ahead_s: int, is_ahead: bool
) -> None:
    ahead_ms = 1_000 * ahead_s
    found = identify(stream_event(occurred_at=rfc3339(NOON), clock_skew_ms=-ahead_ms, received_at=NOON))
    sign = -1 if is_ahead else 1
    assert (found.when, found.received_day) == (sign * (NOON_S + ahead_s), is_ahead * (NOON_S // DAY_S))


def test_a_client_that_says_no_time_is_timeless() -> None:
    assert client_time_s(stream_event()) == TIMELESS


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_a_time_before_1970_is_a_time_and_very_old(text: str) -> None:
    assert client_time_s(stream_event(occurred_at=text)) == TIMELESS + 1


TWINS_BY_NAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an id that looks like a number": ({"client_id": UUID7, "n": 3}, {"event_id": f"{UUID7}:3"}),
    "two ids": ({"event_id": "a"}, {"event_id": "b"}),
    "two numbers": ({"client_id": UUID7, "n": 3}, {"client_id": UUID7, "n": 4}),
}


@pytest.mark.parametrize(("one", "other"), TWINS_BY_NAME.values(), ids=TWINS_BY_NAME)
def test_no_name_of_an_event_makes_it_another_one(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (identify(stream_event(**change)) for change in (one, other))
    assert first != second
    seen, bounds = Seen(), Bounds(keep_days=30)
    remember(seen, first, NOON_S // DAY_S, bounds)
    assert judge(seen, second, 0, bounds) is judge(Seen(), second, 0, bounds)


PARTITION_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "user": ({"user_id": "u", "anonymous_id": "a"}, "u"),
    "visitor": ({"user_id": None, "anonymous_id": "a"}, "a"),
}


@pytest.mark.parametrize(("change", "expected"), PARTITION_KEYS.values(), ids=PARTITION_KEYS)
def test_events_of_one_person_share_a_partition_key(change: dict[str, Any], expected: str) -> None:
    event: Event = stream_event(**change)
    assert partition_key(event) == expected
