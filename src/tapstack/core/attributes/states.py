"""What a row keeps of its feature views, how an event is folded in, and how values are read.

A row holds a state for each view that its writer knows, and no other: code that does not know a view drops
its state, and code that knows it begins anew and says since when. So whatever a state says is whole from then
on, also while two releases or two files of definitions run side by side.

Tiles are kept by age: how many lie between them and that of the newest arrival among the events that counted.
An event counts in the tile of its own time, or of its arrival if its clock is ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple, TypeGuard

from tapstack.core.attributes.aggregations import aggregator_of
from tapstack.core.attributes.cells import Answer
from tapstack.core.attributes.conditions import compiled, properties_in
from tapstack.core.attributes.definitions import Attribute, FeatureView, Window
from tapstack.core.attributes.stored import ViewState, ViewStates
from tapstack.core.attributes.told import ITEM, Told, property_of, subjects
from tapstack.core.events import EVENT_TYPES


class Moment(NamedTuple):
    """When an event was, by its own clock but not after its arrival, Unix ms; and when it arrived, Unix s."""

    at_ms: int
    arrived_s: int


class _Tiles(NamedTuple):
    """Tiles that an attribute keeps: their length, and how many there are before the present one."""

    hop_s: int
    kept: int


class Kept:
    """An attribute, ready to be folded and read."""

    def __init__(self, attribute: Attribute) -> None:
        self.aggregator = aggregator_of(attribute)
        self.default = attribute.default if attribute.aggregation != "counter" else 0
        self.events = attribute.events or EVENT_TYPES
        self._property = property_of(attribute.property) if attribute.property else None
        self._passes = None if attribute.filter is None else compiled(attribute.filter)
        named = [attribute.property, *properties_in(attribute.filter)]
        self.reads_record = any(named)
        self._by_item = any(name.startswith(ITEM) for name in named)
        self.has_lifetime = any(not window.hop_s for window in attribute.spans)
        kept: dict[int, int] = {}
        for window in attribute.spans:
            if window.hop_s:
                kept[window.hop_s] = max(window.kept, kept.get(window.hop_s, 0))
        self.tiles = [_Tiles(*item) for item in kept.items()]

    def cell_of(self, told: Told, at_ms: int) -> Any:
        """Return the cell of an event of a type that counts; None if it does not count."""
        cell = None
        for item in subjects(told, by_item=self._by_item):
            if self._passes is None or self._passes(told, item):
                found = None if self._property is None else self._property.get(told, item)
                lifted = self.aggregator.lift(found, at_ms)
                if lifted is not None:
                    cell = lifted if cell is None else self.aggregator.merge(cell, lifted)
        return cell

    def added(self, state: Any, cell: Any, moment: Moment, newest_s: int) -> Any:
        """Return the attribute's state with a cell; `newest_s` is the view's newest arrival."""
        if not self.aggregator.is_tiled:
            return self._merged(state, cell)
        lifetime = [None] if self.has_lifetime else []
        state = [*lifetime, *([] for _ in self.tiles)] if state is None else state
        if self.has_lifetime:
            state[0] = self._merged(state[0], cell)
        at_s = moment.at_ms // 1_000
        for tiles, series in zip(self.tiles, state[len(lifetime) :], strict=True):
            age = newest_s // tiles.hop_s - at_s // tiles.hop_s
            if age <= tiles.kept:
                series.extend([None] * (age + 1 - len(series)))
                series[age] = self._merged(series[age], cell)
        return state

    def aged(self, state: Any, turned: Mapping[int, int]) -> None:
        """Let the tiles of a state grow older, in place, by so many of each length."""
        if state is None or not self.aggregator.is_tiled:
            return
        for tiles, series in zip(self.tiles, state[self.has_lifetime :], strict=True):
            turns = turned.get(tiles.hop_s, 0)
            if not turns or not series:
                continue
            left = tiles.kept + 1 - turns  # so many of them are kept
            while series and (len(series) > left or series[-1] is None):
                series.pop()
            if series:
                series[:0] = [None] * turns

    def merged(self, one: Any, other: Any) -> Any:
        """Return what two states hold together whose tiles have the same age."""
        if one is None or other is None or not self.aggregator.is_tiled:
            return one if other is None else self._merged(one, other)
        lifetime = [self._both(one[0], other[0])] if self.has_lifetime else []
        series = zip(one[len(lifetime) :], other[len(lifetime) :], strict=True)
        return [*lifetime, *([self._both(*pair) for pair in zip_longest(*ages)] for ages in series)]

    def _both(self, one: Any, other: Any) -> Any:
        return one if other is None else self._merged(one, other)

    def answer(self, state: Any, window: Window, newest_s: int, now_s: int) -> Answer:
        """Return the value in a window that ends now; `now_s` is not before `newest_s`."""
        cell = None if state is None else self._covered(state, window, newest_s, now_s)
        return Answer(self.default) if cell is None else self.aggregator.value(cell, now_s * 1_000)

    def _covered(self, state: Any, window: Window, newest_s: int, now_s: int) -> Any:
        if not self.aggregator.is_tiled:
            return state if not window.hop_s else self.aggregator.since(state, start_s(window, now_s) * 1_000)
        if not window.hop_s:
            return state[0]
        place = [tiles.hop_s for tiles in self.tiles].index(window.hop_s)
        turned = now_s // window.hop_s - newest_s // window.hop_s
        cell = None
        for age, each in enumerate(state[self.has_lifetime + place]):
            if each is not None and age + turned <= window.kept:
                cell = self._merged(cell, each)
        return cell

    def _merged(self, one: Any, other: Any) -> Any:
        return other if one is None else self.aggregator.merge(one, other)


class View:
    """A feature view, ready to be folded and read."""

    def __init__(self, view: FeatureView) -> None:
        self.key = view.key
        self.fingerprint = view.fingerprint
        self.attributes = [Kept(attribute) for attribute in view.attribute]
        self._counting: dict[str, list[int]] = {}  # by type of event, the places of attributes that count it
        for place, attribute in enumerate(self.attributes):
            for kind in attribute.events:
                self._counting.setdefault(kind, []).append(place)
        self._hops_s = {tiles.hop_s for attribute in self.attributes for tiles in attribute.tiles}
        self._ttl_s = view.ttl_s

    def folded(
        self, state: ViewState | None, told: Told | None, moment: Moment, *, is_new: bool
    ) -> ViewState:
        """Return the view's state with an event.

        Parameters
        ----------
        state
            As the row has it.
        told
            The event; None if no view counts its type.
        moment
            When it was.
        is_new
            Whether the event is the first of its row, or session: then nothing is missing.
        """
        if not self._is_own(state) or self.is_over(state, moment.arrived_s):
            # Others of the same second may have come before it.
            state = ViewState(self.fingerprint, 0 if is_new else moment.arrived_s + 1)
        return state if told is None else self.counted(state, self.cells_of(told, moment.at_ms), moment)

    def cells_of(self, told: Told, at_ms: int) -> dict[int, Any]:
        """Return the cells of an event, by the places of the attributes that count it."""
        found = {
            place: self.attributes[place].cell_of(told, at_ms)
            for place in self._counting.get(told.event_type, ())
        }
        return {place: cell for place, cell in found.items() if cell is not None}

    def counted(self, state: ViewState, cells: Mapping[int, Any], moment: Moment) -> ViewState:
        """Return a state with the cells of an event."""
        for place, cell in cells.items():
            self._add(state, place, cell, moment)
        return state

    def merged(self, states: Sequence[ViewState]) -> ViewState:
        """Return what several states hold together, which are used up."""
        whole = ViewState(self.fingerprint, max([state.since_s for state in states], default=0))
        whole.arrived_s = max([state.arrived_s for state in states], default=0)
        for state in states:
            if state.attributes:
                self._age(state, whole.arrived_s)
                pairs = zip(self.attributes, whole.attributes or [None] * len(self.attributes), strict=True)
                whole.attributes = [
                    attribute.merged(one, other)
                    for (attribute, one), other in zip(pairs, state.attributes, strict=True)
                ]
        return whole

    def _add(self, state: ViewState, place: int, cell: Any, moment: Moment) -> None:
        kept = state.attributes = state.attributes or [None] * len(self.attributes)
        if moment.arrived_s > state.arrived_s:
            self._age(state, moment.arrived_s)
        kept[place] = self.attributes[place].added(kept[place], cell, moment, state.arrived_s)

    def _age(self, state: ViewState, arrived_s: int) -> None:
        before_s, state.arrived_s = state.arrived_s, arrived_s
        turned = {hop_s: turns for hop_s in self._hops_s if (turns := arrived_s // hop_s - before_s // hop_s)}
        if turned:
            for attribute, each in zip(self.attributes, state.attributes, strict=True):
                attribute.aged(each, turned)

    def is_over(self, state: ViewState, at_s: int) -> bool:
        """Return whether what was kept is to be forgotten: nothing counted for longer than the ttl."""
        return bool(self._ttl_s and state.arrived_s and at_s - state.arrived_s > self._ttl_s)

    def _is_own(self, state: ViewState | None) -> TypeGuard[ViewState]:
        return state is not None and state.fingerprint == self.fingerprint

    def own(self, states: Mapping[str, ViewState], at_s: int) -> ViewState | None:
        """Return the view's state in a row; None if the row has none that is alive."""
        state = states.get(self.key)
        return state if self._is_own(state) and not self.is_over(state, at_s) else None


def folded(
    views: Iterable[View], states: ViewStates, told: Told | None, moment: Moment, *, is_new: bool
) -> ViewStates:
    """Return the states of a row with an event: those of these views and no other."""
    return {view.key: view.folded(states.get(view.key), told, moment, is_new=is_new) for view in views}


def start_s(window: Window, now_s: int) -> int:
    """Return where the oldest tile of a window begins that ends now; 0 of the lifetime."""
    return (now_s // window.hop_s - window.kept) * window.hop_s if window.hop_s else 0
