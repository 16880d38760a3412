"""What follows an answer, as the Lambda developer guide documents it: checkpoints, retries, bisecting."""

from __future__ import annotations

import itertools

import pytest
from mapping_driver import QUEUE_ARN, Driver, config, fail, failing_items, numbers, succeed

from tapstack_emulator.event_source_mapping import InvokeResult, Pacing
from tapstack_emulator.event_source_mapping.model import Deliver, Invoke, SetRetention

HOUR_MS = 3_600_000


def test_without_reporting_any_answer_of_a_function_that_returned_is_a_success() -> None:
    driver = Driver(config(retry_attempts_max=0))
    number = driver.put()
    driver.run(lambda invoke: failing_items(number))
    assert len(driver.invocations()) == 1
    assert driver.metric("DroppedEventCount") == 0


def test_the_lowest_reported_record_is_where_delivery_resumes() -> None:
    driver = Driver(config(report_batch_item_failures=True))
    written = driver.put_many(5)
    answers = iter([failing_items(written[4], written[2]), InvokeResult.success()])
    driver.run(lambda invoke: next(answers))
    assert driver.invocations() == [written, written[2:]]
    assert driver.checkpoints() == [written[1], written[4]]


def test_one_unknown_identifier_fails_the_whole_batch() -> None:
    driver = Driver(config(report_batch_item_failures=True))
    written = driver.put_many(3)
    answers = iter([failing_items(written[2], "nonsense"), InvokeResult.success()])
    driver.run(lambda invoke: next(answers))
    assert driver.invocations() == [written, written]


def test_a_throttle_uses_up_no_attempt() -> None:
    driver = Driver(config(retry_attempts_max=0))
    number = driver.put()
    answers = iter([InvokeResult.throttled()] * 5 + [InvokeResult.success()])
    driver.run(lambda invoke: next(answers))
    assert len(driver.invocations()) == 6
    assert {invoke.attempt for invoke in driver.of(Invoke)} == {1}
    assert (driver.checkpoint(), driver.metric("DroppedEventCount")) == (number, 0)


def test_a_throttle_lasts_until_the_record_is_too_old() -> None:
    driver = Driver(config(record_age_max_s=60, destination_arn=QUEUE_ARN))
    number = driver.put()
    driver.run(lambda invoke: InvokeResult.throttled(), for_ms=300_000)
    assert driver.skipped() == [("RecordAgeExceeded", [number])]


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_a_failing_batch_is_invoked_once_more_than_its_retries(retries: int) -> None:
    driver = Driver(config(retry_attempts_max=retries))
    written = driver.put_many(3)
    driver.run(fail, for_ms=600_000)
    assert driver.invocations() == [written] * (1 + retries)
    assert driver.skipped() == [("RetryAttemptsExhausted", written)]
    assert driver.metric("DroppedEventCount") == 3
    assert driver.checkpoint() == written[-1]


def test_nothing_later_is_delivered_while_a_batch_fails() -> None:
    driver = Driver(config(batch_size=2))
    written = driver.put_many(6)
    driver.run(fail, for_ms=HOUR_MS)
    assert {tuple(batch) for batch in driver.invocations()} == {tuple(written[:2])}
    assert driver.checkpoint() is None


def test_the_checkpoint_stands_right_before_the_failing_record_whatever_the_digits() -> None:
    driver = Driver(config(batch_size=1))
    written = driver.put_many(5)  # 8, 9, 10, 11, 12
    driver.run(lambda invoke: fail(invoke) if written[3] in numbers(invoke) else succeed(invoke))
    assert driver.checkpoints() == written[:3] == ["8", "9", "10"]


def test_waits_between_retries_double_up_to_their_bound() -> None:
    driver = Driver(config(), pacing=Pacing(backoff_ms=100, backoff_max_ms=1_000))
    driver.put()
    moments: list[int] = []

    def note(invoke: Invoke) -> InvokeResult:
        moments.append(driver.now_ms)
        return InvokeResult.failed()

    driver.run(note, for_ms=5_000)
    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert waits[:6] == [100, 200, 400, 800, 1_000, 1_000]


def test_bisecting_isolates_a_poison_record_without_using_up_the_retries() -> None:
    driver = Driver(
        config(bisect_batch_on_function_error=True, retry_attempts_max=1, destination_arn=QUEUE_ARN)
    )
    written = driver.put_many(8)
    driver.run(
        lambda invoke: fail(invoke) if written[5] in numbers(invoke) else succeed(invoke), for_ms=600_000
    )
    assert driver.invocations() == [
        written,
        written[:4],
        written[4:],
        written[4:6],
        [written[4]],
        [written[5]],
        [written[5]],
        written[6:],
    ]
    assert driver.skipped() == [("RetryAttemptsExhausted", [written[5]])]
    assert driver.checkpoint() == written[-1]


def test_bisecting_halves_a_failed_batch_although_item_failures_are_reported() -> None:
    driver = Driver(config(bisect_batch_on_function_error=True, report_batch_item_failures=True))
    written = driver.put_many(4)
    answers = iter([InvokeResult.failed(), InvokeResult.success(), InvokeResult.success()])
    driver.run(lambda invoke: next(answers))
    assert driver.invocations() == [written, written[:2], written[2:]]


def test_with_bisecting_a_partial_response_splits_at_the_returned_number() -> None:
    driver = Driver(config(bisect_batch_on_function_error=True, report_batch_item_failures=True))
    written = driver.put_many(8)
    answers = iter([failing_items(written[6]), InvokeResult.success()])
    driver.run(lambda invoke: next(answers))
    assert driver.invocations() == [written, written[6:]]


def test_records_that_outlive_retention_while_stalled_are_gone_and_not_counted_as_dropped() -> None:
    driver = Driver(config(destination_arn=QUEUE_ARN), pacing=Pacing(retention_ms=24 * HOUR_MS))
    old = driver.put_many(2, arrival_ms=driver.now_ms - 23 * HOUR_MS)
    young = driver.put()
    driver.run(fail, for_ms=2 * HOUR_MS)
    driver.run()
    assert driver.skipped() == [("retention", old)]
    assert driver.metric("DroppedEventCount") == 0
    assert not driver.of(Deliver)
    assert driver.checkpoint() == young


def test_retention_may_be_changed_while_the_mapping_runs() -> None:
    driver = Driver()
    number = driver.put()
    driver.run(fail, for_ms=HOUR_MS)
    driver.send(SetRetention(driver.now_ms, 1_000))
    driver.run(fail, for_ms=HOUR_MS)
    assert driver.skipped() == [("retention", [number])]
