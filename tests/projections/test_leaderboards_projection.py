"""Boards show what items' rows have, whenever the records of an entry happened and arrived."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from projections_world import VIEW, World

from event_strategies import NOON_S
from tapstack.core.aggregates import WINDOWS, Windowed
from tapstack.core.journal import Effect
from tapstack.core.ranking import Board
from tapstack.projections.leaderboards import Leaderboards, Move

HOUR_S = 3_600
NO_ITEM: Any = [({}, [{}, {}, {}], 0)]
AGES_S = st.sampled_from([0, 299, HOUR_S, HOUR_S + 300, 25 * HOUR_S, 6 * 86_400, 8 * 86_400])
EFFECTS = st.builds(
    lambda item_id, before_s, age_s: Effect(
        item_ids=[item_id], code=VIEW, at_s=NOON_S - before_s - age_s, arrived_s=NOON_S - before_s
    ),
    st.sampled_from("abc"),
    AGES_S,
    AGES_S,
)


@given(st.lists(st.lists(EFFECTS, min_size=1, max_size=3), min_size=1, max_size=4))
def test_boards_show_what_rows_have_of_sub_windows_that_neither_forgot(entries: list[list[Effect]]) -> None:
    world = World()
    for effects in entries:
        world.write(0, *effects)
        world.project()
    rows = world.bodies()
    for position, window in enumerate(WINDOWS):
        newest, shown, _ = rows.get((f"T#{window.name}", "0000"), (0, {}, {}))
        for item_id in "abc":
            (_, windows, arrived_s), *_ = rows.get((f"I#{item_id}", "0000"), NO_ITEM)
            oldest = max(newest, window.number(arrived_s)) - window.kept
            held = {number: counts[VIEW] for number, counts in windows[position].items() if number >= oldest}
            told = {newest - age: count for age, count in shown.get(item_id, {}).get(VIEW, {}).items()}
            assert {number: count for number, count in told.items() if number >= oldest} == held


def test_an_item_whose_row_is_gone_leaves_and_hides_none() -> None:
    newest = WINDOWS[2].number(NOON_S)
    board = Board(newest, {"gone": {VIEW: {0: 3}}, "stays": {VIEW: {0: 1}}}, {})
    counters = Windowed({}, ({}, {}, {newest: {VIEW: 2}}), NOON_S)
    Leaderboards().fold(board, Move(["gone", "moved"], 2), {"I#moved": counters})
    assert board == Board(newest, {"stays": {VIEW: {0: 1}}, "moved": {VIEW: {0: 2}}}, {})
