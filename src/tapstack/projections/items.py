"""Items: counters over a lifetime and in windows, and the items that go with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tapstack.core.aggregates import (
    Counters,
    Numbers,
    Windowed,
    add_in_windows,
    merge_counts,
    window_numbers,
)
from tapstack.core.amounts import amounts_of, counts_of
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, VIEWED_WITH_MAX, count_partner
from tapstack.core.item_facts import Facts, later
from tapstack.core.journal import Effect, Entry
from tapstack.core.rows import ItemState, decode_item, encode_state, item_partition
from tapstack.projections._projection import Projection

NAME = "items"


class Counted(msgspec.Struct, gc=False, frozen=True):
    """What an effect adds to the counters of each of its items.

    Parameters
    ----------
    numbers
        The windows of its own time.
    arrived_s
        When its record arrived at the stream, Unix seconds.
    counts, amounts
        For `ItemState.counters` and `ItemState.amounts`.
    """

    numbers: Numbers
    arrived_s: int
    counts: Counters
    amounts: Counters

    @classmethod
    def of(cls, effect: Effect) -> Counted:
        """Return what an effect adds."""
        return cls(window_numbers(effect.at_s), effect.arrived_s, counts_of(effect), amounts_of(effect))


class Change(msgspec.Struct, gc=False, frozen=True):
    """What an entry does to one item: it counts, it makes pairs, or both; or it says something of it."""

    counted: Counted | None
    viewed_with: Sequence[str] = ()
    bought_with: Sequence[str] = ()
    facts: Facts | None = None


class Items(Projection[Change]):
    """The rows of items; see `tapstack.projections._projection.Projection`."""

    name = NAME

    def changes(self, entry: Entry) -> Mapping[str, Sequence[Change]]:
        """Return what an entry does to items: to those it names, and to their partners."""
        found: defaultdict[str, list[Change]] = defaultdict(list)
        for effect in entry.effects:
            own = Change(Counted.of(effect), effect.viewed_with, effect.bought_with)
            for item_id in effect.item_ids:
                found[item_id].append(own)
            for partner in effect.viewed_with:
                found[partner].append(Change(None, viewed_with=effect.item_ids))
            for partner in effect.bought_with:
                found[partner].append(Change(None, bought_with=effect.item_ids))
        for item_id, facts in entry.facts.items():
            found[item_id].append(Change(None, facts=facts))
        return {item_partition(item_id): changes for item_id, changes in found.items()}

    def fold(self, body: bytes | None, changes: Sequence[Change], sources: Mapping[str, Any]) -> bytes:  # noqa: ARG002
        """Count; effects of the same windows together."""
        item = ItemState() if body is None else decode_item(body)
        alike: defaultdict[Numbers, Counters] = defaultdict(dict)
        arrived_s = 0
        for change in changes:
            if (counted := change.counted) is not None:
                merge_counts(alike[counted.numbers], counted.counts)
                arrived_s = max(arrived_s, counted.arrived_s)
                if counted.amounts:
                    item.amounts = item.amounts or Windowed()
                    add_in_windows(item.amounts, counted.amounts, counted.numbers, counted.arrived_s)
            if change.facts is not None:
                item.facts = change.facts if item.facts is None else later(item.facts, change.facts)
            for partner in change.viewed_with:
                count_partner(item.viewed_with, partner, VIEWED_WITH_MAX)
            for partner in change.bought_with:
                count_partner(item.bought_with, partner, BOUGHT_WITH_MAX)
        for numbers, counts in alike.items():
            add_in_windows(item.counters, counts, numbers, arrived_s)
        return encode_state(item)
