"""The projections there are: another one is a file beside this, and a line here."""

from __future__ import annotations

from typing import Any

from tapstack.core.attributes.definitions import CATALOGUE, Definitions
from tapstack.projections._projection import Projection
from tapstack.projections.categories import Categories
from tapstack.projections.declared_attributes import DeclaredAttributes
from tapstack.projections.impressions import Impressions
from tapstack.projections.items import Items
from tapstack.projections.leaderboards import Leaderboards
from tapstack.projections.search_terms import SearchTerms

PROJECTIONS: tuple[Projection[Any, Any], ...] = (
    Items(),
    Leaderboards(),
    SearchTerms(),
    Impressions(),
    Categories(),
)


def projections_of(definitions: Definitions) -> tuple[Projection[Any, Any], ...]:
    """Return all projections, with those of declared attributes."""
    return (*PROJECTIONS, *map(DeclaredAttributes, definitions.views(*CATALOGUE)))
