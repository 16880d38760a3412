"""msgspec's messages in JSON's words."""

from __future__ import annotations

import pytest

from tapstack.core.wording import expectation, place_of

PLACES = {
    "Expected `str`, got `int` - at `$.items[2].item_id`": ("Expected `str`, got `int`", "items[2].item_id"),
    "Expected `str`, got `int` - at `key in $.properties`": ("Expected `str`, got `int`", "properties"),
    "Expected `object`, got `array`": ("Expected `object`, got `array`", ""),
}


@pytest.mark.parametrize(("message", "place"), PLACES.items(), ids=PLACES)
def test_a_message_names_what_is_wrong_and_where(message: str, place: tuple[str, str]) -> None:
    assert place_of(message) == place


WORDS = {
    "Expected `str`, got `int`": "expected a string, got a number",
    "Expected `str | null`, got `array`": "expected a string or null, got an array",
    "Expected `int`, got `float`": "expected a whole number, got a fraction",
    "Expected `int`, got `str`": "expected a whole number, got a string",
    "Expected `float`, got `bool`": "expected a number, got a boolean",
    "Expected `str` of length <= 256": "expected at most 256 characters",
    "Expected `str` of length >= 1": "expected at least 1 character",
    "Expected `array` of length >= 1": "expected at least 1 element",
    "Expected `array` of length <= 500": "expected at most 500 elements",
    "Expected `int` >= 0": "expected a whole number of at least 0",
    "Expected `float` <= 100.0": "expected a number of at most 100",
    "Integer value out of range": "expected a number that 64 bits hold",
    "Invalid RFC3339 encoded datetime": (
        "expected an RFC 3339 time with a zone, such as 2026-03-10T12:00:00Z"
    ),
}


@pytest.mark.parametrize(("message", "words"), WORDS.items(), ids=WORDS)
def test_an_expectation_is_said_in_words_of_json(message: str, words: str) -> None:
    assert expectation(message) == words
