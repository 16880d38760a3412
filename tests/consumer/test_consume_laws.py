"""The consumer counts every event once, whatever happens to it and around it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from consumer_world import TABLE, Pipeline, counted, counts, drain, expected, record
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import stream_events
from examples import share
from tapstack.consumer.records import StreamRecord
from tapstack.core.events import Event
from tapstack_emulator import Crash, FaultScript, Injection, RandomFaults


def name_of(event: Event) -> tuple[object, ...]:
    identity = (event.event_id,) if event.client_id is None else (event.client_id, event.n)
    return event.user_id, None if event.user_id else event.anonymous_id, *identity


@st.composite
def streams(draw: st.DrawFn, *, size_max: int = 10) -> list[StreamRecord]:
    """Records of a few events, some in several copies: the same identity is the same event."""
    pool = draw(st.lists(stream_events(), min_size=1, max_size=size_max, unique_by=name_of))
    events = [*pool, *draw(st.lists(st.sampled_from(pool), max_size=3))]
    return [record(number, event) for number, event in enumerate(events)]


batches = streams()


@given(batches)
def test_the_rows_are_what_a_plain_fold_of_the_distinct_events_gives(records: list[StreamRecord]) -> None:
    pipeline = Pipeline()
    report = pipeline.run(records)
    assert report.resume_from is None
    assert report.applied + report.duplicates == len(records)
    assert report.late == report.quarantined == 0
    counted(pipeline, records)


@given(batches)
def test_consuming_again_changes_no_row(records: list[StreamRecord]) -> None:
    pipeline = Pipeline()
    pipeline.run(records)
    before = pipeline.dynamodb.items(TABLE)
    report = pipeline.run(records)
    assert (report.applied, report.transactions, report.resume_from) == (0, 0, None)
    assert pipeline.dynamodb.items(TABLE) == before


@st.composite
def regrouped(draw: st.DrawFn) -> tuple[list[StreamRecord], list[list[StreamRecord]]]:
    """A stream, and one way it may be delivered: cut anywhere, batches and tails of batches again."""
    records = draw(batches)
    groups = []
    start = 0
    while start < len(records):
        end = draw(st.integers(start + 1, len(records)))
        again_from = draw(st.integers(0, start))
        groups.append(records[again_from:end])
        start = end
    return records, groups


@given(regrouped())
def test_how_the_stream_is_cut_and_redelivered_changes_no_state(
    delivery: tuple[list[StreamRecord], list[list[StreamRecord]]],
) -> None:
    records, groups = delivery
    at_once, piecemeal = Pipeline(), Pipeline()
    at_once.run(records)
    for group in groups:
        assert piecemeal.run(group).resume_from is None
    assert piecemeal.rows() == at_once.rows()


@given(batches, st.randoms(use_true_random=False))
def test_the_order_of_delivery_changes_no_count(records: list[StreamRecord], random: Any) -> None:
    pipeline, shuffled = Pipeline(), list(records)
    random.shuffle(shuffled)
    for each in shuffled:
        pipeline.run([each])
    counted(pipeline, records)


@given(
    records=streams(size_max=16),
    cut=st.tuples(st.integers(0, 16), st.integers(0, 16)),
    moments=st.lists(st.integers(1, 6), max_size=3, unique=True),
)
def test_invocations_may_interrupt_each_other_anywhere(
    records: list[StreamRecord], cut: tuple[int, int], moments: list[int]
) -> None:
    """Before chosen transactions of one invocation another runs as a whole, on an overlapping batch."""
    pipeline = Pipeline()
    mine, others = records[: max(cut)], records[min(cut) :]
    for moment in moments:
        pipeline.watched.before_transaction[moment] = lambda: pipeline.run(others)
    report = pipeline.run(mine)
    assert report.resume_from is None
    if not moments:
        pipeline.run(others)
    drain(pipeline, others)
    counted(pipeline, records)


LIES: dict[str, dict[Any, float]] = {
    "throttled": {"throttle": 0.1, "throttle_api": 0.1, "throttle_transaction": 0.2},
    "connections lost": {"lost_request": 0.15, "lost_response": 0.2},
    "servers failing": {"internal_error": 0.1, "internal_error_applied": 0.2},
    "stale reads": {"stale_read": 0.6, "unprocessed": 0.2},
    "contended": {"transaction_conflict": 0.4, "stale_read": 0.2},
    "crashes": {"crash_before": 0.1, "crash_after": 0.15},
    "everything": {
        "throttle": 0.05, "lost_request": 0.05, "lost_response": 0.1, "internal_error_applied": 0.05,
        "stale_read": 0.2, "unprocessed": 0.1, "transaction_conflict": 0.1, "crash_after": 0.05,
    },
}  # fmt: skip


@pytest.mark.parametrize("weights", LIES.values(), ids=LIES)
@given(records=batches, seed=st.integers(0, 2**32))
@share(0.5)
def test_under_faults_every_event_is_counted_once_in_the_end(
    weights: dict[Any, float], records: list[StreamRecord], seed: int
) -> None:
    pipeline = Pipeline(faults=RandomFaults(seed, weights), seed=seed)
    drain(pipeline, records)
    drain(pipeline, records)  # and by a replay
    counted(pipeline, records)


@given(records=batches, seed=st.integers(0, 2**32))
@share(0.5)
def test_counts_are_never_above_the_truth_even_for_a_moment(records: list[StreamRecord], seed: int) -> None:
    pipeline = Pipeline(faults=RandomFaults(seed, LIES["everything"]), seed=seed)
    truth = expected(records)
    for _ in range(4):
        with suppress(Crash):
            pipeline.run(records)
        for kind, found in counts(pipeline).items():
            assert found <= truth[kind]


@given(records=batches, refused_from=st.integers(1, 6))
def test_the_record_to_resume_from_is_the_first_that_is_not_done(
    records: list[StreamRecord], refused_from: int
) -> None:
    refusals = {("TransactWriteItems", call): Injection("throttle_api") for call in range(refused_from, 60)}
    pipeline = Pipeline(faults=FaultScript(refusals))
    report = pipeline.run(records)
    if report.resume_from is None:
        return
    first = [each.sequence_number for each in records].index(report.resume_from)
    again = Pipeline(on_table_of=pipeline)
    assert first == 0 or again.run(records[:first]).applied == 0
    assert again.run(records[first : first + 1]).applied >= 1
    assert again.run(records).resume_from is None
    counted(pipeline, records)
