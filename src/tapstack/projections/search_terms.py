"""Search terms: how often each was searched for in each window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tapstack.core.aggregates import WINDOWS
from tapstack.core.journal import DERIVED_TTL_MIN_S, Entry
from tapstack.core.rows import TERM_ROWS, terms_partition
from tapstack.core.search_terms import Search, Terms, count_searches
from tapstack.projections._projection import Projection

NAME = "search_terms"


class SearchTerms(Projection[Terms, Sequence[Search]]):
    """A row for each window; see `tapstack.projections._projection.Projection`."""

    name = NAME
    rows = TERM_ROWS
    keep_s = DERIVED_TTL_MIN_S  # nobody asks for old ones

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, Sequence[Search]]:
        """Return the searches of entries, by the windows that they belong to."""
        found: defaultdict[str, list[Search]] = defaultdict(list)
        for entry in entries:
            for search in entry.searches:
                for window in WINDOWS:
                    number = window.number(search.at_s)
                    if window.keeps(number, entry.arrived_s, entry.arrived_s):
                        found[terms_partition(window, number)].append(search)
        return found

    def fold(self, body: Terms, change: Sequence[Search], sources: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Count."""
        count_searches(body, change)
