"""What each member of a file may say: a check of one value each, which knows nothing of the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from tapstack.core.attributes.definitions import AGGREGATIONS, ENTITIES, OPERATORS
from tapstack.core.attributes.durations import LIFETIME, TTL_MAX_S, WINDOW_MAX_S, WINDOW_MIN_S, seconds_of
from tapstack.core.attributes.told import property_of
from tapstack.core.events import COUNTER_MAX, EVENT_TYPES

Check = Callable[[Any], str | None]  # what was expected; None if the value is right

TEXT_CHARS_MAX = 1_000
SHOWN_CHARS_MAX = 60
BYTES_MIN, BYTES_MAX = 4, 200
LIMIT_MAX = 100
VALUES_MAX = 50
WINDOWS_MAX = 8


def got(value: object) -> str:
    """Return a value as messages repeat it."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}..."


def name(value: Any) -> str | None:
    """Check a name."""
    if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,63}", value, re.ASCII):
        return None
    return "expected a name of small letters, digits and _, at most 64, that begins with a letter"


def text(value: Any) -> str | None:
    """Check a text for people."""
    if isinstance(value, str) and len(value) <= TEXT_CHARS_MAX:
        return None
    return f"expected a text of at most {TEXT_CHARS_MAX} characters"


def integer(low: int, high: int) -> Check:
    """Make the check of an integer."""

    def check(value: Any) -> str | None:
        is_right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if is_right else f"expected an integer from {low} to {high}"

    return check


def one_of(words: Collection[str]) -> Check:
    """Make the check of a word."""

    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in words else f"expected one of {', '.join(words)}"

    return check


def duration(low_s: int, high_s: int, said: str) -> Check:
    """Make the check of a duration."""

    def check(value: Any) -> str | None:
        try:
            is_right = isinstance(value, str) and low_s <= seconds_of(value) <= high_s
        except ValueError:
            is_right = False
        return None if is_right else f"expected a duration {said}, such as 90m, 24h or 7d"

    return check


_window = duration(WINDOW_MIN_S, WINDOW_MAX_S, "from 5m to 90d")
ttl = duration(WINDOW_MIN_S, TTL_MAX_S, "from 5m to 3650d")
hop = duration(60, 30 * 86_400, "from 1m to 30d")
entity = one_of(ENTITIES)
aggregation = one_of(AGGREGATIONS)
operator = one_of(OPERATORS)


def windows(value: Any) -> str | None:
    """Check a list of windows."""
    expected = f"expected a list of 1 to {WINDOWS_MAX} windows from 5m to 90d, or {LIFETIME}, each once"
    if not isinstance(value, list) or not 1 <= len(value) <= WINDOWS_MAX:
        return expected
    if any(each != LIFETIME and _window(each) for each in value):
        return expected
    lengths = [0 if each == LIFETIME else seconds_of(each) for each in value]
    return None if len(set(lengths)) == len(lengths) else expected


def events(value: Any) -> str | None:
    """Check a list of types of events."""
    is_right = (
        isinstance(value, list)
        and value
        and all(isinstance(each, str) and each in EVENT_TYPES for each in value)
    )
    if is_right and len(set(value)) == len(value):
        return None
    return f"expected a list of types of events, each once, of {', '.join(EVENT_TYPES)}"


def property_(value: Any) -> str | None:
    """Check the name of a property."""
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
        return "expected the name of a property, such as value or items.category"
    try:
        property_of(value)
    except ValueError as error:
        return str(error).partition(", got ")[0]
    return None


def scalar(value: Any) -> str | None:
    """Check a value that is compared, or answered."""
    if isinstance(value, bool) or (isinstance(value, str) and len(value) <= TEXT_CHARS_MAX):
        return None
    if isinstance(value, int | float) and -COUNTER_MAX <= value <= COUNTER_MAX:
        return None
    return f"expected a text of at most {TEXT_CHARS_MAX} characters, a number or a boolean"


def features(value: Any) -> str | None:
    """Check the list of a service's features."""
    is_right = isinstance(value, list) and value and all(isinstance(each, str) for each in value)
    return None if is_right else "expected a list of features, such as user_stats:views_1h"
