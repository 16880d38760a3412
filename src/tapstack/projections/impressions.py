"""Impressions: what was shown in lists and by recommendations, what came of it, and the shop's steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tapstack.core.impressions import Showings, Shown, count_showing
from tapstack.core.journal import DERIVED_TTL_MIN_S, Entry
from tapstack.core.rows import SHOWING_ROWS, showings_partition
from tapstack.projections._projection import Projection

NAME = "impressions"


Change = Sequence[tuple[Shown, int]]  # what entries say of a placement, and when the newest record arrived


class Impressions(Projection[Showings, Change]):
    """A row for each placement; see `tapstack.projections._projection.Projection`."""

    name = NAME
    rows = SHOWING_ROWS
    keep_s = DERIVED_TTL_MIN_S  # nobody asks for old ones

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, Change]:
        """Return what entries say, by placement."""
        found: defaultdict[str, list[tuple[Shown, int]]] = defaultdict(list)
        for entry in entries:
            for shown in entry.shown:
                found[showings_partition(shown.placement)].append((shown, entry.arrived_s))
        return found

    def fold(self, body: Showings, change: Change, sources: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Count."""
        for shown, arrived_s in change:
            count_showing(body, shown, arrived_s)
