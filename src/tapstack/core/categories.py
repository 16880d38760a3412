"""Categories: what was counted of the items of each in a window, in a row of bounded size.

An event counts for the category that it names of its item. A row is a Space-Saving summary
(`tapstack.core.cooccurrence`) that tells what it knows from what it may have missed: of the `CATEGORIES_MAX`
with the most events it holds what was counted since they took their places, and the events that may have been
before. So no count is too high, and none is too low by more than the lowest place in the row.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tapstack.core.aggregates import Counters, add_counts, merge_counts

CATEGORIES_MAX = 128  # in a row; with eight currencies each it is as large as a leaderboard


class Category(msgspec.Struct, gc=False, array_like=True):
    """What a row holds of a category.

    Parameters
    ----------
    counters
        Of the events since it took its place.
    missed_max
        How many events may have been before.
    """

    counters: Counters = {}
    missed_max: int = 0

    @property
    def place(self) -> int:
        """Return the most events that the category may have had."""
        return events_of(self.counters) + self.missed_max


class Categories(msgspec.Struct, gc=False, array_like=True):
    """A window's categories in one stripe.

    Parameters
    ----------
    total
        Of all of them, those without a place too.
    by_name
        Those that have one.
    """

    total: Counters
    by_name: dict[str, Category]

    @property
    def missed_max(self) -> int:
        """Return by how many events any category's count may be too low."""
        full = len(self.by_name) >= CATEGORIES_MAX
        return min([category.place for category in self.by_name.values()]) if full else 0


def events_of(counters: Counters) -> int:
    """Return how many events counters count."""
    return sum([amount for key, amount in counters.items() if isinstance(key, int)])


def count_categories(state: Categories, counted: Iterable[tuple[str, Counters]]) -> None:
    """Count events of categories, in place."""
    added: dict[str, Counters] = {}
    for name, counters in counted:
        known = state.by_name.get(name)
        add_counts(state.total, counters)
        add_counts(added.setdefault(name, {}) if known is None else known.counters, counters)
    lowest = [(category.place, name) for name, category in state.by_name.items()] if added else []
    heapq.heapify(lowest)
    for name, counters in added.items():
        category = Category(counters)
        if len(state.by_name) >= CATEGORIES_MAX:
            category.missed_max, rarest = heapq.heappop(lowest)
            del state.by_name[rarest]
        state.by_name[name] = category
        heapq.heappush(lowest, (category.place, name))


def add_up(rows: Sequence[Mapping[str, Category]]) -> dict[str, Counters]:
    """Add up what rows count of each category."""
    total: dict[str, Counters] = {}
    for row in rows:
        for name, category in row.items():
            merge_counts(total.setdefault(name, {}), category.counters)
    return total
