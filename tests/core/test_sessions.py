"""Sessions: one visit each, whatever order its events come in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tapstack.core.aggregates import add_counts
from tapstack.core.cooccurrence import view_partners
from tapstack.core.sessions import (
    BOUGHT_MAX,
    SESSION_GAP_S,
    SESSIONS_MAX,
    VIEWED_MAX,
    Session,
    Sessions,
    joined,
    session_of,
)

MINUTE_S = 60
# Moments close enough to meet and far enough to part: minutes over an afternoon.
moments = st.integers(0, 240).map(lambda minute: 1_700_000_000 + minute * MINUTE_S)
labels = st.sampled_from([None, None, "a", "b"])
visits = st.lists(st.tuples(moments, labels), max_size=12)


def after(events: Sequence[tuple[int, str | None]]) -> Sessions:
    sessions = Sessions()
    for at_s, label in events:
        session = session_of(sessions, at_s, label)
        if session is not None:
            add_counts(session.counters, {0: 1})
    return sessions


def outline(sessions: Sessions) -> list[tuple[int, int, str, int]]:
    return sorted((s.start_s, s.end_s, s.label or "", s.counters[0]) for s in sessions.newest)


def by_brute_force(events: Sequence[tuple[int, str | None]]) -> list[tuple[int, int, str, int]]:
    """A label is a session; events without one are cut wherever the gap is longer than 30 minutes."""
    groups: list[list[int]] = []
    for at_s in sorted(at_s for at_s, label in events if label is None):
        if groups and at_s - groups[-1][-1] <= SESSION_GAP_S:
            groups[-1].append(at_s)
        else:
            groups.append([at_s])
    found = [(group[0], group[-1], "", len(group)) for group in groups]
    for name in {label for _, label in events if label is not None}:
        times = [at_s for at_s, label in events if label == name]
        found.append((min(times), max(times), name, len(times)))
    return sorted(found)


@given(visits)
def test_in_any_order_sessions_are_those_of_brute_force(events: list[tuple[int, str | None]]) -> None:
    sessions = after(events)
    assume(not sessions.earlier_count)  # beyond SESSIONS_MAX the oldest is forgotten
    assert outline(sessions) == by_brute_force(events)


@given(visits.flatmap(lambda events: st.tuples(st.just(events), st.permutations(events))))
def test_the_order_of_arrival_changes_nothing(
    orders: tuple[list[tuple[int, str | None]], list[tuple[int, str | None]]],
) -> None:
    one, other = after(orders[0]), after(orders[1])
    assume(not one.earlier_count and not other.earlier_count)
    assert outline(one) == outline(other)


@given(visits)
def test_the_newest_sessions_are_kept_in_order_and_bounded(events: list[tuple[int, str | None]]) -> None:
    sessions = after(events)
    assert len(sessions.newest) <= SESSIONS_MAX
    ends = [session.end_s for session in sessions.newest]
    assert ends == sorted(ends)
    assert all(session.start_s <= session.end_s for session in sessions.newest)
    assert all(end_s >= sessions.earlier_end_s for end_s in ends)


@given(visits)
def test_no_event_is_in_two_sessions(events: list[tuple[int, str | None]]) -> None:
    sessions = after(events)
    counted = sum(session.counters[0] for session in sessions.newest)
    assert counted == len(events) if not sessions.earlier_count else counted < len(events)


GAPS: dict[str, tuple[list[tuple[int, str | None]], int]] = {
    "exactly the gap": ([(0, None), (SESSION_GAP_S, None)], 1),
    "a second more": ([(0, None), (SESSION_GAP_S + 1, None)], 2),
    "backwards, exactly the gap": ([(SESSION_GAP_S, None), (0, None)], 1),
    "backwards, a second more": ([(SESSION_GAP_S + 1, None), (0, None)], 2),
    "a bridge": ([(0, None), (2 * SESSION_GAP_S, None), (SESSION_GAP_S, None)], 1),
    "one label, hours apart": ([(0, "a"), (10 * SESSION_GAP_S, "a")], 1),
    "two labels at once": ([(0, "a"), (0, "b")], 2),
    "labelled and not at once": ([(0, "a"), (0, None)], 2),
    "the same instant": ([(0, None), (0, None)], 1),
}


@pytest.mark.parametrize(("events", "count"), GAPS.values(), ids=GAPS)
def test_thirty_minutes_or_a_label_part_sessions(events: list[tuple[int, str | None]], count: int) -> None:
    sessions = after([(1_700_000_000 + at_s, label) for at_s, label in events])
    assert len(sessions.newest) == count


def test_what_lies_before_everything_remembered_belongs_to_no_session() -> None:
    sessions = after([(day * 86_400, None) for day in range(1, SESSIONS_MAX + 2)])
    assert sessions.earlier_count == 1
    before = outline(sessions)
    assert session_of(sessions, 86_400, None) is None
    assert session_of(sessions, 5, "new label") is None
    assert outline(sessions) == before
    assert sessions.earlier_count == 1


def test_an_event_between_remembered_sessions_that_does_not_fit_is_counted_as_earlier() -> None:
    sessions = after([(day * 86_400, None) for day in range(2, SESSIONS_MAX + 2)])
    assert session_of(sessions, 86_400, None) is None
    assert sessions.earlier_count == 1
    assert len(sessions.newest) == SESSIONS_MAX


@pytest.mark.parametrize("labels", [*permutations(["B", None, "A"])], ids=str)
def test_sessions_of_one_moment_are_kept_in_one_order(labels: Sequence[str | None]) -> None:
    sessions = after([(1_000, label) for label in labels])
    assert [session.label for session in sessions.newest] == [None, "A", "B"]


def test_an_event_of_the_second_in_which_the_newest_session_began_is_of_that_session() -> None:
    sessions = after([(1_000, f"{number:02}") for number in range(SESSIONS_MAX + 1)])
    newest = sessions.newest[-1]
    assert sessions.earlier_end_s == newest.start_s
    assert session_of(sessions, 1_000, newest.label) is newest


def test_bridged_sessions_keep_what_both_viewed_within_bounds() -> None:
    sessions = Sessions()
    for name, at_s in (("a", 1_000), ("b", 1_000 + 2 * SESSION_GAP_S)):
        session = session_of(sessions, at_s, None)
        assert session is not None
        for number in range(VIEWED_MAX):
            view_partners(session, f"{name}{number}")
        session.bought = [f"{name}{number}" for number in range(BOUGHT_MAX)]
    joined = session_of(sessions, 1_000 + SESSION_GAP_S, None)
    assert isinstance(joined, Session)
    assert sessions.newest == [joined]
    assert joined.viewed == [f"b{number}" for number in range(VIEWED_MAX)]
    assert joined.bought == [f"b{number}" for number in range(BOUGHT_MAX)]


def test_bridged_sessions_keep_the_newest_of_what_each_saw_once() -> None:
    sessions = Sessions()
    for at_s, items in ((1_000, "abc"), (1_000 + 2 * SESSION_GAP_S, "cd")):
        session = session_of(sessions, at_s, None)
        assert session is not None
        session.viewed, session.bought = list(items), list(items[::-1])
    joined = session_of(sessions, 1_000 + SESSION_GAP_S, None)
    assert isinstance(joined, Session)
    assert (joined.viewed, joined.bought) == (["a", "b", "c", "d"], ["c", "b", "a", "d"])
    assert (joined.start_s, joined.end_s) == (1_000, 1_000 + 2 * SESSION_GAP_S)


@given(visits)
def test_what_is_forgotten_is_counted_and_ends_where_the_last_of_it_did(
    events: list[tuple[int, str | None]],
) -> None:
    sessions = Sessions()
    for at_s, label in events:
        before = {id(each): each.end_s for each in sessions.newest}
        floor_s, forgotten_count = sessions.earlier_end_s, sessions.earlier_count
        found = session_of(sessions, at_s, label)
        gone = [end_s for each, end_s in before.items() if each not in {id(left) for left in sessions.newest}]
        if sessions.earlier_count == forgotten_count:
            assert sessions.earlier_end_s == floor_s
        elif found is None:  # it was the oldest itself
            assert sessions.earlier_end_s == max(floor_s, at_s)
        else:
            assert sessions.earlier_end_s == max(floor_s, *gone)


JOINED: dict[str, tuple[list[tuple[int, int, str | None]], list[tuple[int, int, str | None, int]]]] = {
    "parts that meet are one": ([(0, 5, None), (20, 30, None), (4, 6, None)], [(0, 30, None, 3)]),
    "parts that lie apart are two": ([(0, 5, None), (36, 40, None)], [(0, 5, None, 1), (36, 40, None, 1)]),
    "of one label, however far apart": ([(0, 5, "a"), (900, 901, "a")], [(0, 901, "a", 2)]),
    "of two labels, or of one and none": (
        [(0, 5, "a"), (1, 4, "b"), (2, 3, None)],
        [(2, 3, None, 1), (1, 4, "b", 1), (0, 5, "a", 1)],
    ),
    "of the same minutes": (
        [(0, 5, "B"), (0, 5, None), (0, 5, "A")],
        [(0, 5, None, 1), (0, 5, "A", 1), (0, 5, "B", 1)],
    ),
}


@pytest.mark.parametrize(("parts", "visits"), JOINED.values(), ids=JOINED)
def test_parts_of_a_visit_in_several_rows_are_joined(
    parts: list[tuple[int, int, str | None]], visits: list[tuple[int, int, str | None, int]]
) -> None:
    for order in (parts, parts[::-1]):
        rows = [
            Session(label, start * MINUTE_S, end * MINUTE_S, {0: 1}, [f"i{start}"])
            for start, end, label in order
        ]
        found = joined(rows)
        assert [(s.start_s // MINUTE_S, s.end_s // MINUTE_S, s.label, s.counters[0]) for s in found] == visits
        assert sorted(item for s in found for item in s.viewed) == sorted(
            f"i{start}" for start, _, _ in parts
        )
        assert all(row.counters == {0: 1} for row in rows), "the rows stay as they are"
