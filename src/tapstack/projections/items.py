"""Items: counters over a lifetime and in windows, and the items that go with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tapstack.core.aggregates import (
    WINDOWS,
    Counters,
    Windowed,
    add_in_windows,
    window_numbers,
)
from tapstack.core.amounts import amounts_of
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, VIEWED_WITH_MAX, count_partner
from tapstack.core.item_facts import Facts, later
from tapstack.core.journal import Effect, Entry
from tapstack.core.rows import ItemState, decode_item, encode_state, item_partition
from tapstack.projections._projection import Projection

NAME = "items"


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


class Items(Projection[Change]):
    """The rows of items; see `tapstack.projections._projection.Projection`."""

    name = NAME

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, Change]:
        """Return what entries do to items: to those that they name, and to their partners."""
        found: defaultdict[str, Change] = defaultdict(Change)
        for entry in entries:
            for effect in entry.effects:
                _count(found, effect)
                for partner in effect.viewed_with:
                    found[partner].viewed_with += effect.item_ids
                for partner in effect.bought_with:
                    found[partner].bought_with += effect.item_ids
            for item_id, facts in entry.facts.items():
                change = found[item_id]
                change.facts = facts if change.facts is None else later(change.facts, facts)
        return {item_partition(item_id): change for item_id, change in found.items()}

    def fold(self, body: bytes | None, change: Change, sources: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """Count."""
        item = ItemState() if body is None else decode_item(body)
        for at_s, arrived_s, amounts in change.amounts:
            item.amounts = item.amounts or Windowed()
            add_in_windows(item.amounts, amounts, window_numbers(at_s), arrived_s)
        if change.facts is not None:
            item.facts = change.facts if item.facts is None else later(item.facts, change.facts)
        for partner in change.viewed_with:
            count_partner(item.viewed_with, partner, VIEWED_WITH_MAX)
        for partner in change.bought_with:
            count_partner(item.bought_with, partner, BOUGHT_WITH_MAX)
        for at_s, counts in change.counts.items():
            add_in_windows(item.counters, counts, window_numbers(at_s), change.arrived_s)
        return encode_state(item)


def _count(found: Mapping[str, Change], effect: Effect) -> None:
    """Add what an effect does to each of its items."""
    code, arrived_s = effect.code, effect.arrived_s
    window_s = effect.at_s - effect.at_s % WINDOWS[0].length_s
    changes = [found[item_id] for item_id in effect.item_ids]
    for change in changes:
        change.arrived_s = max(change.arrived_s, arrived_s)
        counts = change.counts.setdefault(window_s, {})
        counts[code] = counts.get(code, 0) + 1
        for currency, amount in effect.bought.items():
            counts[currency] = counts.get(currency, 0) + amount
    amounts = amounts_of(effect)
    for change in changes if amounts else ():
        change.amounts.append((effect.at_s, arrived_s, amounts))
    for change in changes if effect.viewed_with or effect.bought_with else ():
        change.viewed_with += effect.viewed_with
        change.bought_with += effect.bought_with
