"""Items: counters over a lifetime and in windows, and the items that go with each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

from tapstack.core.aggregates import (
    WINDOWS,
    Counters,
    Windowed,
    add_in_windows,
    new_counters,
    window_numbers,
)
from tapstack.core.amounts import OF_AMOUNTS, amounts_of
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, VIEWED_WITH_MAX, count_partner
from tapstack.core.item_facts import Facts, later
from tapstack.core.journal import Effect, Entry
from tapstack.core.rows import ITEM_ROWS_IN_PARTS, ItemParts, Part, item_partition
from tapstack.projections._projection import Projection

NAME = "items"

_ARRIVED = attrgetter("arrived_s")
_AMOUNTS = Part[Windowed | None](Windowed | None)
_FACTS = Part[Facts | None](Facts | None)
_PARTNERS = Part[dict[str, int]](dict[str, int])


class Change(msgspec.Struct, gc=False):
    """What entries do to one item.

    Parameters
    ----------
    counts
        For `ItemState.counters`, by the beginning of the shortest window of the events' own time.
    arrived_s
        When the newest of their records arrived at the stream, Unix seconds.
    amounts
        For `ItemState.amounts`: an event's own time, when its record arrived, and what it adds.
    viewed_with, bought_with
        Its partners, in the order of the journal.
    facts
        What events say of it.
    """

    counts: dict[int, Counters] = {}
    arrived_s: int = 0
    amounts: list[tuple[int, int, Counters]] = []
    viewed_with: list[str] = []
    bought_with: list[str] = []
    facts: Facts | None = None


class Items(Projection[ItemParts, Change]):
    """The rows of items; see `tapstack.projections._projection.Projection`."""

    name = NAME
    rows = ITEM_ROWS_IN_PARTS

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, Change]:
        """Return what entries do to items: to those that they name, and to their partners."""
        found: defaultdict[str, Change] = defaultdict(Change)
        effects = [*chain.from_iterable([entry.effects for entry in entries])]
        _count(found, effects)
        for effect in effects:
            if effect.bought or effect.code in OF_AMOUNTS:
                _add_amounts(found, effect)
            if effect.viewed_with or effect.bought_with:
                _pair(found, effect)
        for item_id, facts in chain.from_iterable([entry.facts.items() for entry in entries]):
            change = found[item_id]
            change.facts = facts if change.facts is None else later(change.facts, facts)
        return {item_partition(item_id): change for item_id, change in found.items()}

    def fold(self, body: ItemParts, change: Change, sources: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Count."""
        if change.amounts:
            body.amounts = _AMOUNTS.write(_amounts(_AMOUNTS.read(body.amounts), change))
        if change.facts is not None:
            facts = _FACTS.read(body.facts)
            body.facts = _FACTS.write(change.facts if facts is None else later(facts, change.facts))
        if change.viewed_with:
            body.viewed_with = _paired(body.viewed_with, change.viewed_with, VIEWED_WITH_MAX)
        if change.bought_with:
            body.bought_with = _paired(body.bought_with, change.bought_with, BOUGHT_WITH_MAX)
        for at_s, counts in change.counts.items():
            add_in_windows(body.counters, counts, window_numbers(at_s), change.arrived_s)


def _amounts(amounts: Windowed | None, change: Change) -> Windowed:
    amounts = amounts or new_counters()
    for at_s, arrived_s, added in change.amounts:
        add_in_windows(amounts, added, window_numbers(at_s), arrived_s)
    return amounts


def _paired(stored: Raw, partners: Iterable[str], places: int) -> Raw:
    counts = _PARTNERS.read(stored)
    for partner in partners:
        count_partner(counts, partner, places)
    return _PARTNERS.write(counts)


def _count(found: Mapping[str, Change], effects: Iterable[Effect]) -> None:
    """Count effects of each type in their windows: lists that are shown make many, of the same few items."""
    touched: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for effect in sorted(effects, key=_ARRIVED):
        touched[effect.at_s - effect.at_s % WINDOWS[0].length_s, effect.code] += effect.item_ids
        for item_id in effect.item_ids:
            found[item_id].arrived_s = effect.arrived_s
    for (window_s, code), item_ids in touched.items():
        for item_id, count in Counter(item_ids).items():
            found[item_id].counts.setdefault(window_s, {})[code] = count


def _add_amounts(found: Mapping[str, Change], effect: Effect) -> None:
    window_s = effect.at_s - effect.at_s % WINDOWS[0].length_s
    amounts = amounts_of(effect)
    for change in [found[item_id] for item_id in effect.item_ids]:
        counts = change.counts[window_s]
        for currency, amount in effect.bought.items():
            counts[currency] = counts.get(currency, 0) + amount
        if amounts:
            change.amounts.append((effect.at_s, effect.arrived_s, amounts))


def _pair(found: Mapping[str, Change], effect: Effect) -> None:
    """Note the pairs that an effect makes, at both ends; see `Effect`: it has one item."""
    for item_id in effect.item_ids:
        found[item_id].viewed_with += effect.viewed_with
        found[item_id].bought_with += effect.bought_with
    for partner in effect.viewed_with:
        found[partner].viewed_with += effect.item_ids
    for partner in effect.bought_with:
        found[partner].bought_with += effect.item_ids
