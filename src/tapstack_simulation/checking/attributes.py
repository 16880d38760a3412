"""Declared attributes in users' rows: which definitions a run deploys, and what events make of them, anew.

Written from docs/reference/attributes.md and table.md, sharing no code with the product. Tiles are counted by
their numbers here; a row keeps them by age.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tapstack_simulation.checking.rows import Violation

_SHOP = """
[[feature_view]]
name = "shop"
version = %d
entity = "user"
[[feature_view.attribute]]
name = "events"
aggregation = "counter"
windows = ["5m", "24h", "lifetime"]
[[feature_view.attribute]]
name = "spend"
aggregation = "sum"
events = ["purchase"]
property = "items.price"
windows = ["7d", "lifetime"]
[[feature_view.attribute]]
name = "newest"
aggregation = "last"
property = "items.item_id"
bytes_max = 8
"""
_STAYS = """
[[feature_view]]
name = "stays"
entity = "user"
ttl = "3h"
[[feature_view.attribute]]
name = "seen"
aggregation = "unique_list"
events = ["item_view", "cart_add"]
property = "items.item_id"
limit = 3
bytes_max = 8
[[feature_view]]
name = "visit"
entity = "session"
[[feature_view.attribute]]
name = "events"
aggregation = "counter"
"""
_GOODS = """
[[feature_view]]
name = "goods"
entity = "item"
[[feature_view.attribute]]
name = "events"
aggregation = "counter"
windows = ["5m", "24h", "lifetime"]
[[feature_view.attribute]]
name = "spend"
aggregation = "sum"
events = ["purchase"]
property = "items.price"
windows = ["7d", "lifetime"]
[[feature_view.attribute]]
name = "kind"
aggregation = "last"
property = "event_type"
bytes_max = 8
"""
_SHELVES = """
[[feature_view]]
name = "shelves"
entity = "category"
[[feature_view.attribute]]
name = "events"
aggregation = "counter"
windows = ["5m", "24h", "lifetime"]
[[feature_view.attribute]]
name = "newest"
aggregation = "last"
property = "items.item_id"
bytes_max = 8
"""
# Deployed by turns: the second and third have another version of one view of users, and the others alike; the
# third one more, of categories.
FILES = (
    "version = 1",
    "version = 1" + _SHOP % 1 + _STAYS + _GOODS,
    "version = 1" + _SHOP % 2 + _STAYS + _GOODS + _SHELVES,
)
_TTL_S, _KEPT_MAX, _BYTES_MAX = 3 * 3_600, 3, 8
_TILES = {
    "5m": (300, 1),
    "24h": (3_600, 24),
    "7d": (86_400, 7),
}  # length, and how many before the present one

View = Mapping[str, Any]
Views = Mapping[str, View]  # by name and version


class Declared(NamedTuple):
    """What one file declares."""

    users: Views
    sessions: Views


class Counted(NamedTuple):
    """An event as attributes count it: when it was, not later than it arrived."""

    event: Mapping[str, Any]
    at_ms: int
    arrived_s: int


def declared_views(text: str) -> dict[str, dict[str, View]]:
    """Return the views of a file by their entity."""
    views: dict[str, dict[str, View]] = {"user": {}, "session": {}, "item": {}, "category": {}}
    for view in tomllib.loads(text).get("feature_view", ()):
        views[view["entity"]][f"{view['name']}@{view.get('version', 1)}"] = view
    return views


_DECLARED = [Declared(views["user"], views["session"]) for views in map(declared_views, FILES)]
NOTHING = _DECLARED[0]


def file_of(pk: str, states: Mapping[str, Any]) -> int:
    """Return which file the writer of a user's row knew: a row holds the views of one and no others."""
    for place, declared in enumerate(_DECLARED):
        if set(declared.users) == set(states):
            return place
    raise Violation(2, f"{pk} has the views {sorted(states)}, which no file declares together")


def declared_of(pk: str, states: Mapping[str, Any]) -> Declared:
    """Return what the writer of a user's row knew."""
    return _DECLARED[file_of(pk, states)]


def answered(pk: str, states: Mapping[str, Any], now_s: int) -> dict[str, Any]:
    """Return the value of each declared feature, by its name with the version."""
    return {
        f"{key}:{attribute['name']}_{window}": None
        if _is_over(view, states[key], now_s)
        else value(attribute, window, states[key], place, now_s)
        for key, view in declared_of(pk, states).users.items()
        for place, attribute in enumerate(view["attribute"])
        for window in attribute.get("windows", ["lifetime"])
    }


def value(attribute: View, window: str, state: Any, place: int, now_s: int) -> Any:
    """Return the value of an attribute in a window that ends now, of one row."""
    _, _, newest_s, cells = state
    kind, cell = attribute["aggregation"], cells[place] if cells else None
    if cell is None:
        return 0 if kind == "counter" else None
    if kind == "last":
        return cell[1]
    if kind == "unique_list":
        return sorted(cell[2], key=lambda value: (cell[2][value], value))
    amount = cell[0]
    if window != "lifetime":
        length_s, kept = _TILES[window]
        place = 1 + [name for name in attribute["windows"] if name != "lifetime"].index(window)
        turned = now_s // length_s - newest_s // length_s
        found = [count for age, count in enumerate(cell[place]) if count is not None and age + turned <= kept]
        amount = sum(found) if found else None
    if kind == "counter":
        return amount or 0
    return None if amount is None else amount / 1_000_000


def refold(states: Mapping[str, Any], views: Views, counted: Counted, *, is_first: bool) -> dict[str, Any]:
    """Return the states of some views after an event."""
    return {key: _view(states.get(key), view, counted, is_first=is_first) for key, view in views.items()}


def take_fingerprints(told: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Give states the fingerprints of the stored ones, in place: how these are made is the product's own."""
    for key in told.keys() & stored.keys():
        told[key][0] = stored[key][0]


def _view(state: Any, view: View, counted: Counted, *, is_first: bool) -> list[Any]:
    if state is not None and _is_over(view, state, counted.arrived_s):
        state = None
    fingerprint, since_s, newest_s, cells = state or [0, 0 if is_first else counted.arrived_s + 1, 0, []]
    found = [added(attribute, counted.event) for attribute in view["attribute"]]
    if any(found):
        cells = [
            _attribute(attribute, cell, values, counted, newest_s)
            for attribute, cell, values in zip(
                view["attribute"], cells or [None] * len(found), found, strict=True
            )
        ]
        newest_s = max(newest_s, counted.arrived_s)
    return [fingerprint, since_s, newest_s, cells]


def _is_over(view: View, state: Any, now_s: int) -> bool:
    return bool("ttl" in view and state[2] and now_s - state[2] > _TTL_S)


def added(attribute: View, event: Mapping[str, Any]) -> list[Any]:
    """Return what an event adds: the values of its property, or one."""
    if event["event_type"] not in attribute.get("events", [event["event_type"]]):
        return []
    if "property" not in attribute:
        return [1]
    if not attribute["property"].startswith("items."):
        return [event[attribute["property"]]]
    name = attribute["property"].removeprefix("items.")
    found = [item.get(name) for item in event.get("items", ())]
    return [value for value in found if value is not None]


def _attribute(attribute: View, cell: Any, values: Sequence[Any], counted: Counted, newest_s: int) -> Any:
    kind = attribute["aggregation"]
    if kind == "last":
        said = [[counted.at_ms, cut(value)] for value in values]
        return max([*([] if cell is None else [cell]), *said], default=None)
    if kind == "unique_list":
        return _recency(cell, [cut(value) for value in values], counted.at_ms // 1_000) if values else cell
    if cell is None and not values:
        return None
    amount = sum(millionths(value) if kind == "sum" else 1 for value in values) if values else None
    windows = attribute.get("windows", ["lifetime"])
    lifetime, *series = cell or [None] + [[]] * (len(windows) - 1)
    tiled = [name for name in windows if name != "lifetime"]
    return [
        _plus(lifetime, amount),
        *(_series(name, ages, amount, counted, newest_s) for name, ages in zip(tiled, series, strict=True)),
    ]


def _series(name: str, ages: Sequence[Any], amount: int | None, counted: Counted, newest_s: int) -> list[Any]:
    """Count in the tile of an event, and return the tiles from the newest to the oldest that is not empty."""
    length_s, kept = _TILES[name]
    tiles = {newest_s // length_s - age: count for age, count in enumerate(ages) if count is not None}
    number, newest = counted.at_ms // 1_000 // length_s, max(newest_s, counted.arrived_s) // length_s
    if amount is not None:
        tiles[number] = _plus(tiles.get(number), amount)
    left = {newest - number: count for number, count in tiles.items() if newest - number <= kept}
    return [left.get(age) for age in range(max(left, default=-1) + 1)]


def _plus(count: int | None, amount: int | None) -> int | None:
    return count if amount is None else amount + (count or 0)


def _recency(cell: Any, values: Sequence[str], at_s: int) -> list[Any]:
    """Keep the values seen last; those of one event are put together before."""
    one: dict[str, int] = {}
    dropped, until_s, seen = cell or [0, 0, {}]
    for value in values:
        one[value] = at_s
        if len(one) > _KEPT_MAX:
            del one[min(one)]
            dropped, until_s = dropped + 1, max(until_s, at_s)
    seen = {**seen, **{value: max(at_s, seen.get(value, at_s)) for value in one}}
    while len(seen) > _KEPT_MAX:
        oldest = min(seen, key=lambda value: (seen[value], value))
        until_s, dropped = max(until_s, seen.pop(oldest)), dropped + 1
    return [dropped, until_s, seen]


def cut(text: str) -> str:
    """Return what is kept of a text."""
    return text.encode()[:_BYTES_MAX].decode(errors="ignore")


def millionths(price: float) -> int:
    """Return a number as it is added."""
    return int((Decimal(str(price)) * 1_000_000).to_integral_value("ROUND_HALF_EVEN"))
