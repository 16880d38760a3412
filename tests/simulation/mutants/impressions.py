"""Mutants of impressions: what entries say was shown, how it is folded, and how it is answered."""

from __future__ import annotations

from .mutant import ENTRY, one

CORE = "tapstack.core.impressions"
VIEW = "tapstack.insights.impressions"

IMPRESSIONS = (
    one(
        "lone_showings_lost",
        "whatever a transaction counts stands in its entry",
        ENTRY,
        "    if not (effects or searches or shown):\n",
        "    if not (effects or searches):\n",
    ),
    one(
        "impressions_folded_without_applied",
        "a row of a place takes an entry once",
        "tapstack.projections.derived_rows",
        "entries.lacking(derived.applied)\n",
        "entries.lacking({} if key.pk.startswith('P#') else derived.applied)\n",
    ),
    one(
        "clicks_are_impressions",
        "a click is not an impression",
        CORE,
        "            is_click = shown.code == CLICKED\n",
        "            is_click = False\n",
    ),
    one(
        "position_beyond_the_last_dropped",
        "positions beyond the hundredth are counted together",
        CORE,
        "    for position in positions:\n",
        "    for position in [each for each in positions if each < OTHER_POSITION]:\n",
    ),
    one(
        "impressions_beside_an_event_lost",
        "what is shown beside an event with a recommendation counts",
        CORE,
        "        if event.impressions and code != SHOWN:\n",
        "        if len(event.impressions) > 99 and code != SHOWN:\n",
    ),
    one(
        "showings_counted_once_a_grain",
        "what is alike is added up",
        CORE,
        "{shown.code: shown.count}",
        "{shown.code: 1}",
    ),
    one(
        "one_stripe_of_a_place",
        "a place is all of its stripes",
        VIEW,
        "return bodies(reader, SHOWING_ROWS, showings_partition(placement), now_s)\n",
        "return bodies(reader, SHOWING_ROWS, showings_partition(placement), now_s)[:1]\n",
    ),
    one(
        "conversion_counts_the_window_before",
        "a window begins with its oldest sub-window",
        VIEW,
        "    first = last - trend.hops\n",
        "    first = last - trend.hops - 1\n",
    ),
)
