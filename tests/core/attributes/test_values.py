"""What single values become: scalars as text, and summaries that have no room for all."""

from __future__ import annotations

from functools import reduce

import pytest

from tapstack.core.attributes.distinct import REGISTERS, STANDARD_ERROR, Distinct
from tapstack.core.attributes.told import text_of
from tapstack.core.attributes.value_sets import CategoryCount, MostFrequent, UniqueList

TEXTS: dict[str, tuple[object, int, str | None]] = {
    "a text": ("shoes", 96, "shoes"),
    "true": (True, 96, "true"),
    "false": (False, 96, "false"),
    "a whole number": (5, 96, "5"),
    "a fraction that is whole": (5.0, 96, "5"),
    "a fraction": (2.5, 96, "2.5"),
    "below zero": (-2.5, 96, "-2.5"),
    "nothing": (None, 96, None),
    "a list": (["shoes"], 96, None),
    "more than a row keeps": (10**30, 96, None),
    "as long as may be": ("abcd", 4, "abcd"),
    "longer": ("abcde", 4, "abcd"),
    "cut within a letter": ("abc\u00fc", 4, "abc"),
    "letters of several bytes": ("\u00fc\u00fc\u00fc", 4, "\u00fc\u00fc"),
}


@pytest.mark.parametrize(("value", "bytes_max", "text"), TEXTS.values(), ids=TEXTS)
def test_a_scalar_is_a_text_of_so_many_bytes(value: object, bytes_max: int, text: str | None) -> None:
    assert text_of(value, bytes_max) == text


@pytest.mark.parametrize("count", [1, 9, 90, 900, 9_000])
def test_distinct_values_are_estimated_within_three_standard_errors_however_they_are_put_together(
    count: int,
) -> None:
    kept = Distinct()
    cells = [kept.lift(f"value-{number}", 0) for number in range(count)]
    assert None not in cells
    whole = reduce(kept.merge, cells)
    assert kept.value(whole, 0).value == pytest.approx(count, rel=3 * STANDARD_ERROR)
    halves = [reduce(kept.merge, half) for half in (cells[::2], cells[1::2]) if half]
    assert reduce(kept.merge, [*halves, whole]) == whole
    assert len(whole) <= REGISTERS


def test_the_first_value_without_a_place_is_taken_off_all_counts() -> None:
    kept = CategoryCount(2, 96)
    assert kept.merge([0, {"a": 5, "b": 3}], [0, {"c": 1}]) == [1, {"a": 4, "b": 2}]
    assert kept.merge([1, {"a": 4, "b": 2}], [2, {"a": 1, "c": 9}]) == [5, {"c": 7, "a": 3}]
    assert kept.merge([0, {"a": 1}], [0, {"b": 1, "a": 2}]) == [0, {"a": 3, "b": 1}]


def test_counts_are_answered_highest_first_and_the_most_frequent_is_the_first_of_them() -> None:
    cell = [4, {"b": 2, "c": 1, "a": 2}]
    counts = CategoryCount(9, 96).value(cell, 0)
    assert (list(counts.value.items()), counts.missing_max) == ([("a", 2), ("b", 2), ("c", 1)], 4)
    assert MostFrequent(9, 96).value(cell, 0) == ("a", 4)
    assert MostFrequent(9, 96).value([4, {}], 0) == (None, 4)


def test_what_was_not_seen_for_longest_makes_room_and_is_said_to_have() -> None:
    kept = UniqueList(2, 96)
    whole = kept.merge([4, 2, {"a": 5, "b": 9}], [1, 3, {"c": 7, "a": 6}])
    assert whole == [6, 6, {"b": 9, "c": 7}]
    assert kept.since(whole, 6_000) == [6, 6, {"b": 9, "c": 7}]
    assert kept.since(whole, 7_001) == [0, 6, {"b": 9}]
    assert kept.since(whole, 9_001) is None
    assert kept.value(whole, 0) == (["c", "b"], 6)
