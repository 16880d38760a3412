"""The consumer under one fault at a time: time that runs out, services that fail, rows that others change."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from consumer_world import LIMITS, TABLE, VIEWS, Pipeline, counted, drain, record, view
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S
from tapstack.core.events import TYPE_CODE
from tapstack.core.rows import decode_user
from tapstack.retry_budget import ATTEMPTS_MAX, MARGIN_MS
from tapstack_emulator import FaultScript, Injection

# Time.


def countdown(clock: Any, until_ms: int) -> Callable[[], int]:
    return lambda: until_ms - clock.now_ms()


def test_nothing_is_begun_when_time_is_nearly_over() -> None:
    pipeline = Pipeline()
    report = pipeline.run(VIEWS, lambda: MARGIN_MS - 1)
    assert report.resume_from == VIEWS[0].sequence_number
    assert report.reason == "OutOfTime: the invocation's time is nearly over"
    assert pipeline.rows() == {}


@given(st.integers(0, 25))
def test_an_invocation_cut_short_says_where_it_stopped_and_the_rest_follows(calls: int) -> None:
    pipeline = Pipeline()
    asked = iter([60_000] * calls)
    report = pipeline.run(VIEWS, lambda: next(asked, 0))
    if report.resume_from is not None:
        first = [each.sequence_number for each in VIEWS].index(report.resume_from)
        assert pipeline.run(VIEWS[:first]).applied == 0
        assert drain(pipeline, VIEWS[first:]).resume_from is None
    counted(pipeline, VIEWS)


def test_waiting_for_a_throttled_table_never_uses_up_the_invocation() -> None:
    always = {number: Injection("throttle") for number in range(1, 500)}
    pipeline = Pipeline(faults=FaultScript(always))
    end_ms = pipeline.clock.now_ms() + MARGIN_MS + 300
    report = pipeline.run(VIEWS, countdown(pipeline.clock, end_ms))
    assert report.resume_from == VIEWS[0].sequence_number
    assert end_ms - pipeline.clock.now_ms() >= MARGIN_MS


# Faults one by one.


FAULTS: dict[str, tuple[dict[Any, Any], dict[str, int]]] = {
    "a read throttled": ({("BatchGetItem", 1): "throttle"}, {}),
    "a read unfinished": ({("BatchGetItem", 1): Injection("unprocessed", (0, 1))}, {}),
    "a commit throttled": ({("TransactWriteItems", 1): "throttle_transaction"}, {}),
    "a commit contended": (
        {("TransactWriteItems", 1): Injection("transaction_conflict", (0,))},
        {"conflicts": 1},
    ),
    "a commit lost on its way": ({("TransactWriteItems", 1): "lost_request"}, {}),
    "a commit whose answer is lost": (
        {("TransactWriteItems", 1): "lost_response"},
        {"applied": 0, "duplicates": 1},
    ),
    "a commit applied by a failing server": (
        {("TransactWriteItems", 1): "internal_error_applied"},
        {"applied": 0, "duplicates": 1},
    ),
}


@pytest.mark.parametrize(("faults", "differs"), FAULTS.values(), ids=FAULTS)
def test_a_passing_fault_is_waited_out(faults: dict[Any, Any], differs: dict[str, int]) -> None:
    pipeline = Pipeline(faults=FaultScript(faults))
    report = pipeline.run(VIEWS[:1])
    usual = {"resume_from": None, "applied": 1, "duplicates": 0, "conflicts": 0, **differs}
    assert {name: getattr(report, name) for name in usual} == usual
    assert pipeline.clock.slept_ms
    counted(pipeline, VIEWS[:1])


# Reading ahead gives up by itself before what is needed is read.
@pytest.mark.parametrize(
    ("operation", "attempts"), [("BatchGetItem", 2 * ATTEMPTS_MAX - 1), ("TransactWriteItems", ATTEMPTS_MAX)]
)
def test_a_lasting_fault_ends_in_an_honest_report(operation: str, attempts: int) -> None:
    pipeline = Pipeline(
        faults=FaultScript({(operation, n): Injection("access_denied") for n in range(1, 99)})
    )
    report = pipeline.run(VIEWS)
    assert report.resume_from == VIEWS[0].sequence_number
    assert report.reason is not None
    assert report.reason.startswith("Unavailable: dynamodb: AccessDeniedException")
    assert len(pipeline.clock.slept_ms) == attempts - 1
    assert (report.applied, report.transactions) == (0, 0)


def test_a_loser_decides_again_from_the_rows_that_won() -> None:
    pipeline = Pipeline()
    pipeline.watched.before_transaction[1] = lambda: pipeline.run([view(1)])
    report = pipeline.run([view(1), view(2)])
    assert (report.applied, report.duplicates, report.conflicts) == (1, 1, 1)
    counted(pipeline, [view(1), view(2)])


def test_a_loser_sees_every_row_that_won_at_once() -> None:
    pipeline = Pipeline()
    records = [view(number, user_id=f"user-{number}") for number in range(30)]
    pipeline.watched.before_transaction[1] = lambda: pipeline.run(records)
    report = pipeline.run(records)
    assert (report.applied, report.duplicates, report.conflicts) == (0, 30, 1)


def test_who_loses_again_and_again_is_counted_in_the_end_and_says_how_often() -> None:
    pipeline = Pipeline()
    other = Pipeline(on_table_of=pipeline)
    others = [view(number) for number in (1, 2, 3)]
    for number, each in enumerate(others, 1):
        pipeline.watched.before_transaction[number] = lambda each=each: other.run([each])  # type: ignore[misc]
    report = pipeline.run([view(9)])
    assert (report.applied, report.conflicts) == (1, len(others))
    counted(pipeline, [*others, view(9)])


def test_a_row_deleted_by_ttl_in_between_is_begun_anew() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1)])
    pipeline.project()  # or the journal would be too far behind
    pipeline.clock.advance_ms((LIMITS.row_ttl_s + 1) * 1_000)
    pipeline.watched.before_transaction[2] = pipeline.dynamodb.sweep
    later_s = pipeline.clock.now_ms() // 1_000
    event = {"event_id": "e-2", "received_at": NOON + timedelta(seconds=later_s - NOON_S)}
    report = pipeline.run([record(2, event, later_s)])
    assert (report.applied, report.resume_from) == (1, None)
    (user,) = [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"] == "U#ann"]
    assert decode_user(base64.b64decode(user["s"]["B"])).counters == {TYPE_CODE["item_view"]: 1}
