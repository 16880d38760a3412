"""The projection of search terms: whatever window a search belongs to counts it once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from projections_world import World, viewed

from event_strategies import NOON_S
from tapstack.core.search_terms import Search

DAY_S = 86_400


def search(digest: int, at_s: int = NOON_S, place: int = 0, term: str = "") -> Search:
    return Search(digest, place, at_s, NOON_S, term)


def test_a_search_is_counted_in_each_window() -> None:
    world = World()
    world.write(0, viewed("a"), searches=[search(1), search(1, place=2, term="shoes"), search(2)])
    world.write(5, searches=[search(1)])
    world.project()
    bodies = world.bodies("Q")
    assert set(bodies) == {
        (f"Q#{name}#{NOON_S // length_s}", stripe)
        for name, length_s in (("5m", 300), ("1h", 3_600), ("1d", DAY_S))
        for stripe in ("0000", "0001")
    }
    assert bodies[f"Q#1h#{NOON_S // 3_600}", "0000"] == {1: [2, 0b101, "shoes"], 2: [1, 1, ""]}
    assert bodies[f"Q#1h#{NOON_S // 3_600}", "0001"] == {1: [1, 1, ""]}


def test_a_window_that_is_no_longer_kept_has_no_row() -> None:
    world = World()
    world.write(0, searches=[search(1, NOON_S - 8 * DAY_S), search(2, NOON_S + 9 * DAY_S)])
    world.write(0, searches=[search(3, NOON_S - 3 * DAY_S)])
    world.project()
    assert set(world.bodies("Q")) == {(f"Q#1d#{NOON_S // DAY_S - 3}", "0000")}


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), max_size=5), st.data())
def test_however_often_it_is_folded_each_search_counts_once(
    entries: list[list[int]], data: st.DataObject
) -> None:
    world = World(entries_max=2)
    for digests in entries:
        world.write(data.draw(st.integers(0, 3)), searches=[search(digest) for digest in digests])
        if data.draw(st.booleans()):
            world.project()
    world.project()
    world.project()
    bodies = world.bodies("Q")
    truth = {digest: sum(each.count(digest) for each in entries) for each in entries for digest in each}
    day = bodies.get((f"Q#1d#{NOON_S // DAY_S}", "0000"), {})
    assert {digest: count for digest, (count, *_) in day.items()} == truth
