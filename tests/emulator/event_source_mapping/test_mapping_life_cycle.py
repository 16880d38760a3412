"""Starting positions and the life cycle, as the Lambda developer guide documents them."""

from __future__ import annotations

from mapping_driver import SHARD, START_MS, Driver, config

from tapstack_emulator.event_source_mapping import Pacing
from tapstack_emulator.event_source_mapping.model import Delete, Disable, Enable, Fetch, Invoke, Update


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
    assert len(driver.state.shards[SHARD].sub_batches) == 10
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
