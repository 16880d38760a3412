"""What a file may say at most is read, and one more is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attribute_files import toml

from tapstack.core.attributes.faults import InvalidDefinitions
from tapstack.core.attributes.reading import FILE_CHARS_MAX, read_definitions

LEAF = {"property": "properties.size", "operator": "is null"}
File = dict[str, Any]


def counter(name: str = "x", **said: Any) -> dict[str, Any]:
    return {"name": name, "aggregation": "counter", **said}


def view(*attributes: dict[str, Any], **said: Any) -> File:
    attribute = list(attributes) or [counter()]
    return {
        "version": 1,
        "feature_view": [{"name": "v", "entity": "user", "attribute": attribute, **said}],
    }


def comparison(operator: str, value: Any, name: str = "properties.size") -> File:
    return view(counter(filter={"property": name, "operator": operator, "value": value}))


def nested(depth: int, innermost: object = LEAF) -> File:
    """A filter of so many conditions within each other."""
    condition = innermost
    for place in range(depth - 1):
        condition = {"any" if place % 2 else "all": [condition]}
    return view(counter(filter=condition))


def texts(count: int) -> File:
    return view({"name": "x", "aggregation": "unique_list", "property": "query", "limit": count})


def services(count: int) -> File:
    every = [{"name": f"s{place}", "features": ["v:x_lifetime"]} for place in range(count)]
    return view() | {"feature_service": every}


def views(count: int) -> File:
    every = [{"name": f"v{place}", "entity": "user", "attribute": [counter()]} for place in range(count)]
    return {"version": 1, "feature_view": every}


# How a file is made of a number, the bound, the first number beyond, and what is said of that.
BOUNDS: dict[str, tuple[Callable[[int], File], int, int, str]] = {
    "conditions within each other": (nested, 4, 5, "nested at most 4 deep, got {'property': "),
    "conditions side by side": (
        lambda count: view(counter(filter={"any": [LEAF] * count})),
        20,
        21,
        "filter.any: expected a list of 1 to 20 conditions, got [",
    ),
    "no condition": (
        lambda count: view(counter(filter={"all": [LEAF] * count})),
        1,
        0,
        "filter.all: expected a list of 1 to 20 conditions, got []",
    ),
    "a property's name": (
        lambda chars: view({"name": "x", "aggregation": "last", "property": "properties.".ljust(chars, "a")}),
        1_000,
        1_001,
        "property: expected the name of a property, such as value or items.category, got ",
    ),
    "steps of a property": (
        lambda count: comparison("=", 1, "context" + ".a" * count),
        4,
        5,
        "properties.NAME, context.NAME, traits.NAME, got 'context.a.a.a.a.a'",
    ),
    "a text that is compared": (
        lambda chars: comparison("=", "a" * chars),
        1_000,
        1_001,
        "value: expected a text, a number or a boolean for properties.size =, got ",
    ),
    "a number that is compared": (
        lambda number: comparison(">=", number, "value"),
        2**53 - 1,
        2**53,
        "value: expected a number for value >=, got 9007199254740992",
    ),
    "a number below zero": (
        lambda number: comparison(">=", number, "value"),
        1 - 2**53,
        -(2**53),
        "value: expected a number for value >=, got -9007199254740992",
    ),
    "values": (
        lambda count: comparison("in", list(range(count))),
        50,
        51,
        "value: expected a list of 1 to 50 values for properties.size in, got [0, 1, ",
    ),
    "no value": (
        lambda count: comparison("not in", list(range(count))),
        1,
        0,
        "value: expected a list of 1 to 50 values for properties.size not in, got []",
    ),
    "windows": (
        lambda count: view(counter(windows=[f"{place}h" for place in range(1, count + 1)])),
        8,
        9,
        "windows: expected a list of 1 to 8 windows from 5m to 90d, or lifetime, each once, got [",
    ),
    "the longest window": (
        lambda days: view(counter(windows=[f"{days}d"])),
        90,
        91,
        "windows: expected a list of 1 to 8 windows from 5m to 90d, or lifetime, each once, got ['91d']",
    ),
    "the shortest window": (
        lambda minutes: view(counter(windows=[f"{minutes}m"], hop="1m")),
        5,
        4,
        "windows: expected a list of 1 to 8 windows from 5m to 90d, or lifetime, each once, got ['4m']",
    ),
    "tiles": (
        lambda minutes: view(counter(windows=[f"{minutes}m"], hop="1m")),
        120,
        121,
        "hop: expected at most 120 tiles a window, got 121 of 121m",
    ),
    "the longest ttl": (
        lambda days: view(ttl=f"{days}d"),
        3_650,
        3_651,
        "ttl: expected a duration from 5m to 3650d, such as 90m, 24h or 7d, got '3651d'",
    ),
    "a limit": (texts, 100, 101, "limit: expected an integer from 1 to 100, got 101"),
    "the least limit": (texts, 1, 0, "limit: expected an integer from 1 to 100, got 0"),
    "bytes of a text": (
        lambda count: view({"name": "x", "aggregation": "last", "property": "query", "bytes_max": count}),
        200,
        201,
        "bytes_max: expected an integer from 4 to 200, got 201",
    ),
    "the fewest bytes of a text": (
        lambda count: view({"name": "x", "aggregation": "last", "property": "query", "bytes_max": count}),
        4,
        3,
        "bytes_max: expected an integer from 4 to 200, got 3",
    ),
    "a name": (
        lambda chars: view(counter("a" * chars)),
        64,
        65,
        "name: expected a name of small letters, digits and _, at most 64, that begins with a letter, got ",
    ),
    "a description": (
        lambda chars: view(description="a" * chars),
        1_000,
        1_001,
        "description: expected a text of at most 1000 characters, got ",
    ),
    "a version of a view": (
        lambda number: view(version=number),
        9_999,
        10_000,
        "version: expected an integer from 1 to 9999, got 10000",
    ),
    "the first version of a view": (
        lambda number: view(version=number),
        1,
        0,
        "version: expected an integer from 1 to 9999, got 0",
    ),
    "views": (views, 64, 65, "feature_view: expected 1 to 64 tables, got 65"),
    "services": (services, 100, 101, "feature_service: expected 1 to 100 tables, got 101"),
}


@pytest.mark.parametrize(("make", "bound", "beyond", "said"), BOUNDS.values(), ids=BOUNDS)
def test_a_bound_is_allowed_and_what_is_beyond_is_refused(
    make: Callable[[int], File], bound: int, beyond: int, said: str
) -> None:
    assert read_definitions(toml(make(bound)))
    assert said in refused(toml(make(beyond)))


def refused(text: str) -> str:
    with pytest.raises(InvalidDefinitions) as caught:
        read_definitions(text)
    return "\n".join(map(str, caught.value.faults))


def test_a_file_has_so_many_characters_at_most() -> None:
    text = toml(view()) + "#"
    longest = text.ljust(FILE_CHARS_MAX, "\u00fc")
    assert read_definitions(longest) == read_definitions(text)
    assert refused(longest + "#") == "line 1: expected at most 262144 characters, got 262145"


def test_what_is_no_condition_is_told_how_deep_they_are_only_where_that_is_wrong() -> None:
    forms = "{ all = [...] }, { any = [...] } or { property = ..., operator = ..., value = ... }"
    assert refused(toml(nested(4, "a"))).endswith(f": expected {forms}, got 'a'")
    assert refused(toml(nested(5, "a"))).endswith(f": expected {forms} nested at most 4 deep, got 'a'")


def test_an_unknown_property_is_repeated_as_it_was_written() -> None:
    said = refused(toml(comparison("=", 1, "colour, got blue")))
    assert said.endswith(", or properties.NAME, context.NAME, traits.NAME, got 'colour, got blue'")
    assert said.count("expected one of") == said.count("'colour") == 1
