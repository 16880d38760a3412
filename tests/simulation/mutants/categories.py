"""Mutants of categories: which events count, for which, and when."""

from __future__ import annotations

from .mutant import one

CATEGORIES = "tapstack.core.categories"
PROJECTION = "tapstack.projections.categories"
VIEW = "tapstack.insights.categories"
JOURNAL = "tapstack.core.journal"

OF_CATEGORIES = (
    one(
        "category_of_the_first_item",
        "each item of a list counts for the category that is named of it",
        PROJECTION,
        "        for name in effect.categories:\n",
        "        for name in effect.categories[:1]:\n",
    ),
    one(
        "categories_of_another_window",
        "an event counts in the windows of its own time",
        PROJECTION,
        "window_numbers(effect.at_s)",
        "window_numbers(effect.arrived_s)",
    ),
    one(
        "category_total_left_out",
        "the total counts every event that names a category",
        CATEGORIES,
        "        add_counts(state.total, counters)\n",
        "        add_counts(state.total, counters) if known is None else None\n",
    ),
    one(
        "entry_mixes_categories_up",
        "an entry says of which item a category is",
        JOURNAL,
        "        items_before = items_upto\n",
        "        items_before += 1\n",
    ),
    one(
        "categories_of_one_stripe",
        "readers add up all stripes",
        VIEW,
        "for state in found.get(pk, ())]",
        "for state in found.get(pk, ())[:1]]",
    ),
    one(
        "categories_of_the_present_alone",
        "a window covers the sub-windows of its length",
        VIEW,
        "range(last, last - trend.hops - 1, -1)",
        "range(last, last - trend.hops, -1)",
    ),
)
