"""Parsing a batch: each record by itself."""

from __future__ import annotations

from datetime import timedelta
from math import floor
from typing import Any

import msgspec
import pytest
from consumer_world import DAY_S, record
from hypothesis import example, given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, rfc3339, stream_events
from tapstack.consumer.records import parse
from tapstack.core.events import Event
from tapstack.core.identity import identify, partition_key
from tapstack.core.rows import user_key

AGE_MAX_S = 20 * DAY_S
contents = st.lists(stream_events(items_max=2) | st.binary(max_size=30), max_size=12)


@given(contents)
def test_each_record_is_an_event_or_poison_in_its_place(data: list[Event | bytes]) -> None:
    records = [record(number, each) for number, each in enumerate(data)]
    deliveries, poison = parse(records, age_max_s=AGE_MAX_S)
    assert [bad.position for bad in poison] == [n for n, each in enumerate(data) if isinstance(each, bytes)]
    assert [delivery.position for delivery in deliveries] == [
        n for n, each in enumerate(data) if isinstance(each, Event)
    ]
    for delivery in deliveries:
        event = data[delivery.position]
        assert delivery.event == event
        assert delivery.identity == identify(event)
        assert delivery.user_key == user_key(event.user_id, partition_key(event))
        assert delivery.at_s == floor(event.occurred_at.timestamp())


SECOND = timedelta(seconds=1)
AGED = NOON - timedelta(seconds=AGE_MAX_S)
AGES: dict[str, tuple[dict[str, Any], bool]] = {
    "fresh": ({"occurred_at": rfc3339(NOON)}, False),
    "as old as allowed": ({"occurred_at": rfc3339(NOON - timedelta(seconds=AGE_MAX_S))}, False),
    "a second older": ({"occurred_at": rfc3339(NOON - timedelta(seconds=AGE_MAX_S + 1))}, True),
    "of no time": ({}, False),
    "before 1970": ({"occurred_at": "1960-01-01T00:00:00Z"}, True),
    "of the beginning of 1970": ({"occurred_at": "1970-01-01T00:00:00Z"}, True),
    "ahead": ({"occurred_at": rfc3339(NOON + timedelta(days=1))}, False),
    "of no time, received as long ago as allowed": ({"received_at": AGED}, False),
    "of no time, received a second earlier": ({"received_at": AGED - SECOND}, True),
    "fresh, received as long ago as allowed": ({"occurred_at": rfc3339(NOON), "received_at": AGED}, False),
    "fresh, received a second earlier": ({"occurred_at": rfc3339(NOON), "received_at": AGED - SECOND}, True),
    "ahead, received a second too early": (
        {"occurred_at": rfc3339(NOON + timedelta(days=1)), "received_at": AGED - SECOND},
        True,
    ),
    "old, received now": ({"occurred_at": rfc3339(AGED - SECOND), "received_at": NOON}, True),
    "a clock corrected by a day": (
        {"occurred_at": rfc3339(AGED - SECOND), "clock_skew_ms": -86_400_000},
        False,
    ),
}


@pytest.mark.parametrize(("change", "too_old"), AGES.values(), ids=AGES)
def test_age_at_arrival_is_by_the_older_of_the_clients_and_the_collectors_clock(
    change: dict[str, Any], too_old: bool
) -> None:
    (delivery,), _ = parse([record(0, change, NOON_S)], age_max_s=AGE_MAX_S)
    assert delivery.too_old is too_old


NEAR_MS = st.integers(-2_500, 2_500)


@example(-1, 500, 0)  # fractions of a second that cross one
@example(-1, 10**9, 0)
@given(NEAR_MS, NEAR_MS | st.integers(-(10**9), 10**9), NEAR_MS)
def test_an_event_is_too_old_to_the_millisecond(moved_ms: int, skew_ms: int, received_ms: int) -> None:
    """Also with a skew ahead, which only who writes to the stream by himself can say."""
    oldest = NOON - timedelta(seconds=AGE_MAX_S)
    client = oldest + timedelta(milliseconds=moved_ms)
    received_at = oldest + timedelta(milliseconds=received_ms)
    change = {
        "occurred_at": rfc3339(client + timedelta(milliseconds=skew_ms)),
        "clock_skew_ms": skew_ms,
        "received_at": received_at,
    }
    (delivery,), _ = parse([record(0, change, NOON_S)], age_max_s=AGE_MAX_S)
    assert delivery.too_old is (client < oldest or received_at < oldest)


@example(0, 1, -1)
@given(st.integers(0, 4), st.integers(0, 3), st.integers(-6, 2))
def test_what_waited_between_collector_and_stream_is_as_much_younger(
    waited_s: int, waited_max_s: int, moved_s: int
) -> None:
    change = {
        "occurred_at": rfc3339(AGED + timedelta(seconds=moved_s)),
        "received_at": NOON - timedelta(seconds=waited_s),
    }
    (delivery,), _ = parse([record(0, change)], age_max_s=AGE_MAX_S, waited_max_s=waited_max_s)
    assert delivery.too_old is (moved_s + min(waited_s, waited_max_s) < 0)


AROUND_S = st.integers(-2, 2)


@given(st.lists(st.tuples(AROUND_S, AROUND_S) | st.none(), max_size=8))
def test_records_of_a_batch_are_parsed_as_each_is_alone(times: list[tuple[int, int] | None]) -> None:
    """Arrivals seconds apart and in any order: what is too old to one of them is not to another."""
    records = []
    for number, said in enumerate(times):
        later_s, moved_s = said or (0, 0)
        occurred_at = NOON + timedelta(seconds=moved_s - AGE_MAX_S)
        data = b"?" if said is None else {"event_id": f"e-{number}", "occurred_at": rfc3339(occurred_at)}
        records.append(record(number, data, NOON_S + later_s))
    deliveries, poison = parse(records, age_max_s=AGE_MAX_S)
    alone = [parse([each], age_max_s=AGE_MAX_S) for each in records]
    assert deliveries == [
        msgspec.structs.replace(each, position=position)
        for position, (found, _) in enumerate(alone)
        for each in found
    ]
    assert poison == [
        each._replace(position=position) for position, (_, bad) in enumerate(alone) for each in bad
    ]


def test_a_moment_before_1970_is_in_the_second_that_holds_it() -> None:
    deliveries, _ = parse([record(0, {"occurred_at": "1969-12-31T23:54:59.5Z"})], age_max_s=AGE_MAX_S)
    assert deliveries[0].at_s == -301
