"""Filter criteria of a Kinesis mapping: which records the function gets to see.

Sources: docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html and
invocation-eventfiltering.html, read 2026-11-23: a record passes if any pattern matches; the operators are
equality, null, prefix, suffix, anything-but, numeric and exists; with a pattern for `data`, data that is
not JSON is dropped.
"""

from __future__ import annotations

import base64
import binascii
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from tapstack_emulator.event_source_mapping.payload import Record

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ABSENT = object()


def passes(patterns: tuple[str, ...], record: Record) -> bool:
    """Return whether a record reaches the function.

    Parameters
    ----------
    patterns
        JSON patterns; none lets every record pass.
    record
        The record; its `data` is decoded only if a pattern asks for it.
    """
    return not patterns or any(_matches_record(_pattern(text), record) for text in patterns)


def passes_view(patterns: tuple[str, ...], view: dict[str, Any]) -> bool:
    """Return whether a record of any source reaches the function.

    Parameters
    ----------
    patterns
        JSON patterns, each of them checked; none lets every record pass.
    view
        What the patterns of that source may look at.
    """
    return not patterns or any(_matches(_pattern(text), view) for text in patterns)


def check_pattern(text: str) -> None:
    """Refuse a pattern that AWS would refuse.

    Raises
    ------
    ValueError
        Naming ``FilterCriteria`` and what is wrong.
    """
    try:
        pattern = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"FilterCriteria: {text!r} is not JSON") from error
    if not isinstance(pattern, dict):
        raise ValueError("FilterCriteria: a pattern is a JSON object")  # noqa: TRY004 - a setting, not a type
    _check(pattern, "")


def _check(pattern: Any, path: str) -> None:
    if isinstance(pattern, dict):
        for key, below in pattern.items():
            _check(below, f"{path}.{key}" if path else key)
        return
    if not isinstance(pattern, list) or not pattern:
        raise ValueError(f"FilterCriteria: {path} must be an object or a non-empty list of rules")
    for rule in pattern:
        if isinstance(rule, dict) and (len(rule) != 1 or next(iter(rule)) not in _RULES):
            raise ValueError(f"FilterCriteria: {path} has a rule that is not one of {sorted(_RULES)}")


@lru_cache(maxsize=64)
def _pattern(text: str) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(text)
    return decoded


def _matches_record(pattern: dict[str, Any], record: Record) -> bool:
    view: dict[str, Any] = {
        "partitionKey": record.partition_key,
        "sequenceNumber": record.sequence_number,
        "approximateArrivalTimestamp": record.arrival_ms / 1000,
    }
    if "data" in pattern:
        try:
            view["data"] = msgspec.json.decode(base64.b64decode(record.data, validate=True))
        except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError):
            return False
        if not isinstance(view["data"], dict):
            return False
    return _matches(pattern, view)


def _matches(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, dict):
        if isinstance(value, list):
            return any(_matches(pattern, item) for item in value)
        fields = value if isinstance(value, dict) else {}
        return all(_matches(below, fields.get(key, _ABSENT)) for key, below in pattern.items())
    return any(_matches_rule(rule, value) for rule in pattern)


def _matches_rule(rule: Any, value: Any) -> bool:
    if isinstance(rule, dict):
        name, argument = next(iter(rule.items()))
        return _RULES[name](argument, value)
    if isinstance(value, list):
        return any(_equal(rule, item) for item in value)
    return _equal(rule, value)


def _equal(rule: Any, value: Any) -> bool:
    return value is not _ABSENT and isinstance(rule, bool) == isinstance(value, bool) and bool(rule == value)


def _exists(argument: Any, value: Any) -> bool:
    # "exists" looks at leaves only, as in EventBridge patterns.
    return bool(argument) == (value is not _ABSENT and not isinstance(value, dict))


def _prefix(argument: Any, value: Any) -> bool:
    return isinstance(value, str) and value.startswith(str(argument))


def _suffix(argument: Any, value: Any) -> bool:
    return isinstance(value, str) and value.endswith(str(argument))


def _anything_but(argument: Any, value: Any) -> bool:
    forbidden = argument if isinstance(argument, list) else [argument]
    return value is not _ABSENT and not any(_equal(item, value) for item in forbidden)


def _numeric(argument: Any, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    pairs = zip(argument[::2], argument[1::2], strict=True)
    return all(_COMPARE[sign](value, bound) for sign, bound in pairs)


_RULES: dict[str, Callable[[Any, Any], bool]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "exists": _exists,
}
