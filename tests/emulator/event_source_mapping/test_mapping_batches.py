"""Batches as the Lambda developer guide documents them: when one is sent, what it holds, which wait."""

from __future__ import annotations

from mapping_driver import SHARD, START_MS, Driver, config, fail, numbers, succeed

from tapstack_emulator.event_source_mapping import Pacing
from tapstack_emulator.event_source_mapping.model import Fetch, Invoke
from tapstack_emulator.event_source_mapping.payload import PAYLOAD_BYTES_MAX, invocation_event


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
    assert len({invoke.sub_batch for invoke in driver.of(Invoke)}) == len(driver.of(Invoke)) > 3
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
