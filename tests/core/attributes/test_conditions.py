"""A condition passes what its operator says, of values of its own kind; what is not there is null alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from attribute_files import file_of

from tapstack.core.attributes.conditions import compiled
from tapstack.core.attributes.reading import read_definitions
from tapstack.core.attributes.told import ToldItem, decode_told

FOUND = (None, True, False, -1, 0, 1, 1.0, 1.5, 2, "", "1", "a", "ab", "b", [1], {"a": 1})
# What of these passes.
PASS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "equal to a number": ({"operator": "=", "value": 1}, [1, 1.0]),
    "equal to a text": ({"operator": "=", "value": "a"}, ["a"]),
    "equal to true": ({"operator": "=", "value": True}, [True]),
    "another than a number": (
        {"operator": "!=", "value": 1},
        [True, False, -1, 0, 1.5, 2, "", "1", "a", "ab", "b", [1], {"a": 1}],
    ),
    "another than false": (
        {"operator": "!=", "value": False},
        [True, -1, 0, 1, 1.0, 1.5, 2, "", "1", "a", "ab", "b", [1], {"a": 1}],
    ),
    "less than a number": ({"operator": "<", "value": 1}, [-1, 0]),
    "at most a number": ({"operator": "<=", "value": 1}, [-1, 0, 1, 1.0]),
    "more than a number": ({"operator": ">", "value": 1}, [1.5, 2]),
    "at least a number": ({"operator": ">=", "value": 1}, [1, 1.0, 1.5, 2]),
    "before a text": ({"operator": "<", "value": "ab"}, ["", "1", "a"]),
    "not after a text": ({"operator": "<=", "value": "ab"}, ["", "1", "a", "ab"]),
    "after a text": ({"operator": ">", "value": "ab"}, ["b"]),
    "not before a text": ({"operator": ">=", "value": "ab"}, ["ab", "b"]),
    "begun by a text": ({"operator": "starts with", "value": "a"}, ["a", "ab"]),
    "among some": ({"operator": "in", "value": [True, 1.5, "a"]}, [True, 1.5, "a"]),
    "among none of some": (
        {"operator": "not in", "value": [True, 1.5, "a"]},
        [False, -1, 0, 1, 1.0, 2, "", "1", "ab", "b", [1], {"a": 1}],
    ),
    "not there": ({"operator": "is null"}, [None]),
    "there": ({"operator": "is not null"}, [each for each in FOUND if each is not None]),
}


def passing(condition: dict[str, Any]) -> list[Any]:
    """Return what of `FOUND` passes a condition of a file, null and left out being the same."""
    said = read_definitions(file_of({"name": "x", "aggregation": "counter", "filter": condition}))
    passes = compiled(said.feature_view[0].attribute[0].filter or pytest.fail("no filter"))
    found = []
    for value in FOUND:
        event = {"event_type": "search", "properties": {"size": value}}
        if passes(decode_told("search", msgspec.json.encode(event)), ToldItem()):
            found.append(value)
    return found


def kinds(values: list[Any]) -> list[tuple[type, Any]]:
    return [(type(value), value) for value in values]  # 1 == True == 1.0


@pytest.mark.parametrize(("comparison", "wanted"), PASS.values(), ids=PASS)
def test_a_comparison_passes_values_of_its_own_kind(comparison: dict[str, Any], wanted: list[Any]) -> None:
    assert kinds(passing({"property": "properties.size", **comparison})) == kinds(wanted)


def test_all_must_hold_or_any() -> None:
    above = {"property": "properties.size", "operator": ">", "value": 0}
    below = {"property": "properties.size", "operator": "<", "value": 2}
    text = {"property": "properties.size", "operator": "=", "value": "a"}
    assert passing({"all": [above, below]}) == [1, 1.0, 1.5]
    assert passing({"any": [above, text]}) == [1, 1.0, 1.5, 2, "a"]
    assert passing({"any": [text, {"all": [above, {"any": [below, text]}]}]}) == [1, 1.0, 1.5, "a"]
