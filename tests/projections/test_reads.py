"""What a projector reads: nothing twice, and as it was last written only where that matters."""

from __future__ import annotations

from typing import Any

import pytest
from projections_world import VIEW, World, count, viewed

from event_strategies import NOON_S
from tapstack.projections.catalogue import PROJECTIONS
from tapstack.projections.items import Items
from tapstack_emulator import FaultScript, Injection

THREE_IN_PART: dict[Any, Any] = {
    ("BatchGetItem", call): Injection("unprocessed", (0,)) for call in range(1, 4)
}


def test_each_row_is_read_once() -> None:
    world = World(projections=[Items()])
    for _ in range(2):
        world.write(0, viewed(*[f"i{number}" for number in range(450)]))
        report = world.project()
        assert (report.entries_left, report.rows_written, report.conflicts) == (0, 450, 0)
    assert world.hooked.calls.count("BatchGetItem") == 2 * (2 + 2 + 1)  # of 100 keys, for 200 rows at a time


def test_reads_in_part_leave_no_row_out() -> None:
    world = World()
    world.write(0, viewed(*[f"i{number}" for number in range(250)]))
    world.project()
    world.write(0, viewed(*[f"i{number}" for number in range(250)]))
    faults: Any = {("BatchGetItem", call): Injection("unprocessed", (0, 9)) for call in (1, 2, 7)}
    report = World(on=world, faults=FaultScript(faults)).project()
    assert (report.entries_left, report.conflicts) == (0, 0)
    assert {count(body) for body in world.bodies("I").values()} == {2}
    assert {series[VIEW][0] for series in world.bodies("T")["T#1d", "0000"][1].values()} == {2}


def test_the_journal_is_read_once_for_all_projections() -> None:
    world = World()
    world.write(0, viewed("a"))
    world.project()  # which begins them
    world.hooked.calls.clear()
    world.write(0, viewed("a"))
    assert world.project().entries == len(PROJECTIONS)
    assert world.hooked.calls.count("Query") == 3  # heads, watermarks, the lane


def test_only_what_is_written_under_its_version_is_read_as_it_was_some_time_before() -> None:
    world = World()
    for _ in range(2):
        world.write(0, viewed("a"))
        world.project()
    world.write(0, viewed("a"))
    stale: Any = {(each, n): "stale_read" for each in ("Query", "BatchGetItem") for n in range(1, 99)}
    report = World(on=world, faults=FaultScript(stale)).project()
    assert (report.entries, report.entries_left) == (len(PROJECTIONS), 0)
    assert report.conflicts == report.rows_written == 1 + 3  # the item's row and the boards', folded anew
    assert count(world.bodies("I")["I#a", "0000"]) == 3
    assert world.bodies("T")["T#1d", "0000"] == [NOON_S // 86_400, {"a": {VIEW: {0: 3}}}, {}]


@pytest.mark.parametrize("entries", [1, 2, 6])
def test_after_three_reads_in_part_an_entry_is_read_at_a_time(entries: int) -> None:
    world = World(faults=FaultScript(THREE_IN_PART), projections=[Items()])
    for number in range(entries):
        world.write(number % 2, viewed(f"a{number}"), viewed("b"))
    assert world.project().entries_left == 0
    assert world.hooked.calls.count("BatchGetItem") == 1 + entries  # two of the three came to nothing
    assert count(world.bodies("I")["I#b", "0000"]) == entries


def test_while_items_wait_for_reads_no_board_goes_ahead_in_a_lane_that_is_new() -> None:
    world = World()
    world.write(2, viewed("b"))
    world.project()
    world.write(1, viewed("a"))
    world.write(1, viewed("c"))
    assert World(on=world, faults=FaultScript(THREE_IN_PART)).project().entries_left == 0
    _, board, _ = world.bodies("T")["T#1d", "0000"]
    assert board == {item_id: {VIEW: {0: 1}} for item_id in "abc"}
