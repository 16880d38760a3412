"""Placements, categories and pairs are sums of what entries say, of the windows that arrivals keep."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from projections_world import VIEW, World, viewed

from event_strategies import NOON_S
from tapstack.core.events import TYPE_CODE
from tapstack.core.impressions import CLICKED, SHOWN, Shown
from tapstack.core.journal import DERIVED_TTL_MIN_S, Effect

DAY_S = 86_400
WINDOWS = (("5m", 300, 12), ("1h", 3_600, 24), ("1d", DAY_S, 7))
PURCHASE, PAGE_VIEW = TYPE_CODE["purchase"], TYPE_CODE["page_view"]
AGES_S = st.sampled_from([0, 299, 300, 3_900, 4_200, 90_000, 7 * DAY_S, 9 * DAY_S])
LANES = st.sampled_from([0, 1, 4])  # two of one stripe, and one of another

CATEGORISED = st.builds(
    lambda names, code, before_s, age_s: Effect(
        item_ids=[f"i{number}" for number in range(len(names))],
        code=code,
        at_s=NOON_S - before_s - age_s,
        arrived_s=NOON_S - before_s,
        bought={"EUR": 5} if code == PURCHASE else {},
        categories=names if any(names) else (),
    ),
    st.lists(st.sampled_from(["", "hats", "shoes"]), min_size=1, max_size=3),
    st.sampled_from([VIEW, PURCHASE]),
    AGES_S,
    AGES_S,
)
ENTRIES = st.lists(st.tuples(LANES, st.lists(CATEGORISED, min_size=1, max_size=4)), max_size=5)


@given(ENTRIES, st.booleans())
def test_a_category_counts_the_events_that_name_it_in_each_window_that_their_arrival_keeps(
    entries: list[tuple[int, list[Effect]]], at_once: bool
) -> None:
    world = World()
    truth: Counter[tuple[str, str, str, str | int]] = Counter()
    for lane, effects in entries:
        world.write(lane, *effects)
        if not at_once:
            world.project()
        for effect in effects:
            for window, length_s, kept in WINDOWS:
                number = effect.at_s // length_s
                if number < effect.arrived_s // length_s - kept:
                    continue
                for name in filter(None, effect.categories):
                    place = (f"C#{window}#{number}", f"{lane // 4:04d}", name)
                    truth[*place, effect.code] += 1
                    if effect.bought:
                        truth[*place, "EUR"] += 5
    world.project()
    found = world.bodies("C")
    assert {
        (*key, name, what): amount
        for key, (_, by_name) in found.items()
        for name, (counters, _) in by_name.items()
        for what, amount in counters.items()
    } == truth
    for _, by_name in found.values():
        assert not any(missed for _, missed in by_name.values())
    for key, (total, by_name) in found.items():
        assert total == sum((Counter(counters) for counters, _ in by_name.values()), Counter()), key


SHOWN_THERE = st.builds(
    Shown,
    st.sampled_from(["", "L#home", "R#r"]),
    st.sampled_from([SHOWN, CLICKED]),
    AGES_S.map(lambda age_s: (NOON_S - age_s) // 300 * 300),
    st.integers(1, 3),
    st.dictionaries(st.integers(0, 3), st.integers(1, 2), max_size=2),
)


@given(st.lists(st.tuples(LANES, st.lists(SHOWN_THERE, min_size=1, max_size=4)), max_size=5), st.booleans())
def test_a_placement_counts_what_was_shown_there(
    entries: list[tuple[int, list[Shown]]], at_once: bool
) -> None:
    world = World()
    counted: Counter[tuple[str, str, int]] = Counter()
    windows: Counter[tuple[str, str, str, int, int]] = Counter()
    positions: Counter[tuple[str, str, int, int, int]] = Counter()
    for lane, shown in entries:
        world.write(lane, shown=shown, arrived_s=NOON_S)
        if not at_once:
            world.project()
        for each in shown:
            row = (f"P#{each.placement}", f"{lane // 4:04d}")
            counted[*row, each.code] += each.count
            for window, length_s, kept in WINDOWS:
                if each.at_s // length_s >= NOON_S // length_s - kept:
                    windows[*row, window, each.at_s // length_s, each.code] += each.count
            day = 0 if each.placement == "R#r" else each.at_s // DAY_S
            if day == 0 or day >= NOON_S // DAY_S - 7:
                for position, count in each.positions.items():
                    positions[*row, day, position, int(each.code == CLICKED)] += count
    world.project()
    found = world.bodies("P")
    assert {
        (*key, code): n for key, ((total, *_), _) in found.items() for code, n in total.items()
    } == counted
    assert {
        (*key, window, number, code): count
        for key, ((_, numbered, _), _) in found.items()
        for (window, *_), counters in zip(WINDOWS, numbered, strict=True)
        for number, counts in counters.items()
        for code, count in counts.items()
    } == windows
    assert {
        (*key, day, position, which): count
        for key, (_, days) in found.items()
        for day, counts in days.items()
        for position, both in counts.items()
        for which, count in enumerate(both)
        if count
    } == positions


def test_rows_of_placements_and_categories_live_as_long_as_the_journal_needs() -> None:
    world = World()
    effect = Effect(item_ids=["a"], code=VIEW, at_s=NOON_S, arrived_s=NOON_S, categories=["hats"])
    world.write(0, effect, shown=[Shown("L#home", SHOWN, NOON_S, 1)])
    world.project()
    for pk in (f"C#1d#{NOON_S // DAY_S}", "P#L#home"):
        assert world.row(pk).expires_at_s == NOON_S + DERIVED_TTL_MIN_S


def test_both_ends_of_a_pair_count_it_and_only_the_item_its_event() -> None:
    world = World()
    pairs = {"viewed_with": ["lamp"], "bought_with": ["cup"]}
    for lane in (0, 4):
        for _ in range(lane + 1):
            world.write(lane, Effect(item_ids=["mug"], code=PURCHASE, at_s=NOON_S, arrived_s=NOON_S, **pairs))
    world.project()
    for stripe, times in (("0000", 1), ("0001", 5)):
        rows: dict[str, list[Any]] = {
            pk: body for (pk, sk), body in world.bodies("I").items() if sk == stripe
        }
        assert {pk: (body[0][0], body[1], body[2]) for pk, body in rows.items()} == {
            "I#mug": ({PURCHASE: times}, {"lamp": times}, {"cup": times}),
            "I#lamp": ({}, {"mug": times}, {}),
            "I#cup": ({}, {}, {"mug": times}),
        }


def test_what_is_no_interest_moves_no_item_and_hides_none() -> None:
    world = World()
    world.write(0, viewed("a", code=SHOWN), viewed("b", code=PAGE_VIEW), viewed("c"), viewed("d", code=SHOWN))
    world.project()
    for window, *_ in WINDOWS:
        _, items, _ = world.bodies("T")[f"T#{window}", "0000"]
        assert items == {"c": {VIEW: {0: 1}}}
