"""What trends: the items with the highest scores in a window that slides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from tapstack.core.ranking import Trend, Weights, rank
from tapstack.core.rows import BOARD_ROWS, board_partition
from tapstack.insights.answers import Trending, TrendingItem
from tapstack.insights.freshness import Freshness
from tapstack.insights.views import bodies, describe_freshness, time_text, type_name
from tapstack.ports import RowReader


def trending_view(
    reader: RowReader,
    trend: Trend,
    now_s: int,
    fresh: Freshness,
    *,
    weights: Weights,
    n: int,
    choose: Callable[[Sequence[str]], Collection[str]] | None = None,
) -> Trending:
    """Return the items with the highest scores.

    Parameters
    ----------
    reader
        The table.
    trend
        The window.
    now_s
        Unix seconds.
    fresh
        As of when the boards are; read before.
    weights
        What an event of each type adds to a score.
    n
        How many items, ``>= 1``.
    choose
        Returns which of some items may be listed; None for all.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    boards = bodies(reader, BOARD_ROWS, board_partition(trend.window), now_s)
    items = list({item_id: None for board in boards for item_id in board.items})
    only = None if choose is None else frozenset(choose(items))
    ranking = rank(boards, trend, now_s, weights, n, only)
    hop_s = trend.window.length_s
    return Trending(
        window=trend.name,
        from_=time_text(ranking.first * hop_s),
        to=time_text((ranking.last + 1) * hop_s),
        items=[
            TrendingItem(
                item_id=item.item_id,
                score=item.score,
                counts=counts_by_name(item.counts),
            )
            for item in ranking.items
        ],
        weights=counts_by_name(weights),
        count_error_max=ranking.error_max,
        **describe_freshness(fresh),
    )


def counts_by_name(amounts: Mapping[int, int]) -> dict[str, int]:
    """Return amounts by the names of event types."""
    return {type_name(code): amount for code, amount in sorted(amounts.items())}
