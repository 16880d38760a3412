"""Changes: every entry of every lane is listed once, whatever the parts, and what is lost is said."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import Rows, get

from event_strategies import NOON_S
from tapstack.core.journal import (
    JOURNAL_TTL_S,
    Effect,
    Watermark,
    encode_entry,
    encode_watermark,
    entry_key,
    head_key,
    watermark_key,
)
from tapstack.http import BadRequest, Gone
from tapstack.insights import changes
from tapstack.insights.cursors import write_cursor

ENTRIES = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 7]), st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3)),
    max_size=25,
)


class Journal:
    """Lanes of a journal in a table, folded as far as is said."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.heads: dict[int, int] = {}
        self.fold()

    def add(self, lane: int, items: list[str], *, expires_in_s: int = JOURNAL_TTL_S) -> None:
        number = self.heads.get(lane, 0) + 1
        effects = [Effect(item_ids=[item], code=1, at_s=NOON_S, arrived_s=NOON_S) for item in items]
        state = encode_entry(effects)
        self.rows.put_state(*entry_key(lane, number), state, expires_at_s=NOON_S + expires_in_s)
        self.heads[lane] = number
        self.rows.put_state(*head_key(lane), b"\x90", version=number)

    def fold(self) -> None:
        self.rows.put_state(*watermark_key("items"), encode_watermark(Watermark(dict(self.heads))))

    def ask(self, cursor: str = "", n: int = 20) -> Any:
        return get(self.rows, "/v1/changes", n=str(n), **({"cursor": cursor} if cursor else {}))

    def walk(self, cursor: str, n: int) -> tuple[Counter[str], str]:
        found: Counter[str] = Counter()
        while True:
            answer = self.ask(cursor, n)
            found.update({each["item_id"]: each["events"] for each in answer["items"]})
            cursor = answer["next_cursor"]
            if not answer["more"]:
                return found, cursor


def count(entries: list[tuple[int, list[str]]]) -> Counter[str]:
    return Counter(item for _, items in entries for item in items)


@given(ENTRIES, ENTRIES, ENTRIES, st.integers(1, 9))
def test_every_entry_after_a_cursor_is_listed_once(
    before: list[tuple[int, list[str]]],
    first: list[tuple[int, list[str]]],
    second: list[tuple[int, list[str]]],
    n: int,
) -> None:
    journal = Journal()
    for entry in before:
        journal.add(*entry)
    journal.fold()
    answer = journal.ask()
    assert (answer["items"], answer["more"], answer["as_of"]) == ([], False, "2026-03-10T12:00:00Z")
    cursor = answer["next_cursor"]
    for part in (first, second):
        for entry in part:
            journal.add(*entry)
        journal.fold()
        found, cursor = journal.walk(cursor, n)
        assert +found == count(part)


def test_what_is_not_in_the_items_rows_yet_is_not_listed() -> None:
    journal = Journal()
    cursor = journal.ask()["next_cursor"]
    journal.add(0, ["a"])
    assert journal.ask(cursor)["items"] == []
    journal.fold()
    assert journal.ask(cursor)["items"] == [{"item_id": "a", "events": 1}]


def test_a_busy_lane_does_not_hold_up_the_others() -> None:
    journal = Journal()
    cursor = journal.ask()["next_cursor"]
    for _ in range(50):
        journal.add(0, ["busy"])
    journal.add(3, ["quiet"])
    journal.fold()
    first = journal.ask(cursor, 5)
    assert (first["more"], first["as_of"]) == (True, None)
    second = journal.ask(first["next_cursor"], 5)
    assert "quiet" in {each["item_id"] for each in second["items"]}


def test_items_that_only_go_with_others_are_listed_too() -> None:
    journal = Journal()
    cursor = journal.ask()["next_cursor"]
    effect = Effect(item_ids=["a"], code=1, at_s=NOON_S, arrived_s=NOON_S, viewed_with=["b"])
    journal.add(0, [])
    journal.rows.put_state(*entry_key(0, 1), encode_entry([effect]), expires_at_s=NOON_S + 9)
    journal.fold()
    assert journal.ask(cursor)["items"] == [{"item_id": "a", "events": 1}, {"item_id": "b", "events": 0}]


def test_an_answer_is_bounded_by_its_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "ID_BYTES_MAX", 10)
    journal = Journal()
    cursor = journal.ask()["next_cursor"]
    for number in range(4):
        journal.add(0, [f"item-{number}"])
    journal.add(0, ["larger than any answer"])
    journal.fold()
    sizes = []
    while True:
        answer = journal.ask(cursor)
        sizes.append(len(answer["items"]))
        cursor = answer["next_cursor"]
        if not answer["more"]:
            break
    assert sizes == [1] * 5


@pytest.mark.parametrize("is_deleted", [True, False])
def test_entries_that_expired_are_missed_and_it_is_said(is_deleted: bool) -> None:
    journal = Journal()
    cursor = journal.ask()["next_cursor"]
    journal.add(0, ["a"], expires_in_s=0)
    if is_deleted:
        journal.rows.delete(*entry_key(0, 1))
    journal.add(0, ["b"])
    journal.fold()
    with pytest.raises(Gone, match="leave it out to begin anew"):
        journal.ask(cursor)
    assert journal.ask()["more"] is False


@given(st.data())
def test_a_cursor_that_was_tampered_with_is_refused(data: st.DataObject) -> None:
    journal = Journal()
    for lane in (0, 2, 7):
        journal.add(lane, ["a"])
    journal.fold()
    cursor = journal.ask()["next_cursor"]
    begin = data.draw(st.integers(0, len(cursor)))
    end = data.draw(st.integers(begin, len(cursor)))
    tampered = cursor[:begin] + data.draw(st.text("Az09-_=+/ \x00é", max_size=9) | st.text()) + cursor[end:]
    if tampered in {cursor, ""}:
        return
    with pytest.raises(BadRequest, match="cursor: expected"):
        journal.ask(tampered)


WHOLE = st.integers(-(2**63), 2**64 - 1)


@given(st.lists(WHOLE, max_size=9), WHOLE)
def test_whatever_a_cursor_that_somebody_made_up_says_it_is_answered_or_gone(
    numbers: list[int], turn: int
) -> None:
    journal = Journal()
    for lane in (0, 2, 7):
        journal.add(lane, ["a"])
    journal.fold()
    try:
        answer = journal.ask(write_cursor(changes.Position(tuple(numbers), turn), changes.QUESTION))
    except Gone:
        return
    assert {each["item_id"] for each in answer["items"]} <= {"a"}
    assert journal.ask(answer["next_cursor"])["more"] is False


@pytest.mark.parametrize("number", [-5, 2**62])
def test_a_cursor_that_somebody_made_up_does_no_harm(number: int) -> None:
    journal = Journal()
    journal.add(0, ["a"])
    journal.fold()
    cursor = write_cursor(changes.Position((number,), -3), changes.QUESTION)
    if number < 0:
        with pytest.raises(Gone):
            journal.ask(cursor)
    else:
        assert journal.ask(cursor)["items"] == []


def test_a_cursor_that_is_nested_deeper_than_a_call_stack_is_refused() -> None:
    packed = b"12345678\x93\x90\x01" + b"\x91" * 5_000 + b"\x01"
    with pytest.raises(BadRequest, match="cursor: expected"):
        Journal().ask(base64.urlsafe_b64encode(packed).rstrip(b"=").decode())


def test_a_cursor_of_another_question_is_refused() -> None:
    with pytest.raises(BadRequest):
        Journal().ask(write_cursor(changes.Position(()), "history"))
