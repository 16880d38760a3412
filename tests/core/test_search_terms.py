"""Search terms: one spelling, one place a user, and a summary that keeps its bounds."""

from __future__ import annotations

import unicodedata
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S, stream_event
from tapstack.core.rows import TERM_ROWS, encode_derived
from tapstack.core.search_terms import (
    PLACES,
    TERM_BYTES_MAX,
    TERMS_MAX,
    Search,
    Term,
    common_terms,
    count_searches,
    merge_terms,
    normalise_term,
    search_of,
)
from tapstack.errors import UndecodableRow

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
SEARCHES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, PLACES - 1)), max_size=40)


def search(digest: int, place: int = 0, term: str = "") -> Search:
    return Search(digest, place, NOON_S, NOON_S, term)


@pytest.mark.parametrize(
    ("query", "term"),
    [
        ("Red dress", "red dress"),
        ("  red \t dress\n", "red dress"),
        ("\uff32\uff25\uff24 \uff44\uff52\uff45\uff53\uff53", "red dress"),
        ("red\u200bdress", "red dress"),
        ("red\x00dress", "red dress"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁx", "fix"),
        ("e\u0301tui", "étui"),
        ("İ", "i̇"),
        ("", ""),
        ("\u200b \x07", ""),
        ("a" * 300, "a" * TERM_BYTES_MAX),
        ("é" * 100, "é" * (TERM_BYTES_MAX // 2)),
        ("😀" * 100, "😀" * (TERM_BYTES_MAX // 4)),
        ("a" + "é" * 100, "a" + "é" * (TERM_BYTES_MAX // 2 - 1)),  # the last letter would be cut
        ("a" * (TERM_BYTES_MAX - 1) + " b", "a" * (TERM_BYTES_MAX - 1)),
    ],
)
def test_what_differs_in_spelling_alone_is_one_term(query: str, term: str) -> None:
    assert normalise_term(query) == term


@given(TEXTS)
def test_a_term_is_short_printable_and_spelled_the_same_again(query: str) -> None:
    term = normalise_term(query)
    assert len(term.encode()) <= TERM_BYTES_MAX
    assert term.isprintable()
    assert term == " ".join(term.split())
    assert normalise_term(query.upper().lower()) == normalise_term(query.lower().upper().lower())
    assert unicodedata.is_normalized("NFKC", term)


def test_a_long_run_of_marks_is_read_in_part() -> None:
    # Putting n marks in order takes Unicode n * n steps.
    assert len(normalise_term("a" + "\u0315\u0300" * 500)) < 128


def test_what_is_no_search_for_something_is_none() -> None:
    def of(**changes: object) -> Search | None:
        return search_of(stream_event(**{"event_type": "search", "items": [], **changes}), "U#ann", 1, 2)

    assert of(query="  ") is None
    assert of() is None
    assert of(query="shoes", event_type="page_view") is None
    found = of(query="Shoes")
    assert found is not None
    assert (found.term, found.at_s, found.arrived_s) == ("shoes", 1, 2)
    assert found == of(query=" SHOES")
    assert found.hashed().term == ""


def test_a_user_has_one_place_in_a_term_and_others_in_other_terms() -> None:
    def place(query: str, user: str) -> int:
        found = search_of(stream_event(event_type="search", items=[], query=query), user, 1, 2)
        assert found is not None
        return found.place

    users = [f"U#user-{number}" for number in range(400)]
    shoes = [place("shoes", user) for user in users]
    assert shoes == [place("SHOES ", user) for user in users]
    assert set(shoes) == set(range(PLACES))
    assert max(Counter(shoes).values()) < 60  # each place is shared by a sixteenth of the users or so
    same = sum(a == b for a, b in zip(shoes, [place("boots", user) for user in users], strict=True))
    assert same < 60  # what a user searches for elsewhere cannot be told by its place


@given(SEARCHES)
def test_while_there_is_room_counts_are_exact_in_any_order_and_split(
    found: list[tuple[int, int]],
) -> None:
    whole: dict[int, Term] = {}
    count_searches(whole, [search(*each) for each in found])
    parts: dict[int, Term] = {}
    for each in reversed(found):
        count_searches(parts, [search(*each)])
    assert {digest: (term.count, term.places) for digest, term in whole.items()} == {
        digest: (term.count, term.places) for digest, term in parts.items()
    }
    assert {digest: term.count for digest, term in whole.items()} == Counter(digest for digest, _ in found)


@given(st.lists(st.lists(st.integers(0, 3 * TERMS_MAX), max_size=300), max_size=6), st.integers(1, 9))
def test_a_full_row_keeps_the_bounds_of_its_summary(folds: list[list[int]], heavy: int) -> None:
    terms: dict[int, Term] = {}
    truth: Counter[int] = Counter()
    for fold in [list(range(TERMS_MAX - 1)), *folds, [7] * heavy]:
        count_searches(terms, [search(digest, digest % PLACES) for digest in fold])
        truth.update(fold)
    lowest = min(term.count for term in terms.values()) if len(terms) == TERMS_MAX else 0
    assert len(terms) <= TERMS_MAX
    assert sum(term.count for term in terms.values()) == truth.total()
    assert lowest <= truth.total() / TERMS_MAX
    for digest, count in truth.items():
        if digest in terms:
            assert count <= terms[digest].count <= count + lowest
        else:
            assert count <= lowest


def test_who_takes_anothers_place_takes_neither_its_users_nor_its_text() -> None:
    terms: dict[int, Term] = {}
    count_searches(terms, [search(digest, 3, "known") for digest in range(TERMS_MAX)])
    count_searches(terms, [search(999, 5)])
    assert 0 not in terms
    assert (terms[999].count, terms[999].places, terms[999].text) == (2, 1 << 5, "")


def test_as_many_users_as_places_are_taken_have_searched_at_least() -> None:
    one, two = {1: Term(50, 0b101), 2: Term(9, 0b11)}, {1: Term(1, 0b100), 2: Term(1, 0b100)}
    assert common_terms([one, two], 3) == {2}
    assert common_terms([one, two], 2) == {1, 2}
    assert common_terms([], 2) == frozenset()
    assert common_terms([{1: Term(9, 0b1110)}], 3) == {1}
    assert common_terms([{1: Term(9, 0b1110)}], 4) == frozenset()


def test_stripes_add_up_and_what_has_no_text_is_not_shown() -> None:
    rows = [{1: Term(5, 1, "shoes"), 2: Term(9, 1)}, {1: Term(2, 1), 3: Term(7, 1, "boots")}]
    assert merge_terms(rows) == ([("boots", 7), ("shoes", 7)], 0)
    full = {digest: Term(digest + 1, 1) for digest in range(TERMS_MAX)}
    assert merge_terms([full, full])[1] == 2


def test_the_layout_of_a_row_is_the_documented_one() -> None:
    terms = {-5: Term(3, 0b110, "shoes"), 7: Term(1, 1)}
    state = encode_derived({}, terms)
    assert msgspec.msgpack.decode(state, strict=False) == [{}, {-5: [3, 6, "shoes"], 7: [1, 1, ""]}]
    assert TERM_ROWS.body(state) == terms
    with pytest.raises(UndecodableRow) as caught:
        TERM_ROWS.read(b"\x90")
    assert caught.value.kind == "search terms"
