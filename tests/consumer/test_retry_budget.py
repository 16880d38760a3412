"""How long an invocation goes on: to the millisecond, and to the attempt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from consumer_world import Pipeline, record, view
from hypothesis import given
from hypothesis import strategies as st

from tapstack.consumer.records import StreamRecord
from tapstack.core.backoff import backoff_ms
from tapstack.errors import Throttled, Unavailable
from tapstack.retry_budget import ATTEMPTS_MAX, CALM_MS, MARGIN_MS, RESERVE_MS, RetryBudget
from tapstack_emulator import FaultScript, Injection, ManualClock

REASON = Throttled("slower")


def patience(remaining_ms: int = 60_000, jitter: float = 0.5) -> tuple[RetryBudget, ManualClock]:
    clock = ManualClock()
    end_ms = clock.now_ms() + remaining_ms
    return RetryBudget(clock, lambda: jitter, lambda: end_ms - clock.now_ms()), clock


def raised(act: Callable[[], object]) -> Unavailable | None:
    try:
        act()
    except Unavailable as error:
        return error
    return None


@pytest.mark.parametrize(("left_ms", "is_refused"), [(MARGIN_MS, False), (MARGIN_MS - 1, True), (0, True)])
def test_nothing_is_begun_within_the_margin(left_ms: int, is_refused: bool) -> None:
    error = raised(patience(left_ms)[0].check)
    assert (str(error) == "the invocation's time is nearly over") is is_refused


@given(st.integers(0, ATTEMPTS_MAX + 1), st.floats(0, 1, exclude_max=True), st.integers(0, 4_000))
def test_a_pause_is_a_backoff_that_leaves_the_margin_or_none(
    attempt: int, jitter: float, spare_ms: int
) -> None:
    trying, clock = patience(MARGIN_MS + spare_ms, jitter)
    error = raised(lambda: trying.pause(attempt, REASON))
    wait_ms = backoff_ms(attempt, jitter)
    if attempt + 1 >= ATTEMPTS_MAX or wait_ms > spare_ms:
        assert error is REASON
        assert clock.slept_ms == []
    else:
        assert error is None
        assert clock.slept_ms == [wait_ms]


@given(st.integers(0, 99), st.integers(0, ATTEMPTS_MAX + 1))
def test_who_gets_something_now_and_then_may_wait_longer_and_longer(waits: int, failures: int) -> None:
    trying, clock = patience()
    error = raised(lambda: trying.pause(waits, REASON, failures))
    assert (error is REASON) is (failures + 1 >= ATTEMPTS_MAX)
    assert clock.slept_ms == ([] if error else [backoff_ms(waits, 0.5)])


def test_an_invocation_that_was_not_calm_once_is_not_calm_again() -> None:
    trying, clock = patience()
    clock.advance_ms(CALM_MS - 1)
    assert trying.is_calm()
    clock.advance_ms(1)
    assert not trying.is_calm()
    clock.set_ms(clock.now_ms() - CALM_MS)  # a clock that is set back
    assert not trying.is_calm()


BUCKETS = {
    "quarantine": record(1, b"?"),
    "late events": view(1, occurred_at="2024-03-10T12:00:00Z"),
}


@pytest.mark.parametrize("bad", BUCKETS.values(), ids=BUCKETS)
def test_a_bucket_that_goes_on_failing_is_tried_as_often_as_allowed(bad: StreamRecord) -> None:
    pipeline = Pipeline(bucket_faults=FaultScript({n: Injection("internal_error") for n in range(1, 99)}))
    assert pipeline.run([bad]).resume_from is not None
    assert pipeline.clock.slept_ms == [backoff_ms(attempt, 0.5) for attempt in range(ATTEMPTS_MAX - 1)]


def test_what_is_reserved_is_left_when_work_ends_and_used_when_it_is_released() -> None:
    left_ms = [MARGIN_MS + RESERVE_MS]
    trying = RetryBudget(ManualClock(), lambda: 0.5, lambda: left_ms[0])
    trying.reserve()
    trying.check()
    left_ms[0] -= 1
    with pytest.raises(Unavailable):
        trying.check()
    with pytest.raises(Unavailable):
        trying.pause(0, REASON)
    trying.release()
    trying.check()
    left_ms[0] = MARGIN_MS - 1
    with pytest.raises(Unavailable):
        trying.check()
