"""Categories: what was counted of the items of each, in each window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from tapstack.core.aggregates import WINDOWS, Counters, Numbers, kept_at, merge_counts, window_numbers
from tapstack.core.amounts import counts_of
from tapstack.core.categories import Categories as State
from tapstack.core.categories import count_categories
from tapstack.core.journal import DERIVED_TTL_MIN_S, Entry
from tapstack.core.rows import CATEGORY_ROWS, categories_partition
from tapstack.projections._projection import Projection

NAME = "categories"

Counted = Mapping[str, Counters]  # by category


class Categories(Projection[State, Sequence[Counted]]):
    """A row for each window; see `tapstack.projections._projection.Projection`."""

    name = NAME
    rows = CATEGORY_ROWS
    keep_s = DERIVED_TTL_MIN_S  # nobody asks for old ones

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, Sequence[Counted]]:
        """Return what is counted of categories, by the windows that it belongs to."""
        found: defaultdict[str, list[Counted]] = defaultdict(list)
        for (numbers, arrived), counted in _alike(entries).items():
            for position in kept_at(numbers, arrived):
                found[categories_partition(WINDOWS[position], numbers[position])].append(counted)
        return found

    def fold(self, body: State, change: Sequence[Counted], sources: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Count."""
        count_categories(body, [each for counted in change for each in counted.items()])


def _alike(entries: Iterable[Entry]) -> Mapping[tuple[Numbers, Numbers], Counted]:
    """Add up the effects on items whose category is named, by the windows of their times and arrivals."""
    alike: defaultdict[tuple[Numbers, Numbers], dict[str, Counters]] = defaultdict(dict)
    for effect in chain.from_iterable([entry.effects for entry in entries]):
        if not effect.categories:
            continue
        counted = alike[window_numbers(effect.at_s), window_numbers(effect.arrived_s)]
        counts = counts_of(effect)
        for name in effect.categories:
            if name:
                merge_counts(counted.setdefault(name, {}), counts)
    return alike
