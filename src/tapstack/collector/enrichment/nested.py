"""Changes inside objects that events of one request may share: what lies on the way is copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Change = Callable[[Any], Any]


def replaced(place: Mapping[str, Any], path: Sequence[str], change: Change) -> Mapping[str, Any]:
    """Return an object with another value at the end of a path; the same object if the path ends before."""
    name, *rest = path
    if name not in place:
        return place
    inside = place[name]
    if not rest:
        return {**place, name: change(inside)}
    if not isinstance(inside, Mapping):
        return place
    changed = replaced(inside, rest, change)
    return place if changed is inside else {**place, name: changed}


def replaced_by_name(value: Any, is_meant: Callable[[str], bool], change: Change) -> Any:
    """Return a value in which each member with a name that is meant is changed, at any depth.

    A member whose change is None is left out. The same value is returned if there is none.
    """
    if isinstance(value, list):
        elements = [replaced_by_name(each, is_meant, change) for each in value]
        return elements if any(a is not b for a, b in zip(elements, value, strict=True)) else value
    if not isinstance(value, Mapping):
        return value
    members: dict[str, Any] = {}
    is_same = True
    for name, inside in value.items():
        new = change(inside) if is_meant(name) else replaced_by_name(inside, is_meant, change)
        is_same = is_same and new is inside
        if new is not None or inside is None:
            members[name] = new
    return value if is_same else members
