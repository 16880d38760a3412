"""Projecting: each entry is in each row once, whoever folds it, how often, and wherever others ended."""

from __future__ import annotations

import base64
import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from projections_world import ROW_TTL_S, TABLE, VIEW, World, count, viewed

from event_strategies import NOON_S
from tapstack.core.journal import (
    DERIVED_TTL_MIN_S,
    JOURNAL_TTL_S,
    LANES_A_STRIPE,
    Entry,
    decode_watermark,
    watermark_key,
)
from tapstack.errors import Unavailable, UndecodableRow
from tapstack.ports import VERSIONS_PER_S, Key
from tapstack.projections.catalogue import PROJECTIONS
from tapstack.projections.derived_rows import DerivedRows
from tapstack.projections.journal_reader import JournalReader
from tapstack.projections.watermarks import Watermarks
from tapstack.retry_budget import RetryBudget
from tapstack_emulator import Crash, FaultScript, Injection, RandomFaults

LANES = st.integers(0, 2 * LANES_A_STRIPE)
ENTRIES = st.lists(st.tuples(LANES, st.lists(st.sampled_from("abcd"), min_size=1, max_size=3)), max_size=12)
READ_FAULTS = ("crash_before", "crash_after", "lost_response", "throttle_api", "stale_read")
WRITE_FAULTS = ("crash_before", "crash_after", "lost_response", "throttle_api", "internal_error_applied")
WRITES = ("PutItem", "BatchExecuteStatement")
CALLS = st.integers(1, 8)


def _of(call: tuple[str, int], fault: str) -> str:
    """Refuse some statements of a batch where there is one."""
    return "unprocessed" if fault == "throttle_api" and call[0] != "PutItem" and call[1] % 2 else fault


SCRIPTS = st.dictionaries(
    st.tuples(st.sampled_from(["Query", "BatchGetItem"]), CALLS), st.sampled_from(READ_FAULTS), max_size=4
) | st.dictionaries(st.tuples(st.sampled_from(WRITES), CALLS), st.sampled_from(WRITE_FAULTS), max_size=4).map(
    lambda found: {call: _of(call, fault) for call, fault in found.items()}
)


def fold(entries: list[tuple[int, list[str]]]) -> Counter[tuple[str, str]]:
    return Counter(
        (f"I#{item}", f"{lane // LANES_A_STRIPE:04d}") for lane, items in entries for item in items
    )


@given(ENTRIES, SCRIPTS, st.integers(1, 5))
def test_rows_are_the_fold_of_the_journal_whatever_goes_wrong(
    entries: list[tuple[int, list[str]]], faults: dict[tuple[str, int], Any], entries_max: int
) -> None:
    world = World(entries_max=entries_max)
    for number, (lane, items) in enumerate(entries):
        world.write(lane, *(viewed(item) for item in items))
        if number % 3 == 0:
            broken = World(on=world, faults=FaultScript(faults), entries_max=entries_max)
            with contextlib.suppress(Crash, Unavailable):
                broken.project()
            found = {key: count(body) for key, body in world.bodies("I").items()}
            assert Counter(found) <= fold(entries[: number + 1])
    assert world.project().entries_left == 0
    assert {key: count(body) for key, body in world.bodies("I").items()} == fold(entries)
    assert world.project().rows_written == 0
    heads = Counter(lane for lane, _ in entries)
    assert world.marks("items") == world.marks("leaderboards") == heads


@given(ENTRIES, st.sampled_from(WRITES), st.integers(0, 12), st.integers(1, 4))
def test_two_who_fold_at_once_fold_once(
    entries: list[tuple[int, list[str]]], how: str, when: int, entries_max: int
) -> None:
    """The other one runs to its end before any one write of the first, which has read everything by then."""
    world = World(entries_max=entries_max)
    for lane, items in entries:
        world.write(lane, *(viewed(item) for item in items))
    other = World(on=world)
    world.hooked.before[how, when] = other.project
    world.project()
    assert {key: count(body) for key, body in world.bodies("I").items()} == fold(entries)
    boards = {stripe: body for (pk, stripe), body in world.bodies("T").items() if pk == "T#1d"}
    assert {
        (f"I#{item}", stripe): series[VIEW][0]
        for stripe, (_, items, _) in boards.items()
        for item, series in items.items()
    } == fold(entries)


def test_a_watermark_that_falls_back_makes_a_fold_find_nothing_new() -> None:
    world = World()
    for _ in range(3):
        world.write(0, viewed("a"))
        world.project()
    before = world.derived()
    world.dynamodb.call("DeleteItem", msgspec.json.encode({"TableName": TABLE, "Key": _key("W#", "items")}))
    report = world.project()
    assert (report.entries, report.rows_written) == (3, 0)
    assert world.derived() == before


def test_a_watermark_is_not_moved_back_by_whom_others_have_overtaken() -> None:
    world = World()
    budget = RetryBudget(world.clock, lambda: 0.5, lambda: 60_000)
    late, later = Watermarks(world.table, budget), Watermarks(world.table, budget)
    Watermarks(world.table, budget).move("items", {0: 5, 1: 3}, 7)
    late.move("items", {0: 2, 2: 1})
    later.move("items", {0: 0}, 99, is_new=True)  # it was begun meanwhile
    found = Watermarks(world.table, budget).of("items")
    assert found is not None
    assert (found.marks, found.since_s) == ({0: 5, 1: 3, 2: 1}, 7)


def test_reading_stops_at_a_number_that_is_missing() -> None:
    world = World()
    world.write(0, viewed("a"))
    world.write(0, lost=True)
    world.write(0, viewed("b"))
    report = world.project()
    assert report.entries_left == 2 * len(PROJECTIONS)
    assert world.marks("items") == {0: 1}
    assert list(world.bodies("I")) == [("I#a", "0000")]


def test_what_is_read_once_is_not_shown_beyond_where_another_projection_may_go() -> None:
    world = World()
    for _ in range(3):
        world.write(0, viewed("a"))
    reader = JournalReader(world.table, RetryBudget(world.clock, lambda: 0.5, lambda: 60_000), 64)
    ranges = [(0, 3), (0, 2), (1, 2), (1, 3), (2, 2)]
    found = [[entry.number for entry in reader.entries(0, after, upto)] for after, upto in ranges]
    assert found == [[1, 2, 3], [1, 2], [2], [2, 3], []]


def test_every_lane_that_was_ever_used_is_folded() -> None:
    world = World()
    for lane in (0, 7, 39):
        world.write(lane, viewed("a"))
    world.project()
    assert {key: count(body) for key, body in world.bodies("I").items()} == {
        ("I#a", f"{lane // LANES_A_STRIPE:04d}"): 1 for lane in (0, 7, 39)
    }


def test_a_projection_that_begins_with_the_journal_is_whole() -> None:
    world = World()
    world.write(0, viewed("a"))
    world.project()
    row = world.table.get(Key(*watermark_key("items")))
    assert row is not None
    assert decode_watermark(row.state).since_s == 0


def test_leaderboards_are_never_ahead_of_the_rows_they_are_folded_from() -> None:
    world = World(faults=FaultScript({("PutItem", number): "throttle_api" for number in range(2, 40)}))
    world.write(0, viewed("a"))
    with pytest.raises(Unavailable):  # the first write began the items' watermark
        world.project()
    assert world.bodies() == {}
    assert world.marks("leaderboards").get(0, 0) == 0


def test_a_board_that_somebody_else_moved_further_is_not_moved_back() -> None:
    world = World()
    world.write(0, viewed("a"))
    other = World(on=world)

    def meanwhile() -> None:
        world.write(1, viewed("a"))
        other.project()

    world.hooked.before["BatchExecuteStatement", 1] = meanwhile  # the boards'
    world.project()
    assert not world.hooked.before
    assert world.bodies("T")["T#1d", "0000"] == [NOON_S // 86_400, {"a": {VIEW: {0: 2}}}, {}]


def test_a_board_that_was_refused_is_folded_from_rows_that_are_read_again() -> None:
    world = World()
    world.write(0, viewed("a"))

    def meanwhile() -> None:  # by whom has not seen the first lane's entry
        fold_rows(world, "items", {1: [1]})
        fold_rows(world, "leaderboards", {1: [1]})

    world.hooked.before["BatchExecuteStatement", 1] = meanwhile  # the boards'
    world.project()
    assert world.bodies("T")["T#1d", "0000"] == [NOON_S // 86_400, {"a": {VIEW: {0: 2}}}, {}]


def test_rows_live_longer_than_the_journal_and_begin_above_their_old_versions() -> None:
    world = World()
    world.write(0, viewed("a"))
    world.project()
    item = world.row("I#a")
    assert (item.expires_at_s, item.version) == (NOON_S + ROW_TTL_S, NOON_S * VERSIONS_PER_S)
    assert world.row("T#5m").expires_at_s == NOON_S + DERIVED_TTL_MIN_S
    assert DERIVED_TTL_MIN_S > JOURNAL_TTL_S + 7 * 86_400
    world.write(0, viewed("a", at_s=NOON_S - 9))
    world.project()
    again = world.row("I#a")
    assert (again.expires_at_s, again.version) == (item.expires_at_s, item.version + 1)


@pytest.mark.parametrize("later_s", [(0, 90), (90, 0)])
def test_a_row_that_gets_several_entries_at_once_lives_from_the_newest_on(later_s: tuple[int, int]) -> None:
    world = World()
    for each in later_s:
        world.write(0, viewed("a", at_s=NOON_S + each))
    world.project()
    item = world.row("I#a")
    assert (item.expires_at_s, item.version) == (NOON_S + 90 + ROW_TTL_S, (NOON_S + 90) * VERSIONS_PER_S)


def test_a_fold_that_knows_less_of_a_lane_takes_nothing_back() -> None:
    world = World()
    numbers: list[dict[int, list[int]]] = [
        {0: [1, 2]},
        {0: [1], 1: [1]},  # by an invocation that saw the first lane's head earlier
        {0: [2]},
    ]
    for each, views in zip(numbers, [2, 3, 3], strict=True):
        fold_rows(world, "items", each)
        assert count(world.bodies("I")["I#a", "0000"]) == views


def fold_rows(world: World, name: str, numbers: dict[int, list[int]]) -> None:
    """Fold entries of the first stripe, by lane, each with a view of an item."""
    projection = next(each for each in PROJECTIONS if each.name == name)
    budget = RetryBudget(world.clock, lambda: 0.5, lambda: 60_000)
    entries = {
        lane: [Entry(number, NOON_S, [viewed("a")]) for number in each] for lane, each in numbers.items()
    }
    DerivedRows(world.table, budget, projection, 0, ROW_TTL_S).fold(entries)


def test_a_table_that_serves_reads_in_part_gets_an_entry_at_a_time() -> None:
    faults = {("BatchGetItem", number): Injection("unprocessed", (0,)) for number in range(1, 4)}
    world = World(faults=FaultScript(faults))
    for number in range(6):
        world.write(number % 2, viewed(f"a{number}"), viewed("b"))
    report = world.project()
    assert (report.entries, report.entries_left) == (6 * len(PROJECTIONS), 0)
    assert count(world.bodies("I")["I#b", "0000"]) == 6
    _, board, _ = world.bodies("T")["T#1d", "0000"]
    assert {item: series[VIEW][0] for item, series in board.items()} == {
        "b": 6, **{f"a{number}": 1 for number in range(6)},
    }  # fmt: skip


def test_one_invocation_folds_many_rows_although_a_tenth_of_all_calls_fail() -> None:
    faults = {"throttle_api": 0.05, "lost_response": 0.05}
    world = World(faults=RandomFaults(0, faults))  # type: ignore[arg-type]
    items = [f"i{number}" for number in range(300)]
    world.write(0, viewed(*items))
    assert world.project().entries_left == 0
    assert {count(body) for body in world.bodies("I").values()} == {1}
    assert len(world.bodies("I")) == 300


def test_nothing_is_begun_when_time_is_nearly_over() -> None:
    world = World()
    world.write(0, viewed("a"))
    with pytest.raises(Unavailable, match="nearly over"):
        world.project(lambda: 1_000)


@pytest.mark.parametrize("calls", range(12, 70, 4))
def test_what_is_done_when_time_is_over_stays_and_the_next_invocation_goes_on(calls: int) -> None:
    world = World(entries_max=1)
    for number in range(4):
        world.write(0, viewed(f"a{number}"))
    left = iter([60_000] * calls)
    report = world.project(lambda: next(left, 0))
    assert report.out_of_time == (report.entries_left > 0)
    assert report.entries == 4 * len(PROJECTIONS) - report.entries_left
    again = world.project()
    assert (again.entries, again.out_of_time) == (report.entries_left, 0)
    assert {key: count(body) for key, body in world.bodies("I").items()} == {
        (f"I#a{number}", "0000"): 1 for number in range(4)
    }


def test_an_empty_table_has_nothing_to_fold() -> None:
    world = World()
    assert world.project().entries == 0
    assert world.dynamodb.items(TABLE) == []


def _state(content: bytes) -> Callable[[dict[str, Any]], object]:
    return lambda item: item.update(s={"B": base64.b64encode(content).decode()})


SPOILT: dict[str, Callable[[dict[str, Any]], object]] = {
    "an empty state": _state(b""),
    "a state of JSON": _state(b'{"seen":{}}'),
    "another type": _state(msgspec.msgpack.encode("secret")),
    "a body of another type": _state(msgspec.msgpack.encode([{}, "secret"])),
    "a body that ends early": _state(msgspec.msgpack.encode([{}, []])),
    "no version": lambda item: item.pop("v"),
}


@pytest.mark.parametrize("row", ["I#", "J#", "W#"])
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_row_that_cannot_be_decoded_stays_as_it_is(
    row: str, spoil: Callable[[dict[str, Any]], object]
) -> None:
    world = World()
    world.write(0, viewed("a"))
    world.project()
    world.write(0, viewed("a"))
    item = max(
        (each for each in world.dynamodb.items(TABLE) if each["pk"]["S"].startswith(row)),
        key=lambda each: str(each["sk"]["S"]),
    )
    spoil(item)
    world.dynamodb.call("PutItem", msgspec.json.encode({"TableName": TABLE, "Item": item}))
    before = world.dynamodb.items(TABLE)
    with pytest.raises(UndecodableRow) as caught:
        world.project()
    assert "secret" not in str(caught.value)
    assert world.dynamodb.items(TABLE) == before


def test_the_code_of_the_tests_is_a_view() -> None:
    assert viewed("a").code == VIEW


def _key(pk: str, sk: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}
