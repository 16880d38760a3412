"""Categories: what was counted of the items of each, in each window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tapstack.core.aggregates import WINDOWS, Delta, window_numbers
from tapstack.core.categories import Categories as State
from tapstack.core.categories import count_categories
from tapstack.core.journal import DERIVED_TTL_MIN_S, Effect, Entry
from tapstack.core.rows import categories_partition, decode_categories, encode_state

NAME = "categories"


class Categories:
    """A row for each window; see `tapstack.projections._projection.Projection`."""

    name = NAME
    after = ""
    definition = ""
    keep_s = DERIVED_TTL_MIN_S  # nobody asks for old ones

    def changes(self, entry: Entry) -> Mapping[str, Sequence[Effect]]:
        """Return the effects on items whose category is named, by the windows that they belong to."""
        found: defaultdict[str, list[Effect]] = defaultdict(list)
        for effect in entry.effects:
            if not effect.categories:
                continue
            for window, number in zip(WINDOWS, window_numbers(effect.at_s), strict=True):
                if window.keeps(number, effect.arrived_s, effect.arrived_s):
                    found[categories_partition(window, number)].append(effect)
        return found

    def sources(self, changes: Sequence[Effect]) -> Sequence[str]:  # noqa: ARG002 - it reads no other rows
        """Return nothing."""
        return ()

    def fold(self, body: bytes | None, changes: Sequence[Effect], sources: Mapping[str, bytes]) -> bytes:  # noqa: ARG002
        """Count."""
        state = State() if body is None else decode_categories(body)
        counted = [
            (name, Delta(effect.code, effect.bought))
            for effect in changes
            for name in effect.categories
            if name
        ]
        count_categories(state, counted)
        return encode_state(state)
