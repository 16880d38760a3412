"""Pointers between users and visitors: in the transaction that counts the event, both ways, and only once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from consumer_world import TABLE, Pipeline, drain, view
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S
from tapstack.consumer.records import StreamRecord
from tapstack.consumer.transaction import ROWS_MAX
from tapstack.core.links import LINKS_MAX
from tapstack_emulator import Crash, RandomFaults
from tapstack_emulator.faults.policy import Fault

DAY_S = 86_400
NOON = datetime.fromtimestamp(NOON_S, tz=UTC)
PAIRS = st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdefg")), min_size=1, max_size=25)
FAULTS: dict[Fault, float] = {
    "stale_read": 0.1,
    "lost_request": 0.05,
    "lost_response": 0.1,
    "transaction_conflict": 0.1,
    "crash_before": 0.03,
    "crash_after": 0.05,
}


def both(number: int, user_id: str, anonymous_id: str) -> StreamRecord:
    return view(number, user_id=user_id, anonymous_id=anonymous_id)


def pointers(pipeline: Pipeline) -> set[tuple[str, str]]:
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in pipeline.dynamodb.items(TABLE)]
    return {key for key in keys if key[1].startswith(("was#", "is#"))}


def expected(pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    ways = [((f"U#{u}", f"was#{a}"), (f"A#{a}", f"is#{u}")) for u, a in pairs]
    return {key for way in ways for key in way}


@given(PAIRS, st.integers(1, 9), st.integers(0, 99))
def test_every_pair_has_its_pointers_both_ways_whatever_fails(
    pairs: list[tuple[str, str]], size: int, seed: int
) -> None:
    pipeline = Pipeline(faults=RandomFaults(seed, FAULTS), seed=seed)
    records = [both(number, *pair) for number, pair in enumerate(pairs)]
    for start in range(0, len(records), size):
        try:
            drain(pipeline, records[start : start + size])
        except Crash:
            drain(pipeline, records[start : start + size])
    assert pointers(pipeline) == expected(pairs)


def test_a_pair_that_is_known_writes_nothing_more() -> None:
    pipeline = Pipeline()
    pipeline.run([both(1, "ann", "v")])
    pipeline.run([both(2, "ann", "v")])
    assert [len(keys) for keys in pipeline.watched.transactions] == [5, 3]


def test_a_visitor_beyond_the_aliases_of_a_row_stays_linked_and_is_not_written_again() -> None:
    pipeline = Pipeline()
    records = [both(number, "ann", f"v{number}") for number in range(9)]
    pipeline.run(records)
    assert pointers(pipeline) == expected([("ann", f"v{number}") for number in range(9)])
    pipeline.run([both(20 + number, "ann", f"v{number}") for number in range(9)])
    assert len(pipeline.watched.transactions[-1]) == 3


def test_a_sender_of_thousands_of_aliases_makes_a_bounded_number_of_rows() -> None:
    pipeline = Pipeline()
    pipeline.run([both(number, "ann", f"v{number}") for number in range(300)])
    assert len(pointers(pipeline)) == 2 * LINKS_MAX


def test_a_pair_in_use_is_written_again_before_its_pointers_expire() -> None:
    pipeline = Pipeline()
    for day in range(0, 60, 5):
        now = NOON + timedelta(days=day)
        event = view(day, user_id="ann", anonymous_id="v", occurred_at=now.isoformat(), received_at=now)
        pipeline.run([msgspec.structs.replace(event, arrived_at_s=NOON_S + day * DAY_S)])
        expiries = [
            int(item["ttl"]["N"])
            for item in pipeline.dynamodb.items(TABLE)
            if item["sk"]["S"].startswith(("was#", "is#"))
        ]
        assert min(expiries) > NOON_S + (day + 20) * DAY_S


@pytest.mark.parametrize("users", [32, 33])
def test_pointers_are_counted_among_the_rows_of_a_transaction(users: int) -> None:
    pipeline = Pipeline()
    pipeline.run([both(number, f"u{number}", "v") for number in range(users)])
    assert [len(keys) for keys in pipeline.watched.transactions] == (
        [3 * 32 + 2] if users == 32 else [3 * 32 + 2, 5]
    )
    assert 3 * 33 > ROWS_MAX >= 3 * 32
    assert len(pointers(pipeline)) == 2 * users
