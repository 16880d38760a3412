"""Declared attributes of items and categories: a projection a definition, whose rows are its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from tapstack.core.attributes.catalogue import Held, Said, count_said
from tapstack.core.attributes.definitions import FeatureView
from tapstack.core.attributes.states import View
from tapstack.core.journal import Entry, definition_projection
from tapstack.core.rows import ATTRIBUTE_ROWS, attributes_partition
from tapstack.projections._projection import Projection


class DeclaredAttributes(Projection[Held, Sequence[Said]]):
    """The rows of one view; see `tapstack.projections._projection.Projection`.

    Parameters
    ----------
    view
        Of items or categories.
    """

    rows = ATTRIBUTE_ROWS

    def __init__(self, view: FeatureView) -> None:
        self.definition = view.definition
        self.name = definition_projection(view.definition)
        self._view = view
        self._ready = View(view)

    def changes(self, entries: Iterable[Entry]) -> Mapping[str, Sequence[Said]]:
        """Return what entries say to the view, by item or by the row of the category."""
        found: defaultdict[str, list[Said]] = defaultdict(list)
        for said in chain.from_iterable([entry.declared.said for entry in entries]):
            if said.definition == self.definition:
                found[attributes_partition(self._view, said.id)].append(said)
        return found

    def fold(self, body: Held, change: Sequence[Said], sources: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Count."""
        for said in change:
            count_said(body, self._ready, said)
