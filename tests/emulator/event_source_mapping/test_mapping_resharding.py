"""Shards over time, as the Lambda developer guide documents it: parents, children, merged shards."""

from __future__ import annotations

from mapping_driver import SHARD, Driver, config, fail, numbers, succeed

from tapstack_emulator.event_source_mapping.model import Invoke, SetChildrenFirst, ShardDrained

HOUR_MS = 3_600_000


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
