"""Filters, compiled into functions of an event and one of its items."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tapstack.core.attributes.definitions import Condition
from tapstack.core.attributes.told import Told, ToldItem, is_number, property_of

Test = Callable[[Told, ToldItem], bool]

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def properties_in(condition: Condition | None) -> Iterator[str]:
    """Return the properties that a filter names."""
    if condition is None:
        return
    if condition.property:
        yield condition.property
    for part in (condition.all or ()) + (condition.any or ()):
        yield from properties_in(part)


def compiled(condition: Condition) -> Test:
    """Return the function that tells whether an event, with one of its items, passes."""
    if condition.all is not None:
        parts = [compiled(part) for part in condition.all]
        return lambda told, item: all(part(told, item) for part in parts)
    if condition.any is not None:
        parts = [compiled(part) for part in condition.any]
        return lambda told, item: any(part(told, item) for part in parts)
    get, holds = property_of(condition.property).get, _comparison(condition.operator, condition.value)
    return lambda told, item: holds(get(told, item))


def _comparison(name: str, value: Any) -> Callable[[Any], bool]:
    """Return the test of a property's value; one that is not there passes ``is null`` alone."""
    if name == "is null":
        return lambda found: found is None
    if name == "is not null":
        return lambda found: found is not None
    if name in _ORDERS:
        compare = _ORDERS[name]
        return lambda found: _are_alike(found, value) and compare(found, value)
    if name == "starts with":
        return lambda found: isinstance(found, str) and found.startswith(value)
    values = value if isinstance(value, tuple) else (value,)
    if name in {"=", "in"}:
        return lambda found: any(_is_equal(found, each) for each in values)
    return lambda found: found is not None and not any(_is_equal(found, each) for each in values)


def _is_equal(found: object, value: object) -> bool:
    return _are_alike(found, value) and found == value


def _are_alike(one: object, other: object) -> bool:
    """Whether two values are of one kind: numbers, texts or booleans; 1 is not true."""
    return _kind(one) is not None and _kind(one) == _kind(other)


def _kind(value: object) -> str | None:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text"
    return "number" if is_number(value) else None
