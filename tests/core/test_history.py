"""A user's history: what the row and its pages hold, against all interactions there ever were."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S
from tapstack.core.history import (
    RECENT_MAX,
    History,
    HistoryBounds,
    Recent,
    decode_history_page,
    is_due,
    keep_newest,
    newest_first,
    put_aside,
    slot_sort_key,
    spill,
    waiting_entries,
)
from tapstack.core.identity import DAY_S
from tapstack.errors import UndecodableRow

WIDE = HistoryBounds(days=3_000)


class Store:
    """A user's row and its pages, as a consumer writes and an API reads them."""

    def __init__(self, bounds: HistoryBounds) -> None:
        self.bounds = bounds
        self.recent: list[Recent] = []
        self.history: History | None = None
        self.rows: dict[str, tuple[int, bytes, int]] = {}
        self.all: list[Recent] = []

    def take(self, entries: list[Recent], arrived_s: int = NOON_S) -> None:
        """Count the interactions of a transaction."""
        for entry in entries:
            self.all.append(entry)
            left = keep_newest(self.recent, entry)
            if left is not None:
                self.history = put_aside(self.history, left)
        if self.history is None or not is_due(self.history, 0, self.bounds):
            return
        page = spill(self.history, len(self.recent), arrived_s, self.bounds)
        if page is not None:
            self.rows[page.sort_key] = page.number, page.state, page.expires_at_s

    def listed(self) -> list[Recent]:
        """Everything that the row and the pages that it lists hold, newest first."""
        entries = list(self.recent)
        if self.history is not None:
            entries += waiting_entries(self.history)
            for slot, note in enumerate(self.history.slots):
                number, state, _ = self.rows[slot_sort_key(slot)]
                page = decode_history_page(state)
                times_s = [entry.at_s for entry in page]
                assert (number, len(page)) == (note.number, note.count)
                assert (max(times_s), max(times_s) - min(times_s)) == (note.newest_s, note.span_s)
                entries += page
        return sorted(entries, key=newest_first)

    def check(self, now_s: int = NOON_S) -> None:
        """Hold it against all interactions within the bounds."""
        missing_s = -1 if self.history is None else self.history.missing_until_s
        oldest_s = max(now_s - self.bounds.keep_s, missing_s)
        kept = [entry for entry in self.listed() if entry.at_s > oldest_s]
        wanted = [entry for entry in sorted(self.all, key=newest_first) if entry.at_s > oldest_s]
        limit = self.bounds.interactions
        assert kept[:limit] == wanted[:limit]
        assert Counter(self.listed()) <= Counter(self.all)  # none twice, none from nowhere
        if self.history is not None:
            assert len(self.history.slots) <= self.bounds.slots
            assert self.history.waiting_count < self.bounds.page


def moments(*times_s: int) -> list[Recent]:
    return [Recent(NOON_S + at_s, 1, f"i{at_s % 7}", 0) for at_s in times_s]


entries = st.builds(
    Recent,
    st.integers(NOON_S - 400, NOON_S + 4),
    st.sampled_from([1, 10]),
    st.sampled_from(["a", "b", "ü"]),
    st.sampled_from([0, 1, 999]),
)
bounds = st.builds(
    HistoryBounds,
    interactions=st.sampled_from([20, 21, 25, 40, 500]),
    days=st.sampled_from([1, 90]),
    page=st.sampled_from([1, 2, 5, 16]),
)


def test_a_page_is_due_when_it_is_full_and_not_before() -> None:
    within = HistoryBounds(page=3)
    assert [is_due(None, more, within) for more in (0, 2, 3)] == [False, False, True]
    waiting = put_aside(None, moments(0)[0])
    assert [is_due(waiting, more, within) for more in (0, 1, 2)] == [False, False, True]


@given(bounds, st.lists(st.lists(entries, max_size=8), max_size=40))
def test_nothing_within_the_bounds_is_lost_or_doubled_in_any_order(
    within: HistoryBounds, transactions: list[list[Recent]]
) -> None:
    store = Store(within)
    for transaction in transactions:
        store.take(transaction)
        store.check()


@given(bounds, st.integers(1, 9), st.sampled_from(["in order", "newest first", "nearly in order"]))
def test_what_is_kept_is_exact_when_order_is_kept_or_reversed(
    within: HistoryBounds, size: int, order: str
) -> None:
    times_s = list(range(-300, 0))
    if order == "newest first":
        times_s.reverse()
    elif order == "nearly in order":
        times_s = [times_s[at ^ 1] for at in range(len(times_s))]
    store = Store(within)
    for start in range(0, len(times_s), size):
        store.take(moments(*times_s[start : start + size]))
        store.check()
    if store.history is not None:
        assert store.history.missing_until_s == -1, "no page had to go before its time"
        in_order_s = -(-(within.interactions - RECENT_MAX) // within.page) + 1
        assert len(store.history.slots) <= in_order_s + (order != "in order") * 2


def test_the_default_bounds_keep_500_in_30_pages() -> None:
    store = Store(HistoryBounds())
    for at_s in range(-3_000, 0):
        store.take(moments(at_s))
    store.check()
    assert len(store.rows) == 30
    assert 500 <= len(store.listed()) < 500 + 16


def test_a_page_whose_days_are_over_makes_room_before_any_other() -> None:
    store = Store(HistoryBounds(interactions=500, days=1, page=5))
    store.take(moments(*range(-25, 0)))
    assert list(store.rows) == ["hist#0000"]
    later_s = 2 * DAY_S
    store.take(moments(*range(later_s, later_s + 25)), arrived_s=NOON_S + later_s + 25)
    store.check(NOON_S + later_s + 25)
    assert list(store.rows) == ["hist#0000"], "what left the row was too old, but for five"


def test_what_is_too_old_when_its_page_is_due_is_not_written() -> None:
    store = Store(HistoryBounds(interactions=500, days=1, page=5))
    store.take(moments(*range(-2 * DAY_S, -2 * DAY_S + 25)))
    assert store.rows == {}
    assert store.history == History()


@pytest.mark.parametrize(("age_s", "written_count"), [(DAY_S - 1, 5), (DAY_S, 4)])
def test_an_interaction_is_too_old_from_the_second_in_which_its_days_are_over(
    age_s: int, written_count: int
) -> None:
    store = Store(HistoryBounds(interactions=500, days=1, page=5))
    store.take(moments(-age_s, *range(10 - DAY_S, 34 - DAY_S)))
    ((_, state, _),) = store.rows.values()
    assert len(decode_history_page(state)) == written_count


@pytest.mark.parametrize(("age_s", "rows"), [(DAY_S - 1, ["hist#0000", "hist#0001"]), (DAY_S, ["hist#0000"])])
def test_a_page_makes_room_from_the_second_in_which_its_days_are_over(age_s: int, rows: list[str]) -> None:
    store = Store(HistoryBounds(interactions=500, days=1, page=5))
    store.take(moments(*range(25)))
    newest_s = max(entry.at_s for entry in decode_history_page(store.rows["hist#0000"][1]))
    store.take(moments(*range(25, 30)), arrived_s=newest_s + age_s)
    assert list(store.rows) == rows


def test_a_page_expires_when_its_newest_interaction_is_too_old() -> None:
    store = Store(HistoryBounds(page=5))
    store.take(moments(*range(25)))
    ((_, state, expires_at_s),) = store.rows.values()
    assert expires_at_s == max(entry.at_s for entry in decode_history_page(state)) + 90 * DAY_S


def test_with_as_many_as_the_row_holds_there_are_no_pages() -> None:
    store = Store(HistoryBounds(interactions=RECENT_MAX, page=5))
    store.take(moments(*range(-100, 0)))
    store.check()
    assert store.rows == {}
    assert store.history == History()


def test_where_pages_overlap_without_end_the_row_says_what_may_be_missing() -> None:
    within = HistoryBounds(interactions=25, page=2)  # eight slots
    store = Store(within)
    for at_s in (*range(0, 400, 2), *range(1, 400, 2)):
        store.take(moments(-at_s, -400 + at_s))
        store.check()
    assert store.history is not None
    assert store.history.missing_until_s > NOON_S - 400
    assert len(store.rows) == within.slots


@given(st.lists(entries, min_size=2, max_size=30))
def test_readers_see_time_then_type_then_item(found: list[Recent]) -> None:
    ordered = sorted(found, key=newest_first)
    for earlier, later in zip(ordered[1:], ordered, strict=False):
        assert (later.at_s, later.ms) >= (earlier.at_s, earlier.ms)
        if (later.at_s, later.ms) == (earlier.at_s, earlier.ms):
            assert later.type_code >= earlier.type_code
            if later.type_code == earlier.type_code:
                assert later.item_id <= earlier.item_id


@pytest.mark.parametrize("waiting", [b"", b"\xff", b"\x91\x01", b"\x93\x01\x02\xa1\xff"])
def test_what_waits_and_is_not_ours_stops_the_consumer(waiting: bytes) -> None:
    with pytest.raises(UndecodableRow, match="history"):
        spill(History(waiting, 3), 20, NOON_S, WIDE)


@pytest.mark.parametrize("state", [b"", b"\x01", b"\x91\x01"])
def test_a_page_that_is_not_ours_is_refused(state: bytes) -> None:
    with pytest.raises(UndecodableRow, match="history"):
        decode_history_page(state)
