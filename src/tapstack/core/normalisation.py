"""One spelling of what senders mean: null and blank ids left out, numbers from texts, currencies that exist.

Applied once, by the collector, to events that are not written that way already; the stream holds the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tapstack.core.currencies import CURRENCIES, NO_CURRENCY
from tapstack.errors import InvalidEvent

# What programs print where they have no value. As an id it would make one person of everybody without one.
PLACEHOLDERS = frozenset(
    {
        "undefined", "null", "NaN", "[object Object]",  # JavaScript, JSON
        "None", "nan",  # Python
        "NULL", "\\N",  # SQL
        "(null)", "<null>", "<nil>", "nil",  # Objective-C, Go, Ruby
    }
)  # fmt: skip
# Patterns are compiled at their first use: each cold start would pay for what seldom happens.
_JSON_NUMBER = r"-?(?:0|[1-9][0-9]*)(?P<real>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
_INVISIBLE = r"[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]*"
_CONTROL = r"[\x00-\x1f\x7f-\x9f\ufeff]"  # U+FEFF is the byte order mark
_DIGITS_MAX = 30  # more than any number of an event has

_Read = Callable[[Any, str, list[str]], Any]  # a value, its path, notes to add to; returns None for absent


def normalise(event: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return a sender's event in our spelling.

    Parameters
    ----------
    event
        The event; what is not understood stays as it is, for the schema to refuse.
    notes
        Receives notes for the sender on what is changed. They name fields of the schema, never
        what the sender wrote.

    Raises
    ------
    InvalidEvent
        If an id holds what no id does: control characters, byte order marks.
    """
    return _object(event, _EVENT, "", notes)


def are_plain_ids(ids: Collection[str]) -> bool:
    """Return whether all ids mean what they say: the usual case, decided fast."""
    together = "".join(ids)
    return (
        together.isprintable()
        and PLACEHOLDERS.isdisjoint(ids)
        and "" not in ids
        and (" " not in together or not any(map(str.isspace, ids)))  # the only space that is printable
    )


def _object(
    said: Mapping[str, Any], reads: Mapping[str, _Read], path: str, notes: list[str]
) -> dict[str, Any]:
    meant = {name: value for name, value in said.items() if value is not None}
    for name, value in meant.items():
        if name in reads:
            meant[name] = reads[name](value, path + name, notes)
    return {name: value for name, value in meant.items() if value is not None}


def _id(value: object, path: str, notes: list[str]) -> object:
    if not isinstance(value, str) or are_plain_ids((value,)):
        return value
    if value in PLACEHOLDERS:
        notes.append(f"{_generic(path)}: a placeholder is no id and counts as left out")
        return None
    if re.fullmatch(_INVISIBLE, value):
        return None
    if re.search(_CONTROL, value):
        raise InvalidEvent(path, "expected an id without control characters and byte order marks")
    return value


def _ids(value: object, path: str, notes: list[str]) -> object:
    if not isinstance(value, list):
        return value
    ids = [_id(each, f"{path}[{index}]", notes) for index, each in enumerate(value)]
    return [each for each in ids if each is not None]


def _text(value: object, _path: str, _notes: list[str]) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _number(value: object, _path: str, _notes: list[str]) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    return (float(text) if re.fullmatch(_JSON_NUMBER, text) else value) if text else None


def _whole(value: object, path: str, notes: list[str]) -> object:
    if isinstance(value, str):
        text = value.strip()
        spelled = re.fullmatch(_JSON_NUMBER, text)
        if spelled and not spelled["real"] and len(text) <= _DIGITS_MAX:
            return int(text)  # a float would not keep all its digits
        value = _number(value, path, notes)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _currency(value: object, path: str, notes: list[str]) -> object:
    if not isinstance(value, str):
        return value
    code = value.strip().upper()
    if not code or code in CURRENCIES:
        return code or None
    notes.append(f"{_generic(path)}: not in ISO 4217, counted as {NO_CURRENCY}")
    return NO_CURRENCY


def _items(value: object, path: str, notes: list[str]) -> object:
    if not isinstance(value, list):
        return value
    return [
        _object(item, _ITEM, f"{path}[{index}].", notes) if isinstance(item, dict) else item
        for index, item in enumerate(value)
        if item is not None
    ]


def _generic(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


_EVENT: dict[str, _Read] = {
    "event_type": _text, "occurred_at": _text, "value": _number, "n": _whole, "currency": _currency,
    "event_id": _id, "client_id": _id, "user_id": _id, "anonymous_id": _id, "session_id": _id,
    "recommendation_id": _id, "impressions": _ids, "items": _items,
}  # fmt: skip
_ITEM: dict[str, _Read] = {
    "item_id": _id, "list_id": _id, "price": _number, "quantity": _whole, "position": _whole,
    "currency": _currency,
}  # fmt: skip
