"""Strategies: attributes as files have them, events that they count, and files as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

NUMBERS = ("value", "items.price", "items.quantity", "properties.size")
TEXTS = ("items.category", "items.item_id", "query", "context.page.path", "properties.size", "event_name")
AGGREGATIONS = (
    "counter", "sum", "min", "max", "mean", "first", "last", "time_since_first", "time_since_last",
    "unique_list", "category_count", "most_frequent", "approx_count_distinct",
)  # fmt: skip
TYPES = ("item_view", "purchase", "cart_add", "search")
WINDOWS = ("5m", "1h", "3h", "24h", "7d", "lifetime")

words = st.sampled_from(
    ["a", "b", "c", "shoes", "täschchen", "a very long text that is cut somewhere, 日本語日本語"]
)
scalars = st.one_of(words, st.booleans(), st.integers(-3, 3), st.floats(-5, 5).map(lambda x: round(x, 3)))
_amounts = st.one_of(st.integers(0, 5), st.sampled_from([19.99, 0.1, 1e12, -3.5]))


def _condition(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    leaves = st.one_of(
        st.fixed_dictionaries(
            {
                "property": st.sampled_from(TEXTS),
                "operator": st.sampled_from(["=", "!=", "starts with"]),
                "value": words,
            }
        ),
        st.fixed_dictionaries(
            {
                "property": st.sampled_from(TEXTS),
                "operator": st.sampled_from(["in", "not in"]),
                "value": st.lists(words, min_size=1, max_size=3),
            }
        ),
        st.fixed_dictionaries(
            {
                "property": st.sampled_from(NUMBERS),
                "operator": st.sampled_from(["<", "<=", ">", ">=", "="]),
                "value": st.integers(-2, 4),
            }
        ),
        st.fixed_dictionaries(
            {
                "property": st.sampled_from(TEXTS + NUMBERS),
                "operator": st.sampled_from(["is null", "is not null"]),
            }
        ),
    )
    if not depth:
        return leaves
    parts = st.lists(_condition(depth - 1), min_size=1, max_size=3)
    return st.one_of(leaves, st.fixed_dictionaries({"all": parts}), st.fixed_dictionaries({"any": parts}))


_CONDITIONS = _condition()


@st.composite
def attributes(draw: st.DrawFn, name: str = "x", among: Sequence[str] = AGGREGATIONS) -> dict[str, Any]:
    """Draw an attribute that is right."""
    aggregation = draw(st.sampled_from(among))
    attribute: dict[str, Any] = {"name": name, "aggregation": aggregation}
    if aggregation in {"sum", "min", "max", "mean"}:
        attribute["property"] = draw(st.sampled_from(NUMBERS))
    elif aggregation not in {"counter", "time_since_first", "time_since_last"}:
        attribute["property"] = draw(st.sampled_from(TEXTS + NUMBERS))
    if aggregation != "approx_count_distinct":
        attribute["windows"] = draw(st.lists(st.sampled_from(WINDOWS), min_size=1, max_size=2, unique=True))
    if draw(st.booleans()):
        attribute["events"] = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True))
    if draw(st.booleans()):
        attribute["filter"] = draw(_CONDITIONS)
    if aggregation in {"unique_list", "category_count", "most_frequent"}:
        attribute["limit"] = draw(st.integers(1, 3))
        attribute["bytes_max"] = draw(st.integers(4, 12))
    if aggregation in {"sum", "mean", "time_since_last"} and draw(st.booleans()):
        attribute["default"] = draw(st.integers(-1, 1))
    return attribute


_ITEMS = st.lists(
    st.fixed_dictionaries(
        {"item_id": st.sampled_from(["mug", "lamp", "vase"])},
        optional={"category": words, "price": _amounts, "quantity": st.integers(0, 3)},
    ),
    max_size=3,
)
# An event as a record has it, without its times.
events = st.fixed_dictionaries(
    {"event_type": st.sampled_from(TYPES), "items": _ITEMS},
    optional={
        "value": _amounts,
        "query": words,
        "event_name": words,
        "properties": st.fixed_dictionaries({"size": st.one_of(scalars, st.just([1]))}),
        "context": st.fixed_dictionaries(
            {"page": st.one_of(st.fixed_dictionaries({"path": scalars}), scalars)}
        ),
    },
)


def file_of(*attributes: dict[str, Any], entity: str = "user", **view: Any) -> str:
    """Write a file with one view."""
    return toml(
        {
            "version": 1,
            "feature_view": [{"name": "v", "entity": entity, **view, "attribute": list(attributes)}],
        }
    )


def toml(said: dict[str, Any]) -> str:
    """Write a document as TOML, tables in line."""
    return "".join(f"{key} = {_inline(value)}\n" for key, value in said.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_inline(key)} = {_inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    return repr(value) if isinstance(value, float) else msgspec.json.encode(value).decode()
