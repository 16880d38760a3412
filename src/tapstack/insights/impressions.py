"""What is answered about lists, recommendations, and the way from a view to a purchase."""

from __future__ import annotations

from collections.abc import Mapping

from tapstack.core.aggregates import WINDOWS, Counters, merge_counts
from tapstack.core.events import EVENT_TYPES
from tapstack.core.impressions import (
    OTHER_POSITION,
    SHOP,
    STEPS,
    Showings,
    list_placement,
    positions_of,
    recommendation_placement,
)
from tapstack.core.ranking import Trend
from tapstack.core.rows import SHOWING_ROWS, showings_partition
from tapstack.insights.answers import Conversion, ListImpressions, PositionShown, RecommendationShown, Step
from tapstack.insights.freshness import Freshness
from tapstack.insights.views import bodies, describe_counters, describe_freshness, time_text
from tapstack.ports import RowReader

_DAY = WINDOWS[-1]
RATE_DIGITS = 6


def list_view(
    reader: RowReader, list_id: str, days: int, now_s: int, fresh: Freshness
) -> ListImpressions | None:
    """Return what was shown and clicked in a list, today and on the days before it.

    Parameters
    ----------
    reader
        The table.
    list_id
        As items name it.
    days
        How many days before today, 0 to 7.
    now_s
        Unix seconds.
    fresh
        As of when the rows are; read before.

    Returns
    -------
    ListImpressions or None
        None if the list is not known.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    rows = _rows(reader, list_placement(list_id), now_s)
    if not rows:
        return None
    today = _DAY.number(now_s)
    positions = positions_of(rows, today - days)
    impressions, clicks = _sums(positions)
    return ListImpressions(
        list_id=list_id,
        from_=time_text((today - days) * _DAY.length_s),
        to=time_text((today + 1) * _DAY.length_s),
        impressions=impressions,
        clicks=clicks,
        click_rate=_rate(clicks, impressions),
        positions=_described(positions),
        **describe_freshness(fresh),
    )


def recommendation_view(
    reader: RowReader, recommendation_id: str, now_s: int, fresh: Freshness
) -> RecommendationShown | None:
    """Return what came of a recommendation; see `list_view`."""
    rows = _rows(reader, recommendation_placement(recommendation_id), now_s)
    if not rows:
        return None
    positions = positions_of(rows, 0)
    impressions, clicks = _sums(positions)
    counts: Counters = {}
    for row in rows:
        merge_counts(counts, row.counters.lifetime)
    return RecommendationShown(
        recommendation_id=recommendation_id,
        counts=describe_counters(counts)["counts"],
        impressions=impressions,
        clicks=clicks,
        click_rate=_rate(clicks, impressions),
        positions=_described(positions),
        **describe_freshness(fresh),
    )


def conversion_view(reader: RowReader, trend: Trend, now_s: int, fresh: Freshness) -> Conversion:
    """Return how many views, carts, checkouts and purchases there were in a window that slides."""
    window = trend.window
    last = window.number(now_s)
    first = last - trend.hops
    counts = dict.fromkeys(STEPS, 0)
    for row in _rows(reader, SHOP, now_s):
        for number, counted in row.counters.windows[trend.position].items():
            if first <= number <= last:
                for code in STEPS:
                    counts[code] += counted.get(code, 0)
    before = [0, *counts.values()]
    steps = [
        Step(
            event_type=EVENT_TYPES[code],
            events=count,
            of_previous=_rate(count, previous),
            of_views=_rate(count, counts[STEPS[0]]),
        )
        for (code, count), previous in zip(counts.items(), before, strict=False)
    ]
    return Conversion(
        window=trend.name,
        from_=time_text(first * window.length_s),
        to=time_text((last + 1) * window.length_s),
        steps=steps,
        **describe_freshness(fresh),
    )


def _rows(reader: RowReader, placement: str, now_s: int) -> list[Showings]:
    return bodies(reader, SHOWING_ROWS, showings_partition(placement), now_s)


def _sums(positions: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    return sum([seen for seen, _ in positions.values()]), sum([clicked for _, clicked in positions.values()])


def _described(positions: Mapping[int, tuple[int, int]]) -> list[PositionShown]:
    return [
        PositionShown(
            position=None if position == OTHER_POSITION else position,
            impressions=seen,
            clicks=clicked,
            click_rate=_rate(clicked, seen),
        )
        for position, (seen, clicked) in positions.items()
    ]


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, RATE_DIGITS) if whole else None
