"""Moving what a sender said to where we keep it, by tables that the docs render too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]


class _Move(NamedTuple):
    inside: str  # the object that holds the field; empty for the event itself
    name: str
    parents: tuple[str, ...]
    field: str


class Fields:
    """A table of fields: theirs, and ours.

    Parameters
    ----------
    table
        Both are paths with dots; theirs may have one. Of several that stand for one of ours the first that is
        there counts, and the others are kept where the rest is.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = table
        self._moves = [_move(theirs, ours) for theirs, ours in table.items()]

    def move(self, said: Object, event: Object) -> None:
        """Move what the table names; null and the empty string are absent, as in every format."""
        for inside, name, parents, field in self._moves:
            holder = said.get(inside) if inside else said
            if not isinstance(holder, dict) or name not in holder:
                continue
            if holder[name] is None or holder[name] == "":
                del holder[name]
                continue
            place = _place(event, parents)
            if place is not None and field not in place:
                place[field] = holder.pop(name)


def keep(place: Object, name: str, value: object) -> None:
    """Keep what has no field of ours; where the name is taken, under the name and an underscore."""
    if value is None or value == {}:
        return
    while name in place:
        name += "_"
    place[name] = value


def keep_rest(event: Object, inside: str, rest: Mapping[str, Any]) -> None:
    """Keep what is left of an event in its ``properties`` or its ``context``."""
    rest = {name: value for name, value in rest.items() if value is not None and value != {}}
    if not rest:
        return
    place = event.setdefault(inside, {})
    if not isinstance(place, dict):  # no object: what was said there is kept as well
        place = event[inside] = {inside: place}
    for name, value in rest.items():
        keep(place, name, value)


def _move(theirs: str, ours: str) -> _Move:
    inside, _, name = theirs.rpartition(".")
    *parents, field = ours.split(".")
    return _Move(inside, name, tuple(parents), field)


def _place(event: Object, parents: tuple[str, ...]) -> Object | None:
    place = event
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            return None
    return place
