"""Mutants of filters by what items are."""

from __future__ import annotations

from .mutant import one

FILTERS = "tapstack.insights.filters"
RANKING = "tapstack.core.ranking"

FILTERING = (
    one(
        "unknown_items_match",
        "an item that is not known to be of a category is not listed in it",
        FILTERS,
        "if self.category and (facts.category or (0, None))[1] !=",
        "if self.category and facts.category and facts.category[1] !=",
    ),
    one(
        "price_bound_ignored",
        "no item is dearer than was asked for",
        FILTERS,
        "self.price_min <= facts.price[1] / MICROS <= self.price_max",
        "self.price_min <= facts.price[1] / MICROS",
    ),
    one(
        "currency_ignored",
        "a bound of prices is compared with prices in its own currency alone",
        FILTERS,
        "            and facts.price[2] == self.currency\n",
        "",
    ),
    one(
        "trends_of_any_category",
        "trends of a category are of its items",
        RANKING,
        "            if only is not None and item_id not in only:\n                continue\n",
        "",
    ),
)
