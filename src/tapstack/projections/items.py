"""Items: counters over a lifetime and in windows, and the items that go with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tapstack.core.aggregates import Delta, count_in_windows, window_numbers
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, VIEWED_WITH_MAX, count_partner
from tapstack.core.journal import Effect, Entry
from tapstack.core.rows import ItemState, decode_item, encode_state, item_partition

NAME = "items"


class Change(NamedTuple):
    """What an effect does to one item: it counts, it makes pairs, or both."""

    counted: Effect | None
    viewed_with: Sequence[str] = ()
    bought_with: Sequence[str] = ()


class Items:
    """The rows of items; see `tapstack.projections._projection.Projection`."""

    name = NAME
    after = ""
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
                count_in_windows(item.counters, delta, window_numbers(effect.at_s), effect.arrived_s)
            for partner in change.viewed_with:
                count_partner(item.viewed_with, partner, VIEWED_WITH_MAX)
            for partner in change.bought_with:
                count_partner(item.bought_with, partner, BOUGHT_WITH_MAX)
        return encode_state(item)
