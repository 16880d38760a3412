"""What AWS leaves open: every answer to every question is possible, and does what it says."""

from __future__ import annotations

import json

import pytest
from mapping_driver import QUEUE_ARN, SHARD, Driver, config, fail, failing_items, numbers, succeed

from tapstack_emulator.event_source_mapping import (
    QUESTIONS,
    FixedChoices,
    InvokeResult,
    Pacing,
    SeededChoices,
)
from tapstack_emulator.event_source_mapping.model import Deliver, Disable, Enable, Fetch, Invoke, Update

PACING = Pacing(backoff_ms=100, backoff_max_ms=100)


def answering(**answers: str) -> FixedChoices:
    return FixedChoices(answers)


@pytest.mark.parametrize(
    ("answer", "invocations", "counts"),
    [("not_consumed", 5, [2, 2]), ("inherit", 3, [2, 2]), ("reset", 5, [2, 2])],
)
def test_bisect_attempts(answer: str, invocations: int, counts: list[int]) -> None:
    driver = Driver(
        config(bisect_batch_on_function_error=True, retry_attempts_max=1, destination_arn=QUEUE_ARN),
        choices=answering(bisect_attempts=answer),
        pacing=PACING,
    )
    written = driver.put_many(2)
    driver.run(fail)
    assert len(driver.invocations()) == invocations
    assert [
        json.loads(d.body)["requestContext"]["approximateInvokeCount"] for d in driver.of(Deliver)
    ] == counts
    assert driver.checkpoint() == written[-1]


def test_bisect_attempts_inherited_may_discard_a_batch_of_several_records() -> None:
    driver = Driver(
        config(bisect_batch_on_function_error=True, retry_attempts_max=0),
        choices=answering(bisect_attempts="inherit"),
    )
    written = driver.put_many(4)
    driver.run(fail)
    assert driver.skipped() == [("RetryAttemptsExhausted", written)]


def test_bisect_order() -> None:
    driver = Driver(
        config(bisect_batch_on_function_error=True), choices=answering(bisect_order="second_half_first")
    )
    written = driver.put_many(4)
    answers = iter([InvokeResult.failed(), InvokeResult.success(), InvokeResult.success()])
    driver.run(lambda invoke: next(answers))
    assert driver.invocations() == [written, written[2:], written[:2]]
    assert driver.checkpoints() == [written[3]]  # the first half held it back


@pytest.mark.parametrize(("answer", "deliveries"), [("reset", 1 + 1 + 2), ("kept", 1 + 1 + 1)])
def test_progress_attempts(answer: str, deliveries: int) -> None:
    driver = Driver(
        config(report_batch_item_failures=True, retry_attempts_max=1, destination_arn=QUEUE_ARN),
        choices=answering(progress_attempts=answer),
        pacing=PACING,
    )
    written = driver.put_many(2)
    answers = iter([InvokeResult.failed(), *[failing_items(written[1])] * 3])
    driver.run(lambda invoke: next(answers))  # a failure of both, progress to the second, then failures
    assert sum(written[1] in batch for batch in driver.invocations()) == deliveries
    assert driver.invocations()[-1] == [written[1]]
    assert json.loads(driver.of(Deliver)[0].body)["requestContext"]["approximateInvokeCount"] == 2
    assert driver.checkpoint() == written[1]


@pytest.mark.parametrize(("answer", "waited_ms"), [("backoff", 100), ("immediate", 0)])
def test_partial_retry(answer: str, waited_ms: int) -> None:
    driver = Driver(
        config(report_batch_item_failures=True), choices=answering(partial_retry=answer), pacing=PACING
    )
    written = driver.put_many(2)
    first = driver.run_until(Invoke)
    began_ms = driver.now_ms
    driver.answer(first, lambda invoke: failing_items(written[1]))
    driver.run_until(Invoke)
    assert driver.now_ms - began_ms == waited_ms


def test_regroup_retry_fewer_keeps_the_order_and_the_attempts() -> None:
    driver = Driver(config(retry_attempts_max=2), choices=answering(regroup_retry="fewer"), pacing=PACING)
    written = driver.put_many(4)
    driver.run(lambda invoke: fail(invoke) if invoke.attempt == 1 else succeed(invoke))
    assert driver.invocations() == [written, written[:3], written[3:]]
    assert [invoke.attempt for invoke in driver.of(Invoke)] == [1, 2, 2]


def test_regroup_retry_more_takes_records_that_came_later() -> None:
    driver = Driver(config(batch_size=4), choices=answering(regroup_retry="more"), pacing=PACING)
    early = driver.put_many(2)
    first = driver.run_until(Invoke)
    late = driver.put_many(3)
    driver.run(for_ms=2_000)
    driver.answer(first, fail)
    driver.run()
    assert driver.invocations() == [early, early + late[:2], late[2:]]


@pytest.mark.parametrize(("answer", "invocations"), [("failure", 3), ("success", 1)])
@pytest.mark.parametrize(
    "payload", [b"5", b'{"foo":1}', b'"text"', b"not JSON", b"[1]", b"false", b'{"batchItemFailures":"x"}']
)
def test_unlisted_response(payload: bytes, answer: str, invocations: int) -> None:
    driver = Driver(
        config(report_batch_item_failures=True, retry_attempts_max=2),
        choices=answering(unlisted_response=answer),
    )
    driver.put()
    driver.run(lambda invoke: InvokeResult.success(payload))
    assert len(driver.invocations()) == invocations


@pytest.mark.parametrize(("answer", "invocations"), [("fail", 0), ("deliver", 1)])
def test_oversize_record(answer: str, invocations: int) -> None:
    driver = Driver(config(retry_attempts_max=1), choices=answering(oversize_record=answer))
    driver.put(data=b"x" * 5_000_000)
    last = driver.put()
    driver.run()
    assert len(driver.invocations()) == invocations + 1
    assert driver.checkpoint() == last


@pytest.mark.parametrize(("answer", "goes_on"), [("only_itself", True), ("whole_shard", False)])
def test_failing_sub_batch(answer: str, goes_on: bool) -> None:
    driver = Driver(
        config(batch_size=1, parallelization_factor=2),
        choices=answering(failing_sub_batch=answer),
        pacing=PACING,
    )
    keys = ("a", "b") if sub_batch_of("a") != sub_batch_of("b") else ("a", "d")
    driver.put(key=keys[0])
    driver.run(fail, for_ms=1_000)
    other = driver.put(key=keys[1])
    driver.run(fail, for_ms=3_000)
    assert ([other] in driver.invocations()) == goes_on
    driver.run()
    assert driver.checkpoint() == other


def sub_batch_of(key: str) -> int:
    driver = Driver(config(parallelization_factor=2))
    driver.put(key=key)
    return driver.run_until(Invoke).sub_batch


@pytest.mark.parametrize(("answer", "invocations"), [("await", 1), ("abandon", 2)])
def test_in_flight_on_stop(answer: str, invocations: int) -> None:
    driver = Driver(choices=answering(in_flight_on_stop=answer))
    driver.put()
    invoke = driver.run_until(Invoke)
    driver.send(Disable(driver.now_ms))
    driver.answer(invoke)
    assert driver.state.status == "Disabled"
    driver.send(Enable(driver.now_ms))
    driver.run()
    assert len(driver.invocations()) == invocations


@pytest.mark.parametrize(("answer", "again"), [("shard_checkpoint", True), ("sub_batch_checkpoints", False)])
def test_resume_sub_batches(answer: str, again: bool) -> None:
    driver = Driver(
        config(batch_size=1, parallelization_factor=2),
        choices=answering(resume_sub_batches=answer),
        pacing=PACING,
    )
    bad, good = ("a", "b") if sub_batch_of("a") != sub_batch_of("b") else ("a", "d")
    stuck = driver.put(key=bad)
    ahead = driver.put(key=good)
    driver.run(lambda invoke: fail(invoke) if stuck in numbers(invoke) else succeed(invoke), for_ms=1_000)
    driver.send(Disable(driver.now_ms))
    driver.send(Enable(driver.now_ms))
    driver.run()
    assert (driver.invocations().count([ahead]) == 2) == again
    assert driver.checkpoint() == ahead


@pytest.mark.parametrize(("answer", "missed"), [("keep", False), ("retake", True)])
def test_latest_on_update(answer: str, missed: bool) -> None:
    driver = Driver(
        config(starting_position="LATEST"),
        choices=answering(latest_on_update=answer),
        pacing=Pacing(activation_delay_ms=60_000),
    )
    driver.run(for_ms=70_000)
    first = driver.put()
    driver.run(for_ms=5_000)
    driver.send(Update(driver.now_ms, config(starting_position="LATEST", batch_size=5)))
    during = driver.put()
    driver.run(for_ms=70_000)
    after = driver.put()
    driver.run()
    delivered = [number for batch in driver.invocations() for number in batch]
    assert delivered == ([first, after] if missed else [first, during, after])


def test_every_question_has_its_test_here() -> None:
    here = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert all(any(name.startswith(question) for name in here) for question in QUESTIONS)


def test_an_answer_that_is_no_option_is_refused() -> None:
    with pytest.raises(ValueError, match="bisect_order"):
        FixedChoices({"bisect_order": "sideways"})


def test_the_same_seed_gives_the_same_answers() -> None:
    options = QUESTIONS["regroup_retry"].options

    def answers(seed: int) -> list[object]:
        choices = SeededChoices(seed)
        return [
            (choices.pick("regroup_retry", options), choices.between("backoff_ms", 0, 1_000))
            for _ in range(50)
        ]

    assert answers(1) == answers(1) != answers(2)


def test_a_fetch_reads_no_more_than_a_mapping_needs() -> None:
    driver = Driver(config(batch_size=1_000, parallelization_factor=2))
    assert driver.run_until(Fetch).limit == 4_000
    assert driver.state.shards[SHARD].fetch_id is not None
