"""The projections there are: another one is a file beside this, and a line here."""

from __future__ import annotations

from typing import Any

from tapstack.projections._projection import Projection
from tapstack.projections.categories import Categories
from tapstack.projections.impressions import Impressions
from tapstack.projections.items import Items
from tapstack.projections.leaderboards import Leaderboards
from tapstack.projections.search_terms import SearchTerms

PROJECTIONS: tuple[Projection[Any], ...] = (
    Items(),
    Leaderboards(),
    SearchTerms(),
    Impressions(),
    Categories(),
)
