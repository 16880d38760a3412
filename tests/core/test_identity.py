"""Identities: the same for every copy of an event, different for any two events of a user."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, client_event, client_event_dicts, rfc3339, stream_event
from tapstack.collector.intake import canonical
from tapstack.core.events import ClientEvent, Event, decode_client_event
from tapstack.core.identity import (
    DAY_S,
    TIMELESS,
    Identity,
    Native,
    Opaque,
    Part,
    client_time_s,
    identify,
    identify_part,
    lane_of,
    partition_key,
)
from tapstack.core.memory import Bounds, Seen, expect_parts, judge, remember

UUID7 = "01890a5d-ac96-774b-bcce-b302099a8057"


def said(**changes: Any) -> ClientEvent:
    return decode_client_event(msgspec.json.encode(client_event(**changes)))


# Anything a clock may say: long ago, far ahead, and fractions of a millisecond.
CLIENT_TIMES = st.datetimes(
    datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)
) | st.timedeltas(-timedelta(days=3), timedelta(days=3)).map(lambda offset: NOON + offset)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def named(event: Event, part: int) -> Identity:
    return identify_part(event, part) if part else identify(event)


def remembered(identity: Identity) -> tuple[object, ...]:
    """What is the same in every copy: one may be ahead of the collector's clock, and a later one not."""
    match identity:
        case Native(client, n, when):
            return client, n, abs(when)
        case Opaque(digest, when):
            return digest, abs(when)
        case Part(digest):
            return (digest,)


ARRIVALS = st.integers(0, 10 * 86_400_000).map(lambda ms: NOON + timedelta(milliseconds=ms))


@given(event=client_event_dicts(), first=ARRIVALS, second=ARRIVALS, part=st.integers(0, 1))
def test_every_resend_has_the_identity_of_the_first(
    event: dict[str, Any], first: datetime, second: datetime, part: int
) -> None:
    parsed = decode_client_event(msgspec.json.encode(event))
    one, other = canonical(parsed, first), canonical(parsed, second)
    assert remembered(named(one, part)) == remembered(named(other, part))


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


PARTS: dict[str, tuple[dict[str, Any], str, bytes]] = {
    "of an id": ({"event_id": "e-1"}, "e-1", b""),
    "of a numbered event": ({"client_id": UUID7, "n": 7}, f"{UUID7}:7", b"native"),
    "of a number and an id": ({"client_id": UUID7, "n": 7, "event_id": "e-1"}, f"{UUID7}:7", b"native"),
}


@pytest.mark.parametrize("part", [1, 2, 258])
@pytest.mark.parametrize(("change", "name", "kind"), PARTS.values(), ids=PARTS)
def test_a_part_is_kept_as_a_hash_salted_with_its_number(
    change: dict[str, Any], name: str, kind: bytes, part: int
) -> None:
    # The layout of stored rows: another hash would make a part that is expected a duplicate, and lose it.
    salt = bytes([part // 256, part % 256])
    digest = hashlib.blake2b(name.encode(), digest_size=8, salt=salt, person=kind).digest()
    assert identify_part(stream_event(**change), part) == Part(int.from_bytes(digest, "big", signed=True))


def test_a_client_that_says_no_time_is_timeless() -> None:
    assert client_time_s(stream_event()) == TIMELESS


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_a_time_before_1970_is_a_time_and_very_old(text: str) -> None:
    assert client_time_s(stream_event(occurred_at=text)) == TIMELESS + 1


TWINS_BY_NAME: dict[str, tuple[tuple[dict[str, Any], int], tuple[dict[str, Any], int]]] = {
    "an id that looks like a part": (({"event_id": "a"}, 1), ({"event_id": "a#1"}, 0)),
    "an id that looks like a native event's part": (
        ({"client_id": UUID7, "n": 3}, 1),
        ({"event_id": f"{UUID7}:3#1"}, 0),
    ),
    "an id's part that looks like a native event's": (
        ({"client_id": UUID7, "n": 3}, 1),
        ({"event_id": f"{UUID7}:3"}, 1),
    ),
    "two parts of one event": (({"event_id": "a"}, 1), ({"event_id": "a"}, 2)),
    "part and whole": (({"event_id": "a"}, 0), ({"event_id": "a"}, 1)),
    "two numbers": (({"client_id": UUID7, "n": 3}, 0), ({"client_id": UUID7, "n": 4}, 0)),
    "parts of two numbers": (({"client_id": UUID7, "n": 1}, 11), ({"client_id": UUID7, "n": 11}, 1)),
}


@pytest.mark.parametrize(("one", "other"), TWINS_BY_NAME.values(), ids=TWINS_BY_NAME)
def test_no_name_of_an_event_makes_it_another_one(
    one: tuple[dict[str, Any], int], other: tuple[dict[str, Any], int]
) -> None:
    first, second = (named(stream_event(**change), part) for change, part in (one, other))
    assert first != second
    seen, bounds = Seen(), Bounds(keep_days=30)
    if isinstance(first, Part):
        expect_parts(seen, [first])
    else:
        remember(seen, first, NOON_S // DAY_S, bounds)
    assert judge(seen, second, 0, bounds) is judge(Seen(), second, 0, bounds)


@given(KEYS, st.integers(1, 1_000))
def test_a_lane_is_a_share_of_the_md5_range_as_a_shard_is(key: str, lanes: int) -> None:
    whole = int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big")
    lane = lane_of(key, lanes)
    assert 0 <= lane < lanes
    # 16 bits of 128 decide, so a lane's border may be off by one part in 65,536.
    assert lane / lanes <= whole / 2**128 < (lane + 1) / lanes + 2**-16


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=30), st.integers(1, 64)
)
def test_lanes_follow_the_order_of_md5(keys: list[str], lanes: int) -> None:
    ordered = sorted(keys, key=lambda key: hashlib.md5(key.encode(), usedforsecurity=False).digest())
    found = [lane_of(key, lanes) for key in ordered]
    assert found == sorted(found)


@given(KEYS, st.integers(0, 8).map(lambda k: 2**k))
def test_users_of_one_lane_are_in_one_shard_when_there_are_as_many(key: str, count: int) -> None:
    hash_key = int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big")
    assert lane_of(key, count) == hash_key // (2**128 // count)


PARTITION_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "user": ({"user_id": "u", "anonymous_id": "a"}, "u"),
    "visitor": ({"user_id": None, "anonymous_id": "a"}, "a"),
}


@pytest.mark.parametrize(("change", "expected"), PARTITION_KEYS.values(), ids=PARTITION_KEYS)
def test_events_of_one_person_share_a_partition_key(change: dict[str, Any], expected: str) -> None:
    event: Event = stream_event(**change)
    assert partition_key(event) == expected
