"""Behaviour that the Lambda developer guide documents, beyond what was recorded.

Pages: with-kinesis, services-kinesis-create, -parameters, -batchfailurereporting, monitoring-metrics-types,
kinesis-on-failure-destination (docs.aws.amazon.com/lambda/latest/dg/), read 2026-11-23.
"""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest
from mapping_driver import (
    BUCKET_ARN,
    QUEUE_ARN,
    SHARD,
    START_MS,
    TOPIC_ARN,
    Driver,
    config,
    fail,
    failing_items,
    numbers,
    succeed,
)

from tapstack.local.event_source_mapping import InvokeResult, MappingState, Pacing
from tapstack.local.event_source_mapping.model import (
    Delete,
    Deliver,
    Disable,
    Enable,
    Fetch,
    Invoke,
    ListFailed,
    ListShards,
    Redeliver,
    SetChildrenFirst,
    SetRetention,
    ShardDrained,
    Tick,
    Update,
)
from tapstack.local.event_source_mapping.payload import PAYLOAD_BYTES_MAX, invocation_event

HOUR_MS = 3_600_000


# ---------------------------------------------------------------- section 2: batches


def test_without_a_window_a_batch_is_sent_as_soon_as_there_is_a_record() -> None:
    driver = Driver()
    driver.put()
    invoke = driver.run_until(Invoke)
    assert (invoke.attempt, driver.now_ms) == (1, START_MS)


def test_a_batch_is_sent_when_its_size_is_reached_though_its_window_is_open() -> None:
    driver = Driver(config(batch_size=5, batching_window_s=300))
    written = driver.put_many(12)
    driver.run(for_ms=10_000)
    assert driver.invocations() == [written[:5], written[5:10]]


def test_a_batch_is_sent_when_its_window_ends_and_the_window_begins_with_the_first_record() -> None:
    driver = Driver(config(batch_size=5, batching_window_s=10))
    driver.run(for_ms=7_000)
    first = driver.put()
    driver.run(for_ms=4_000)
    second = driver.put()
    driver.run(for_ms=4_000)
    assert driver.invocations() == []
    driver.run(for_ms=4_000)
    assert driver.invocations() == [[first, second]]


def test_the_next_window_begins_when_the_previous_invocation_completes() -> None:
    driver = Driver(config(batch_size=2, batching_window_s=10))
    driver.put_many(3)
    invoke = driver.run_until(Invoke)
    driver.now_ms += 30_000
    driver.answer(invoke)
    driver.run(for_ms=9_900)
    assert len(driver.of(Invoke)) == 1
    driver.run(for_ms=200)
    assert len(driver.of(Invoke)) == 2


def test_a_batch_is_sent_before_its_event_would_exceed_6_mb() -> None:
    driver = Driver(config(batch_size=100, batching_window_s=300))
    driver.put_many(7, data=b"x" * 1_000_000)
    driver.run(for_ms=10_000)
    (first,) = driver.of(Invoke)
    event_bytes = len(invocation_event(driver.state.config, SHARD, first.records))
    assert len(first.records) == 4  # 1,000,000 bytes are 1,333,336 in base64
    assert event_bytes <= PAYLOAD_BYTES_MAX < event_bytes + 1_333_336


def test_a_batch_holds_records_of_one_shard_only() -> None:
    driver = Driver(shards=2)
    names = list(driver.shards)
    written = {name: driver.put_many(3, name) for name in names}
    driver.run()
    assert {invoke.shard_id: numbers(invoke) for invoke in driver.of(Invoke)} == written


def test_one_batch_of_a_shard_is_out_at_a_time() -> None:
    driver = Driver(config(batch_size=1))
    driver.put_many(3)
    driver.run_until(Invoke)
    driver.run(for_ms=10_000)
    assert len(driver.of(Invoke)) == 1


def test_with_a_factor_several_batches_are_out_and_each_key_stays_in_order() -> None:
    driver = Driver(config(batch_size=1, parallelization_factor=10))
    by_key = {f"user-{i}": [driver.put(key=f"user-{i}") for _ in range(3)] for i in range(20)}
    driver.run_until(Fetch)
    driver.answer(driver.of(Fetch)[0])
    assert len({invoke.lane for invoke in driver.of(Invoke)}) == len(driver.of(Invoke)) > 3
    driver.run()
    delivered: dict[str, list[str]] = {}
    for invoke in driver.of(Invoke):
        for record in invoke.records:
            delivered.setdefault(record.partition_key, []).append(record.sequence_number)
    assert delivered == by_key


def test_a_failing_batch_stops_its_own_sub_batcher_only() -> None:
    driver = Driver(
        config(batch_size=1, parallelization_factor=2), pacing=Pacing(backoff_ms=100, backoff_max_ms=100)
    )
    bad = [driver.put(key="bad") for _ in range(2)]
    good = [driver.put(key=f"user-{i}") for i in range(20)]
    driver.run(
        lambda invoke: fail(invoke) if invoke.records[0].partition_key == "bad" else succeed(invoke),
        for_ms=5_000,
    )
    delivered = [number for batch in driver.invocations() for number in batch]
    assert delivered.count(bad[0]) > 3
    assert bad[1] not in delivered
    assert set(good) & set(delivered)
    assert driver.checkpoint() is None  # the shard's checkpoint waits for its first record


# ---------------------------------------------------------------- section 3: answers


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


# ---------------------------------------------------------------- destinations and metrics


@pytest.mark.parametrize("arn", [QUEUE_ARN, TOPIC_ARN, BUCKET_ARN])
def test_only_a_bucket_gets_the_payload(arn: str) -> None:
    driver = Driver(config(retry_attempts_max=0, destination_arn=arn))
    driver.put()
    driver.run(fail)
    (delivery,) = driver.of(Deliver)
    parcel = json.loads(delivery.body)
    assert ("payload" in parcel) == (arn == BUCKET_ARN) == (delivery.key is not None)
    assert delivery.kind == arn.split(":")[2]


def test_a_destination_that_fails_loses_the_records_and_counts_them() -> None:
    driver = Driver(config(retry_attempts_max=0, destination_arn=QUEUE_ARN))
    written = driver.put_many(3)
    driver.run(fail, delivered=False)
    assert driver.metric("DestinationDeliveryFailures") == 1
    assert driver.metric("DroppedEventCount") == 3
    assert driver.metric("OnFailureDestinationDeliveredEventCount") == 0
    assert len(driver.of(Deliver)) == 1
    assert driver.checkpoint() == written[-1]


def test_what_a_destination_took_is_not_counted_as_dropped() -> None:
    driver = Driver(config(retry_attempts_max=0, destination_arn=QUEUE_ARN))
    driver.put_many(3)
    driver.run(fail)
    assert driver.metric("OnFailureDestinationDeliveredEventCount") == 3
    assert driver.metric("DroppedEventCount") == 0


def test_the_checkpoint_waits_for_the_destination() -> None:
    driver = Driver(config(retry_attempts_max=0, destination_arn=QUEUE_ARN))
    driver.put()
    delivery = driver.run_until(Deliver, fail)
    assert driver.checkpoint() is None
    driver.answer(delivery)
    assert driver.checkpoint() is not None


def test_event_counts_count_retries_and_reported_failures() -> None:
    driver = Driver(config(report_batch_item_failures=True, filter_patterns=('{"data":{"keep":[true]}}',)))
    written = driver.put_many(4, data=b'{"keep":true}')
    driver.put_many(2, data=b'{"keep":false}')
    answers = iter([failing_items(written[1]), InvokeResult.failed(), InvokeResult.success()])
    driver.run(lambda invoke: next(answers))
    assert driver.metric("PolledEventCount") == 6
    assert driver.metric("FilteredOutEventCount") == 2
    assert driver.metric("InvokedEventCount") == 4 + 3 + 3
    assert driver.metric("FailedInvokeEventCount") == 3 + 3


def test_iterator_age_is_the_age_of_the_last_record_when_its_batch_was_processed() -> None:
    driver = Driver()
    driver.put(arrival_ms=driver.now_ms - 5_000)
    driver.put(arrival_ms=driver.now_ms - 2_000)
    invoke = driver.run_until(Invoke)
    driver.now_ms += 500
    driver.answer(invoke)
    assert driver.metric("IteratorAge") == 2_500


# ---------------------------------------------------------------- section 2: starting positions, life cycle


def test_latest_is_taken_at_activation_not_at_creation() -> None:
    driver = Driver(config(starting_position="LATEST"), pacing=Pacing(activation_delay_ms=120_000))
    driver.run(for_ms=60_000)
    driver.put()
    driver.run(for_ms=70_000)
    seen = driver.put()
    driver.run()
    assert driver.invocations() == [[seen]]


def test_a_lost_latest_iterator_is_taken_again_at_the_moment_of_activation() -> None:
    driver = Driver(config(starting_position="LATEST"))
    fetch = driver.run_until(Fetch)
    assert fetch.position is not None
    assert fetch.position.kind == "LATEST"
    driver.put(arrival_ms=driver.now_ms - 1)
    driver.now_ms += 50
    seen = driver.put()
    driver.fetch_trouble = lambda fetch: "throttled"
    driver.answer(fetch)
    driver.fetch_trouble = lambda fetch: None
    driver.run()
    assert driver.invocations() == [[seen]]


def test_at_timestamp_begins_with_the_first_record_of_that_time() -> None:
    driver = Driver(config(starting_position="AT_TIMESTAMP", starting_position_timestamp_ms=START_MS - 500))
    driver.put(arrival_ms=START_MS - 1_000)
    wanted = driver.put(arrival_ms=START_MS - 500)
    driver.run()
    assert driver.invocations() == [[wanted]]


def test_disabling_and_enabling_resumes_at_the_checkpoint() -> None:
    driver = Driver(config(batch_size=2), pacing=Pacing(activation_delay_ms=5_000))
    written = driver.put_many(4)
    driver.run_until(Invoke)
    invoke = driver.of(Invoke)[0]
    driver.send(Disable(driver.now_ms))
    assert driver.state.status == "Disabling"
    driver.answer(invoke)
    assert driver.state.status == "Disabled"
    driver.run()
    driver.send(Enable(driver.now_ms))
    assert driver.state.status == "Enabling"
    driver.run()
    assert driver.invocations() == [written[:2], written[2:]]


def test_deleting_and_creating_again_does_not_resume() -> None:
    driver = Driver()
    written = driver.put_many(2)
    driver.run()
    driver.send(Delete(driver.now_ms))
    assert driver.run().state.shards == {}
    again = Driver()
    again.shards = driver.shards
    again.run()
    assert again.invocations() == [written]


def test_an_update_changes_the_factor_and_resumes_at_the_checkpoint() -> None:
    driver = Driver()
    written = driver.put_many(3)
    driver.run()
    driver.send(Update(driver.now_ms, config(parallelization_factor=10, starting_position="LATEST")))
    driver.put_many(3, key="a")
    driver.run()
    assert len(driver.state.shards[SHARD].lanes) == 10
    assert driver.state.config.starting_position == "TRIM_HORIZON"  # only at creation
    assert len(driver.invocations()) == 2
    assert driver.invocations()[0] == written


def test_an_expired_iterator_is_taken_again_after_the_last_record_read() -> None:
    driver = Driver()
    first = driver.put()
    driver.run()
    troubles = iter(["expired_iterator"])
    driver.fetch_trouble = lambda fetch: next(troubles, None)
    second = driver.put()
    driver.run()
    assert driver.invocations() == [[first], [second]]
    positions = [fetch.position for fetch in driver.of(Fetch) if fetch.position is not None]
    assert (positions[-1].kind, positions[-1].sequence_number) == ("AFTER_SEQUENCE_NUMBER", first)


def test_a_shard_is_polled_once_a_second_and_at_once_while_records_are_available() -> None:
    driver = Driver()
    driver.run(for_ms=10_000)
    assert 9 <= len(driver.of(Fetch)) <= 11
    driver.page_limit = 10
    driver.put_many(100)
    driver.run(for_ms=1_000)
    assert driver.invocations()
    assert sum(map(len, driver.invocations())) == 100


# ---------------------------------------------------------------- section 4: shards over time


def test_children_are_read_after_their_parent_is_finished_from_their_first_record() -> None:
    driver = Driver(config(starting_position="LATEST"))
    driver.run(for_ms=2_000)
    parent = driver.put()
    child = driver.add_shard(SHARD)
    other = driver.add_shard(SHARD)
    younger = [driver.put(child), driver.put(other)]
    driver.run()
    assert driver.invocations()[0] == [parent]
    assert sorted(driver.invocations()[1:]) == [[number] for number in younger]
    assert driver.of(ShardDrained) == [ShardDrained(SHARD)]


def test_children_wait_while_their_parent_fails() -> None:
    driver = Driver()
    driver.put()
    child = driver.add_shard(SHARD)
    driver.put(child)
    driver.run(fail, for_ms=HOUR_MS)
    assert {invoke.shard_id for invoke in driver.of(Invoke)} == {SHARD}


def test_a_merged_shard_waits_for_both_parents() -> None:
    driver = Driver(shards=2)
    left, right = driver.shards
    driver.put(left)
    stuck = driver.put(right)
    child = driver.add_shard(left, right)
    driver.put(child)
    driver.run(lambda invoke: fail(invoke) if stuck in numbers(invoke) else succeed(invoke))
    assert child not in {invoke.shard_id for invoke in driver.of(Invoke)}
    driver.run()
    assert driver.of(Invoke)[-1].shard_id == child


def test_the_switch_lets_children_be_read_before_their_parent() -> None:
    driver = Driver()
    driver.put()
    child = driver.add_shard(SHARD)
    driver.put(child)
    driver.send(SetChildrenFirst(driver.now_ms, allowed=True))
    driver.run(fail)
    assert {invoke.shard_id for invoke in driver.of(Invoke)} == {SHARD, child}


def test_a_parent_that_has_expired_is_not_waited_for() -> None:
    driver = Driver(shards=0)
    driver.shards["shardId-000000000000"] = driver.shards.pop(driver.add_shard())
    child = driver.add_shard(SHARD)
    del driver.shards[SHARD]
    number = driver.put(child)
    driver.run()
    assert driver.invocations() == [[number]]


def test_latest_skips_shards_that_were_closed_before_activation() -> None:
    driver = Driver(config(starting_position="LATEST"))
    driver.put()
    child = driver.add_shard(SHARD)
    driver.put(child)
    driver.run()
    number = driver.put(child)
    driver.run()
    assert driver.invocations() == [[number]]


# ---------------------------------------------------------------- delivery is at least once


def test_an_acknowledged_batch_delivered_again_does_not_move_the_checkpoint() -> None:
    driver = Driver()
    first = driver.put()
    driver.run()
    driver.send(Redeliver(driver.now_ms, SHARD))
    duplicate = driver.run_until(Invoke)
    assert duplicate.duplicate
    assert numbers(duplicate) == [first]
    before = driver.state
    driver.answer(duplicate, fail)
    assert driver.state == before


def test_the_answer_of_a_zombie_is_ignored() -> None:
    driver = Driver(config(batch_size=2, report_batch_item_failures=True))
    written = driver.put_many(2)
    zombie = driver.run_until(Invoke)
    driver.answer(zombie, fail)  # its time is up, yet it runs on
    retry = driver.run_until(Invoke)
    before = driver.state
    driver.answer(zombie, succeed)
    assert driver.state == before
    driver.answer(retry, lambda invoke: failing_items(written[1]))
    assert driver.checkpoint() == written[0]


def test_answers_for_a_deleted_mapping_change_nothing() -> None:
    driver = Driver()
    driver.put()
    invoke = driver.run_until(Invoke)
    driver.send(Delete(driver.now_ms))
    assert driver.send(invoke.finished(driver.now_ms, InvokeResult.success())) == []


# ---------------------------------------------------------------- the machine itself


def test_a_step_does_not_change_the_state_it_was_given() -> None:
    driver = Driver(config(batch_size=2, parallelization_factor=3))
    driver.put_many(9)
    driver.run_until(Invoke)
    before, frozen = driver.state, msgspec.json.encode(driver.state)
    driver.run(fail, for_ms=5_000)
    assert msgspec.json.encode(before) == frozen


def test_the_state_is_plain_data() -> None:
    driver = Driver(config(batch_size=2, parallelization_factor=3))
    driver.put_many(9)
    driver.run(fail, for_ms=5_000)
    assert msgspec.json.decode(msgspec.json.encode(driver.state), type=MappingState) == driver.state


def test_needless_ticks_do_nothing() -> None:
    driver = Driver()
    driver.put()
    invoke = driver.run_until(Invoke)
    before = driver.state
    assert driver.send(Tick(driver.now_ms)) == []
    assert driver.state == before
    driver.answer(invoke)


def test_tumbling_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="TumblingWindowInSeconds"):
        Driver(config(tumbling_window_s=30))


def test_listing_that_fails_is_tried_again() -> None:
    driver = Driver()
    driver.run_until(ListShards)
    driver.send(ListFailed(driver.now_ms))
    number = driver.put()
    driver.run()
    assert driver.invocations() == [[number]]


def test_a_mapping_may_be_created_disabled() -> None:
    driver = Driver(config(enabled=False))
    driver.put()
    assert driver.run().invocations() == []
    driver.send(Enable(driver.now_ms))
    assert len(driver.run().invocations()) == 1


def test_a_fetch_answered_after_the_mapping_began_anew_skips_nothing() -> None:
    driver = Driver()
    first = driver.put()
    driver.run()
    stale = driver.run_until(Fetch)
    driver.send(Disable(driver.now_ms))
    driver.send(Enable(driver.now_ms))
    driver.answer(driver.run_until(Fetch))
    second = driver.put()
    driver.answer(stale)
    driver.run()
    assert driver.invocations() == [[first], [second]]


def test_an_update_waits_for_the_running_invocation_without_asking_for_ticks() -> None:
    driver = Driver()
    driver.put()
    invoke = driver.run_until(Invoke)
    driver.run(for_ms=0)
    driver.timer_ms = None
    driver.send(Update(driver.now_ms, config(batch_size=7)))
    assert (driver.state.status, driver.timer_ms) == ("Updating", None)
    driver.answer(invoke)
    assert driver.state.status == "Enabled"
