"""What the API answers about categories: those of a window that slides, and one of them."""

from __future__ import annotations

from collections.abc import Sequence

from tapstack.core.aggregates import Counters, may_lack_currencies, merge_counts
from tapstack.core.categories import Categories as Row
from tapstack.core.categories import add_up
from tapstack.core.item_facts import kept_category
from tapstack.core.ranking import Trend, Weights, score
from tapstack.core.rows import CATEGORY_ROWS, categories_partition
from tapstack.insights.answers import Categories, Category, CategoryCounts, RankedCategory
from tapstack.insights.freshness import Freshness
from tapstack.insights.striped_rows import StripedRows
from tapstack.insights.trending import counts_by_name
from tapstack.insights.views import describe_counters, describe_freshness, time_text


def categories_view(
    rows: StripedRows, trend: Trend, now_s: int, fresh: Freshness, *, weights: Weights, n: int
) -> Categories:
    """Return the categories with the highest scores.

    Parameters
    ----------
    rows
        Where they are read.
    trend
        The window.
    now_s
        Unix seconds.
    fresh
        As of when the rows are; read before.
    weights
        What an event of each type adds to a score.
    n
        How many categories, ``>= 1``.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    found = [row for _, stripes in _windows(rows, trend, now_s) for row in stripes]
    total = add_up([row.by_name for row in found])
    scores = {name: score(_counts(counters), weights) for name, counters in total.items()}
    ranked = sorted([name for name in total if scores[name]], key=lambda name: (-scores[name], name))
    whole: Counters = {}
    for row in found:
        merge_counts(whole, row.total)
    return Categories(
        window=trend.name,
        **_covered(trend, now_s),
        events=sum(_counts(whole).values()),
        categories=[
            RankedCategory(
                category=name,
                score=scores[name],
                **describe_counters(total[name]),
                value_incomplete=may_lack_currencies(total[name]),
            )
            for name in ranked[:n]
        ],
        weights=counts_by_name(weights),
        count_error_max=sum([row.missed_max for row in found]),
        **describe_freshness(fresh),
    )


def category_view(rows: StripedRows, name: str, trend: Trend, now_s: int, fresh: Freshness) -> Category:
    """Return what was counted of a category; see `categories_view`."""
    name = kept_category(name)
    windows = _windows(rows, trend, now_s)
    totals = [(number, add_up([row.by_name for row in stripes])) for number, stripes in windows]
    by_start = [(number, total[name]) for number, total in totals if name in total]
    whole: Counters = {}
    for _, counters in by_start:
        merge_counts(whole, counters)
    missing = [
        row.by_name[name].missed_max if name in row.by_name else row.missed_max
        for _, stripes in windows
        for row in stripes
    ]
    return Category(
        category=name,
        window=trend.name,
        **_covered(trend, now_s),
        **describe_counters(whole),
        value_incomplete=any(may_lack_currencies(counters) for _, counters in by_start),
        windows=[
            CategoryCounts(start=time_text(number * trend.window.length_s), **describe_counters(counters))
            for number, counters in by_start
        ],
        count_error_max=sum(missing),
        **describe_freshness(fresh),
    )


def _windows(rows: StripedRows, trend: Trend, now_s: int) -> list[tuple[int, Sequence[Row]]]:
    """Read the sub-windows that a trend covers, newest first."""
    last = trend.window.number(now_s)
    partitions = {n: categories_partition(trend.window, n) for n in range(last, last - trend.hops - 1, -1)}
    found = rows.states(partitions.values())
    return [(n, [CATEGORY_ROWS.body(state) for state in found.get(pk, ())]) for n, pk in partitions.items()]


def _covered(trend: Trend, now_s: int) -> dict[str, str]:
    last, length_s = trend.window.number(now_s), trend.window.length_s
    return {"from_": time_text((last - trend.hops) * length_s), "to": time_text((last + 1) * length_s)}


def _counts(counters: Counters) -> dict[int, int]:
    return {key: amount for key, amount in counters.items() if isinstance(key, int)}
