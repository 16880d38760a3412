"""Items: counters over a lifetime and in windows, and the items that go with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tapstack.core.aggregates import Delta, Windowed, add_in_windows, count_in_windows, window_numbers
from tapstack.core.amounts import amounts_of
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, VIEWED_WITH_MAX, count_partner
from tapstack.core.item_facts import Facts, newest
from tapstack.core.journal import Effect, Entry
from tapstack.core.rows import ItemState, decode_item, encode_state, item_partition

NAME = "items"


class Change(NamedTuple):
    """What an entry does to one item: it counts, it makes pairs, or both; or it says something of it."""

    counted: Effect | None
    viewed_with: Sequence[str] = ()
    bought_with: Sequence[str] = ()
    facts: Facts | None = None


class Items:
    """The rows of items; see `tapstack.projections._projection.Projection`."""

    name = NAME
    after = ""
    definition = ""
    keep_s = 0

    def changes(self, entry: Entry) -> Mapping[str, Sequence[Change]]:
        """Return what an entry does to items: to those it names, and to their partners."""
        found: defaultdict[str, list[Change]] = defaultdict(list)
        for effect in entry.effects:
            own = Change(effect, effect.viewed_with, effect.bought_with)
            for item_id in effect.item_ids:
                found[item_partition(item_id)].append(own)
            for partner in effect.viewed_with:
                found[item_partition(partner)].append(Change(None, viewed_with=effect.item_ids))
            for partner in effect.bought_with:
                found[item_partition(partner)].append(Change(None, bought_with=effect.item_ids))
        for item_id, facts in entry.facts.items():
            found[item_partition(item_id)].append(Change(None, facts=facts))
        return found

    def sources(self, changes: Sequence[Change]) -> Sequence[str]:  # noqa: ARG002 - it reads no other rows
        """Return nothing."""
        return ()

    def fold(self, body: bytes | None, changes: Sequence[Change], sources: Mapping[str, bytes]) -> bytes:  # noqa: ARG002
        """Count."""
        item = ItemState() if body is None else decode_item(body)
        for change in changes:
            if (effect := change.counted) is not None:
                delta = Delta(effect.code, effect.bought)
                numbers = window_numbers(effect.at_s)
                count_in_windows(item.counters, delta, numbers, effect.arrived_s)
                if amounts := amounts_of(effect):
                    item.amounts = item.amounts or Windowed()
                    add_in_windows(item.amounts, amounts, numbers, effect.arrived_s)
            if change.facts is not None:
                item.facts = change.facts if item.facts is None else newest((item.facts, change.facts))
            for partner in change.viewed_with:
                count_partner(item.viewed_with, partner, VIEWED_WITH_MAX)
            for partner in change.bought_with:
                count_partner(item.bought_with, partner, BOUGHT_WITH_MAX)
        return encode_state(item)
