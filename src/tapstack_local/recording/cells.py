"""What a cell says: nothing, a text, a number."""

from __future__ import annotations

import math
import re
from typing import Any

from tapstack.core.normalisation import PLACEHOLDERS

# How exports write that there is no value, compared without case: MySQL and Hive \N, MySQL a time of zeros,
# pandas and R NaN, NA and NaT, Google Analytics (not set).
ABSENT = (
    "", r"\N", "NULL", "None", "NA", "N/A", "<NA>", "NaN", "NaT", "(not set)", "0000-00-00",
    "0000-00-00 00:00:00",
)  # fmt: skip
_ABSENT = frozenset(marker.lower() for marker in (*ABSENT, *PLACEHOLDERS))
_LONGEST = max(map(len, _ABSENT))
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_WHOLE = re.compile(r"([+-]?\d{1,300})(?:\.0*)?", re.ASCII)
CUT = re.compile(r"\d(?:\.\d+)?E\+\d{2,3}", re.ASCII | re.IGNORECASE)  # how spreadsheets show long numbers
DOT_ZERO = re.compile(r"-?\d+\.0", re.ASCII)  # how pandas writes the whole numbers of a column with holes


def text_of(cell: object) -> str | None:
    """Return what a cell says; None if it says nothing.

    Raises
    ------
    TypeError
        If it holds true or false, a list or an object: what it is instead of text or a number.
    """
    text = (cell if isinstance(cell, str) else _text_of_json(cell)).strip()
    return None if len(text) <= _LONGEST and text.lower() in _ABSENT else text


def number_of(text: str) -> float | None:
    """Return the number that a text is, with a decimal point and nothing between thousands; None if none."""
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else None


def whole_number_of(text: str) -> int | None:
    """Return the whole number that a text says, also ``2.0``; None if it is not one."""
    found = _WHOLE.fullmatch(text)
    return int(found[1]) if found else None


def without_absent(value: Any) -> Any:
    """Return JSON without the names whose value is null or NaN, at any depth."""
    if isinstance(value, dict):
        return {name: without_absent(kept) for name, kept in value.items() if not is_null(kept)}
    if isinstance(value, list):
        return [without_absent(kept) for kept in value]
    return value


def is_null(value: object) -> bool:
    """Return whether a value of JSON is null, or NaN as Python writes it."""
    return value is None or value != value  # noqa: PLR0124 - only NaN differs from itself


def _text_of_json(cell: object) -> str:
    if isinstance(cell, bool):
        raise TypeError("true or false")
    if isinstance(cell, dict | list):
        raise TypeError("a list or an object")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))  # JSON does not tell 5.0 and 5 apart
    return str(cell)
