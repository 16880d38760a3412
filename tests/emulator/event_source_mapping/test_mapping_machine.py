"""The machine itself: delivery at least once, answers that come late, state that is plain data."""

from __future__ import annotations

import msgspec
import pytest
from mapping_driver import SHARD, Driver, config, fail, failing_items, numbers, succeed

from tapstack_emulator.event_source_mapping import InvokeResult, MappingState
from tapstack_emulator.event_source_mapping.model import (
    Delete,
    Disable,
    Enable,
    Fetch,
    Invoke,
    ListFailed,
    ListShards,
    Redeliver,
    Tick,
    Update,
)


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
