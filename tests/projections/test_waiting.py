"""A projector waits longer after each refusal, gives up in the end, and never while something gets done."""

from __future__ import annotations

from typing import Any

import pytest
from projections_world import World, count, viewed

from tapstack.core.backoff import backoff_ms
from tapstack.core.rows import ITEM_ROWS, encode_derived
from tapstack.errors import Unavailable
from tapstack.ports import Key, RowWrite
from tapstack.projections.items import Items
from tapstack.retry_budget import ATTEMPTS_MAX
from tapstack_emulator import FaultScript, Injection

MANY = [f"i{number:02}" for number in range(ATTEMPTS_MAX + 4)]
ONE_GETS_THROUGH = Injection("unprocessed", tuple(range(1, len(MANY))))
BOTH_LEFT = Injection("unprocessed", (0, 1))


def waits(count: int) -> list[int]:
    return [backoff_ms(attempt, 0.5) for attempt in range(count)]


ALL = waits(ATTEMPTS_MAX - 1)
REFUSED: dict[str, tuple[str, Any, int, list[int]]] = {  # which calls, from which on, and the waits
    "all writes": ("BatchExecuteStatement", "throttle", 1, ALL[:-1]),
    "each write of every call": ("BatchExecuteStatement", BOTH_LEFT, 1, ALL[:-1]),
    "all reads": ("BatchGetItem", "throttle", 1, ALL),
    "each key of every read": ("BatchGetItem", BOTH_LEFT, 1, ALL),
    "the journal": ("Query", "throttle", 4, ALL),
}


@pytest.mark.parametrize(("operation", "fault", "first", "slept_ms"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_every_time_is_tried_as_often_as_allowed(
    operation: str, fault: Any, first: int, slept_ms: list[int]
) -> None:
    script = FaultScript({(operation, call): fault for call in range(first, 99)})
    world = World(faults=script, projections=[Items()])
    world.write(0, viewed("a", "b"))
    with pytest.raises(Unavailable):
        world.project()
    assert world.clock.slept_ms == slept_ms
    assert world.bodies() == {}


@pytest.mark.parametrize(("operation", "fault", "first", "slept_ms"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_one_time_less_is_done(
    operation: str, fault: Any, first: int, slept_ms: list[int]
) -> None:
    script = FaultScript({(operation, call): fault for call in range(first, first + len(slept_ms))})
    world = World(faults=script, projections=[Items()])
    world.write(0, viewed("a", "b"))
    assert world.project().entries_left == 0
    assert world.clock.slept_ms == slept_ms
    assert {count(body) for body in world.bodies().values()} == {1}


@pytest.mark.parametrize("operation", ["BatchExecuteStatement", "BatchGetItem"])
def test_a_table_that_does_a_little_each_time_is_asked_until_all_is_done(operation: str) -> None:
    calls: dict[int | tuple[str, int], Any] = {(operation, n): ONE_GETS_THROUGH for n in range(1, len(MANY))}
    world = World(faults=FaultScript(calls), projections=[Items()])
    world.write(0, viewed(*MANY))
    report = world.project()
    assert (report.entries_left, report.rows_written, report.conflicts) == (0, len(MANY), 0)
    assert len(world.clock.slept_ms) >= ATTEMPTS_MAX
    assert world.clock.slept_ms == sorted(world.clock.slept_ms)


def test_what_was_done_before_a_refusal_takes_no_attempt_from_those_that_follow() -> None:
    calls: dict[int | tuple[str, int], Any] = {("BatchExecuteStatement", 1): Injection("unprocessed", (1, 2))}
    calls |= {("BatchExecuteStatement", call): "throttle" for call in range(2, ATTEMPTS_MAX)}
    world = World(faults=FaultScript(calls), projections=[Items()])
    world.write(0, viewed("a", "b", "c"))
    assert world.project().entries_left == 0
    assert world.clock.slept_ms == waits(ATTEMPTS_MAX - 1)


def test_a_read_that_brings_nothing_is_one_failure_after_many_that_brought_a_part() -> None:
    calls: dict[int | tuple[str, int], Any] = {
        ("BatchGetItem", n): ONE_GETS_THROUGH for n in range(1, ATTEMPTS_MAX)
    }
    calls["BatchGetItem", ATTEMPTS_MAX] = Injection("unprocessed", tuple(range(len(MANY))))
    world = World(faults=FaultScript(calls), projections=[Items()])
    world.write(0, viewed(*MANY))
    assert world.project().rows_written == len(MANY)


def touch(world: World) -> None:
    """Write an item's row again, as it is: nobody else may write it as they have read it."""
    row = world.table.get(Key("I#a", "0000"))
    state = encode_derived({}, ITEM_ROWS.new()) if row is None else row.state
    seen = 0 if row is None else row.version
    key = Key("I#a", "0000")
    assert not world.table.write_each(
        [RowWrite(key=key, version=seen + 1, state=state, seen_version=seen)]
    ).refused


def test_a_row_that_others_write_again_and_again_is_folded_in_the_end() -> None:
    world = World(projections=[Items()])
    world.write(0, viewed("a"))
    for call in (2, 3, 4):  # the first began the watermark
        world.hooked.before["PutItem", call] = lambda: touch(world)
    report = world.project()
    assert (report.conflicts, report.rows_written, report.entries) == (3, 1, 1)
    assert world.clock.slept_ms == waits(3)
    assert count(world.bodies()["I#a", "0000"]) == 1


def test_a_row_that_others_write_under_every_attempt_is_left_to_them() -> None:
    world = World(projections=[Items()])
    world.write(0, viewed("a"))
    for call in range(2, 99):
        world.hooked.before["PutItem", call] = lambda: touch(world)
    with pytest.raises(Unavailable, match="rows changed under every attempt"):
        world.project()
    assert world.clock.slept_ms == ALL


def test_a_watermark_that_others_move_again_and_again_is_moved_in_the_end() -> None:
    world = World(projections=[Items()])
    world.write(0, viewed("a"))

    def meanwhile() -> None:
        world.write(4, viewed("b"))  # another stripe
        World(on=world, projections=[Items()]).project()

    for call in (3, 4, 5):
        world.hooked.before["PutItem", call] = meanwhile
    world.project()
    assert world.clock.slept_ms == waits(3)
    assert world.marks("items") == {0: 1, 4: 3}


def test_a_report_adds_up_what_rows_cost() -> None:
    world = World(projections=[Items()])
    for stripe in range(3):
        world.write(4 * stripe, viewed("a", "b" * 2_000))
    world.hooked.before["BatchExecuteStatement", 1] = lambda: touch(world)
    report = world.project()
    assert (report.entries, report.rows_written, report.conflicts) == (3, 6, 1)
    assert report.write_units == 3 * (1 + 3)  # by the begun KiB, the id being in the key
