"""Declared attributes of items and categories: what an event says to them, and what their rows hold.

They are a projection: the consumer makes the cells of each event and puts them into the journal, and the
projector folds them into rows. So an entry says what its writer's definitions made of its events, and under
which definitions: a projector passes over cells of others. Rows of a definition are its own: nothing that was
counted without it can hide in a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tapstack.core.attributes.definitions import FeatureView
from tapstack.core.attributes.states import Moment, View
from tapstack.core.attributes.stored import ViewState
from tapstack.core.attributes.told import Told, ToldItem
from tapstack.core.item_facts import kept_category

STATES_MAX = 16  # categories in a row


class Said(NamedTuple):
    """What an event says to a view of an item or a category.

    Parameters
    ----------
    definition
        The view, as it is defined.
    id
        The item, or the category.
    moment
        When it was.
    cells
        By the place of the attribute.
    """

    definition: str
    id: str
    moment: Moment
    cells: Mapping[int, Any]


class AllSaid(NamedTuple):
    """What the events of an entry say, and to which views they would."""

    definitions: Sequence[str] = ()
    said: Sequence[Said] = ()


NOTHING_SAID = AllSaid()


class Held(msgspec.Struct, gc=False, array_like=True):
    """What a row holds: of one item, or of categories that share a row.

    Parameters
    ----------
    dropped_s
        The newest arrival among the events of categories that had no room, Unix seconds; 0 if all had.
    states
        By id.
    """

    dropped_s: int
    states: dict[str, ViewState]

    def state_of(self, id_: str, fingerprint: int) -> ViewState:
        """Return what is held of an id; of one that is not, since when it would be."""
        known = self.states.get(id_)
        return ViewState(fingerprint, self.dropped_s and self.dropped_s + 1) if known is None else known


def count_said(held: Held, view: View, said: Said) -> None:
    """Count what an event says, in place; the category without an event for longest makes room."""
    state = held.state_of(said.id, view.fingerprint)
    held.states[said.id] = view.counted(state, said.cells, said.moment)
    if len(held.states) > STATES_MAX:
        oldest = min(held.states, key=lambda id_: (held.states[id_].arrived_s, id_))
        held.dropped_s = max(held.dropped_s, held.states.pop(oldest).arrived_s)


class Sayer:
    """A view of items or categories: what events say to it."""

    def __init__(self, view: FeatureView, ready: View) -> None:
        self.definition = view.definition
        self._view = ready
        self._id_of: Callable[[ToldItem], str] = _item_id if view.entity == "item" else _category

    def said(self, told: Told, moment: Moment) -> Iterator[Said]:
        """Yield what an event says: to each of its items or categories as if there were no others."""
        by_id: dict[str, list[ToldItem]] = {}
        for item in told.items:
            if id_ := self._id_of(item):
                by_id.setdefault(id_, []).append(item)
        for id_, items in by_id.items():
            alone = msgspec.structs.replace(told, items=tuple(items))
            if cells := self._view.cells_of(alone, moment.at_ms):
                yield Said(self.definition, id_, moment, cells)


def _item_id(item: ToldItem) -> str:
    return item.item_id or ""


def _category(item: ToldItem) -> str:
    return kept_category(item.category) if item.category else ""
