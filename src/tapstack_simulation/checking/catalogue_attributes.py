"""Declared attributes of items and categories, computed anew: what entries say, and what folding makes of it.

Written from docs/reference/attributes.md and table.md, sharing no code with the product. No run names as many
categories as a row holds, so each is exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tapstack_simulation.checking.attributes import (
    FILES,
    Counted,
    View,
    Views,
    cut,
    declared_views,
    millionths,
    refold,
    value,
)
from tapstack_simulation.checking.attributes import added as values_of
from tapstack_simulation.checking.item_facts import category_of
from tapstack_simulation.checking.rows import Change, Violation
from tapstack_simulation.checking.views import Partitions, alive

PREFIX = "attributes#"  # of projections
STATES_MAX = 16
_FILES = [{**views["item"], **views["category"]} for views in map(declared_views, FILES)]
ALL: Views = _FILES[-1]


class Said(NamedTuple):
    """What an event says to a view of an item or category."""

    key: str
    id: str
    counted: Counted  # as if the event had no other items


class Declared(NamedTuple):
    """What an entry's writer knew, by view its name as it is defined; and what its events say."""

    definitions: Mapping[str, str] = {}
    said: Sequence[Said] = ()


def said_by(views: Views, counted: Counted) -> list[Said]:
    """Return what an event says to some views."""
    found = []
    for key, view in views.items():
        by_id: dict[str, list[Any]] = {}
        for item in counted.event.get("items") or ():
            id_ = item["item_id"] if view["entity"] == "item" else category_of(item)
            if id_:
                by_id.setdefault(id_, []).append(item)
        for id_, items in by_id.items():
            alone = counted._replace(event={**counted.event, "items": items})
            if _cells(view, alone):
                found.append(Said(key, id_, alone))
    return found


def _cells(view: View, counted: Counted) -> dict[int, Any]:
    cells: dict[int, Any] = {}
    for place, attribute in enumerate(view["attribute"]):
        values = values_of(attribute, counted.event)
        if not values:
            continue
        kind = attribute["aggregation"]
        if kind == "last":
            cells[place] = max([counted.at_ms, cut(each)] for each in values)
        else:
            cells[place] = len(values) if kind == "counter" else sum(map(millionths, values))
    return cells


def check_entry(
    pk: str, stored: Sequence[Any], arrived_s: int, file: int, counted: list[Counted]
) -> Declared:
    """Check what an entry says to views: all of its writer's, each of its events, and no more.

    Raises
    ------
    Violation
        If it is not what its events make.
    """
    definitions, ids, cells = [*stored, [], [], []][:3]
    names = {name.partition("#")[0]: name for name in definitions}
    views = _FILES[file]
    if set(names) != set(views) or len(names) != len(definitions):
        raise Violation(2, f"{pk} names {definitions}; its writer knew {sorted(views)}")
    said = [each for event in counted for each in said_by(views, event)]
    wanted = [[each.key, each.id, *each.counted[1:], _cells(views[each.key], each.counted)] for each in said]
    found = [
        [
            definitions[place].partition("#")[0],
            ids[id_],
            (arrived_s - before_s) * 1_000 - age_ms,
            arrived_s - before_s,
            each,
        ]
        for place, id_, before_s, age_ms, each in cells
    ]
    if sorted(map(repr, found)) != sorted(map(repr, wanted)):
        raise Violation(2, f"{pk} says {found} to attributes; its events say {wanted}")
    return Declared(names, said)


def projection_of(pk: str) -> str:
    """Return the projection whose row this is."""
    _, key, fingerprint, _ = pk.split("#", 3)
    return f"{PREFIX}{key}#{fingerprint}"


def touched(projection: str, declared: Declared) -> set[str]:
    """Return the partitions of the rows that an entry touches."""
    definition = projection.removeprefix(PREFIX)
    return {
        _partition(definition, each) for each in declared.said if declared.definitions[each.key] == definition
    }


def _partition(definition: str, said: Said) -> str:
    return partition(definition, said.key, said.id)


def partition(definition: str, key: str, id_: str) -> str:
    """Return where a view keeps an item or a category."""
    if ALL[key]["entity"] == "category":
        id_ = hashlib.blake2b(id_.encode(), digest_size=1).hexdigest()
    return f"F#{definition}#{id_}"


def check_row(change: Change, entries: Iterable[Declared]) -> None:
    """Check a row against the entries that were folded into it.

    Raises
    ------
    Violation
        If it is not what they make of the row before.
    """
    (dropped_s, states), after = change.states()
    states = dict(states)
    definition = projection_of(change.key[0]).removeprefix(PREFIX)
    for declared in entries:
        for each in declared.said:
            if declared.definitions[each.key] != definition or _partition(definition, each) != change.key[0]:
                continue
            one = {} if each.id not in states else {each.key: states[each.id]}
            folded = refold(one, {each.key: ALL[each.key]}, each.counted, is_first=True)[each.key]
            states[each.id] = [int(definition.rpartition("#")[2], 16), *folded[1:]]
    if [dropped_s, states] != after or len(states) > STATES_MAX:
        raise Violation(2, f"{change.key} holds {after}; the entries make {[dropped_s, states]}")


def check_since(projection: str, since_s: int, passed: Iterable[tuple[Declared, int]]) -> None:
    """Check that a watermark says which of the entries it passes had no values for it.

    Raises
    ------
    Violation
        If one arrived at `since_s` or later.
    """
    definition = projection.removeprefix(PREFIX)
    for declared, arrived_s in passed:
        if definition not in declared.definitions.values() and arrived_s >= since_s:
            raise Violation(
                11, f"{projection} is whole since {since_s}; an entry of {arrived_s} has none of it"
            )


def answered(partitions: Partitions, definition: str, id_: str, now_s: int) -> dict[str, Any] | None:
    """Return the value of each feature of an item or category, by name; None if no row holds it.

    Parameters
    ----------
    partitions
        The rows, in order.
    definition
        The view, as it is defined.
    id_
        The item or category.
    now_s
        When rows must not have expired; windows end then, unless the newest arrival is later: of an item, the
        newest that its own rows know, too.
    """
    key = definition.partition("#")[0]
    rows = [row.state for row in partitions.get(partition(definition, key, id_), ()) if row.ttl_s > now_s]
    states = [held[id_] for _, held in rows if id_ in held]
    own = alive(partitions, f"I#{id_}", now_s) if ALL[key]["entity"] == "item" else []
    now_s = max([now_s, *(state[2] for state in states), *(state[0][2] for state in own)])
    return (
        {
            f"{key}:{attribute['name']}_{window}": _together(attribute, window, states, place, now_s)
            for place, attribute in enumerate(ALL[key]["attribute"])
            for window in attribute.get("windows", ["lifetime"])
        }
        if states
        else None
    )


def _together(attribute: View, window: str, states: Sequence[Any], place: int, now_s: int) -> Any:
    if attribute["aggregation"] == "last":
        cells = [state[3][place] for state in states if state[3] and state[3][place] is not None]
        return max(cells)[1] if cells else None
    found = [value(attribute, window, state, place, now_s) for state in states]
    known = [each for each in found if each is not None]
    return round(sum(known), 6) if known else None  # millionths, added as such
