"""A user's history as the API shows it: in order, within the bounds, part by part."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import Rows

from event_strategies import NOON_S
from tapstack.core.events import EVENT_TYPES
from tapstack.core.history import (
    HistoryBounds,
    HistoryPage,
    Recent,
    keep_newest,
    put_aside,
    spill,
)
from tapstack.core.identity import DAY_S
from tapstack.core.rows import UserState, anonymous_key, encode_user, known_user_key
from tapstack.errors import Unavailable
from tapstack.http import BadRequest
from tapstack.insights.answers import UserHistory
from tapstack.insights.history import ANY_TYPE, history_view

BOUNDS = HistoryBounds(interactions=40, days=30, page=3)


class Person:
    """A user whose row and pages a consumer wrote."""

    def __init__(self, rows: Rows, user_id: str = "ann", bounds: HistoryBounds = BOUNDS) -> None:
        self.rows = rows
        self.user = UserState()
        self.pk, self.sk = known_user_key(user_id)
        self.version = 0
        self.bounds = bounds

    def take(self, *entries: Recent) -> None:
        self.write(self.count(*entries))

    def count(self, *entries: Recent) -> HistoryPage | None:
        """Count interactions, and return the page that is to be written."""
        user = self.user
        for entry in entries:
            left = keep_newest(user.recent, entry)
            if left is not None:
                user.history = put_aside(user.history, left)
        if user.history is None or user.history.waiting_count < self.bounds.page:
            return None
        return spill(user.history, len(user.recent), NOON_S, self.bounds)

    def write(self, page: HistoryPage | None) -> None:
        self.version += 1
        self.rows.put_state(self.pk, self.sk, encode_user(self.user), version=self.version)
        self.write_page(page)

    def write_page(self, page: HistoryPage | None) -> None:
        if page is not None:
            self.rows.put_state(self.pk, page.sort_key, page.state, version=page.number)


def ask(
    rows: Any, cursor: str = "", n: int = 7, code: int = ANY_TYPE, who: str = "ann", now_s: int = NOON_S
) -> UserHistory:
    found = history_view(rows, who, now_s, BOUNDS, type_code=code, n=n, cursor=cursor)
    assert found is not None
    return found


def items(answer: UserHistory) -> list[str]:
    return [item.item_id for item in answer.items]


def walk(rows: Rows, n: int, code: int = ANY_TYPE) -> list[tuple[str, str, str]]:
    shown: list[tuple[str, str, str]] = []
    cursor = ""
    while True:
        answer = ask(rows, cursor, n, code)
        assert len(answer.items) <= n
        shown += [(item.at, item.event_type, item.item_id) for item in answer.items]
        if answer.next_cursor is None:
            return shown
        assert len(answer.items) == n, "only the last part is short"
        cursor = answer.next_cursor


def views(*times_s: int) -> list[Recent]:
    return [Recent(NOON_S + at_s, 1, f"i{at_s}") for at_s in times_s]


def viewed(rows: Rows, *times_s: int) -> Person:
    person = Person(rows)
    for view in views(*times_s):
        person.take(view)
    return person


entries = st.builds(
    Recent,
    st.integers(NOON_S - 5, NOON_S),
    st.sampled_from([1, 10]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([0, 7]),
)


@given(st.lists(entries, min_size=1, max_size=60), st.integers(1, 9), st.sampled_from([ANY_TYPE, 1, 10]))
def test_parts_are_the_whole_in_order_also_of_interactions_that_are_alike(
    found: list[Recent], n: int, code: int
) -> None:
    rows = Rows()
    person = Person(rows)
    for entry in found:
        person.take(entry)
    ordered = sorted(found, key=lambda each: (-each.at_s, -each.ms, -each.type_code, each.item_id))[:40]
    missing_s = -1 if person.user.history is None else person.user.history.missing_until_s
    wanted = [
        (each.ms, EVENT_TYPES[each.type_code], each.item_id)
        for each in ordered
        if code in {ANY_TYPE, each.type_code} and each.at_s > missing_s
    ]
    shown = [(int(at[-4:-1]), kind, item_id) for at, kind, item_id in walk(rows, n, code)]
    assert shown[: len(wanted)] == wanted


def test_what_is_counted_between_two_parts_moves_nothing() -> None:
    rows = Rows()
    person = viewed(rows, *range(-100, -50))
    first = ask(rows)
    person.take(*views(*range(-50, -45)), *views(-90))  # newer ones, and a late one
    assert first.next_cursor is not None
    second = ask(rows, first.next_cursor)
    assert items(first) + items(second) == [f"i{at_s}" for at_s in range(-51, -65, -1)]


def test_no_more_than_the_bounds_are_shown_and_none_that_is_too_old() -> None:
    rows = Rows()
    viewed(rows, *range(-100, 0))
    assert items(ask(rows, n=100)) == [f"i{at_s}" for at_s in range(-1, -41, -1)]
    days_on_s = NOON_S + 30 * DAY_S
    assert items(ask(rows, n=100, now_s=days_on_s - 10)) == [f"i{at_s}" for at_s in range(-1, -10, -1)]
    assert ask(rows, now_s=days_on_s) == UserHistory(user_id="ann", items=[], next_cursor=None, since=None)


def test_a_page_that_expired_is_passed_over() -> None:
    rows = Rows()
    viewed(rows, *range(-40, 0))
    rows.delete("U#ann", "hist#0000")
    assert items(ask(rows, n=100)) == [f"i{at_s}" for at_s in (*range(-1, -38, -1),)]


def test_an_interaction_at_the_cursor_that_is_gone_skips_nothing() -> None:
    rows = Rows()
    person = viewed(rows, *range(-60, 0))
    part = ask(rows, n=39)
    person.take(*views(*range(1, 6)))  # what the cursor names is now out of the bounds
    assert part.next_cursor is not None
    assert ask(rows, part.next_cursor).items == []


class Overtaken:
    """Rows whose pages change between the read of the row and that of its pages, so many times."""

    def __init__(self, person: Person, times: int) -> None:
        self._person, self._times = person, times

    def read_prefix(self, pk: str, sk_prefix: str) -> Any:
        if sk_prefix == "hist#" and self._times:
            self._times -= 1
            at_s = 100 - self._times
            self._person.bounds = HistoryBounds(interactions=20, days=30, page=1)
            page = self._person.count(*views(at_s))
            if page is None:  # what left was out of the bounds: begin the slot anew all the same
                history = self._person.user.history
                assert history is not None
                history.slots[0] = type(history.slots[0])(99 + at_s, NOON_S, 0, 1)
                page = HistoryPage("hist#0000", 99 + at_s, b"\x90", 0)
            self._person.write(page)
        return self._person.rows.read_prefix(pk, sk_prefix)


def test_a_row_whose_page_was_replaced_meanwhile_is_read_again() -> None:
    person = viewed(Rows(), *range(-40, 0))
    assert items(ask(Overtaken(person, 1)))[0] == "i100"
    with pytest.raises(Unavailable, match="changed while it was read"):
        ask(Overtaken(person, 3))


def test_a_visitor_has_a_history_and_nobody_has_none() -> None:
    rows = Rows()
    rows.put(*anonymous_key("v"), UserState(recent=views(-1)))
    answer = ask(rows, who="v")
    assert (answer.anonymous_id, items(answer)) == ("v", ["i-1"])
    assert history_view(rows, "nobody", NOON_S, BOUNDS, type_code=ANY_TYPE, n=1, cursor="") is None


def test_that_something_may_be_missing_is_said_as_long_as_it_would_be_shown() -> None:
    rows = Rows()
    person = viewed(rows, *range(-40, 0))
    assert person.user.history is not None
    person.user.history.missing_until_s = NOON_S - 30
    person.write(None)
    assert ask(rows).since == "2026-03-10T11:59:31Z"
    assert ask(rows, now_s=NOON_S - 30 + 30 * DAY_S).since is None, "it is too old by now"
    for view in views(*range(1, 41)):
        person.take(view)
    assert ask(rows).since is None, "as many as are shown are later"


CURSOR = "a cursor of the question that is asked"
FOREIGN = {
    "of another user": {"who": "bob"},
    "of another type": {"code": 10},
}


@pytest.mark.parametrize("changed", FOREIGN.values(), ids=FOREIGN)
def test_a_cursor_of_another_question_is_refused(changed: Any) -> None:
    rows = Rows()
    viewed(rows, *range(-40, 0))
    rows.put(*known_user_key("bob"), UserState(recent=views(-1)))
    cursor = ask(rows).next_cursor
    with pytest.raises(BadRequest, match=r"^cursor: expected next_cursor of an answer to the same request"):
        ask(rows, cursor, **changed)


@given(st.data())
def test_a_cursor_that_was_changed_is_refused(data: st.DataObject) -> None:
    rows = Rows()
    viewed(rows, *range(-40, 0))
    cursor = ask(rows).next_cursor
    assert cursor is not None
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABab01-_=é ").filter(lambda char: char != cursor[at]))
    for odd in (cursor[:at] + other + cursor[at + 1 :], cursor[:at], cursor + other, f"{cursor}="):
        if odd:
            with pytest.raises(BadRequest, match=r"^cursor: expected"):
                ask(rows, odd)


@pytest.mark.parametrize("odd", ["x", "é", "AAAAAAAAAAAA", base64.urlsafe_b64encode(b"0" * 20).decode()])
def test_what_is_no_cursor_is_refused(odd: str) -> None:
    rows = Rows()
    viewed(rows, -1)
    with pytest.raises(BadRequest, match=r"^cursor: expected"):
        ask(rows, odd)


def test_n_may_differ_from_part_to_part() -> None:
    rows = Rows()
    viewed(rows, *range(-40, 0))
    first = ask(rows, n=3)
    assert first.next_cursor is not None
    assert items(ask(rows, first.next_cursor, n=2)) == ["i-4", "i-5"]
