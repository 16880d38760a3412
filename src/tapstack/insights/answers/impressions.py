"""What was shown, and what came of it."""

from __future__ import annotations

import msgspec


class PositionShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was shown and clicked at a position.

    Parameters
    ----------
    position
        0 to 99; null for all others, and for clicks that name none.
    click_rate
        Clicks for each impression; null if there are no impressions.
    """

    position: int | None
    impressions: int
    clicks: int
    click_rate: float | None


class ListImpressions(msgspec.Struct, frozen=True, kw_only=True):
    """What was shown and clicked in a list, by position.

    Parameters
    ----------
    from_, to
        The days that are covered, by UTC; the present one to its end.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    list_id: str
    from_: str = msgspec.field(name="from")
    to: str
    impressions: int
    clicks: int
    click_rate: float | None
    positions: list[PositionShown]
    as_of: str
    since: str | None


class RecommendationShown(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a recommendation.

    Parameters
    ----------
    counts
        Events that name it, by type; `item_list_view` counts those that say what was shown.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    recommendation_id: str
    counts: dict[str, int]
    impressions: int
    clicks: int
    click_rate: float | None
    positions: list[PositionShown]
    as_of: str
    since: str | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step on the way to a purchase.

    Parameters
    ----------
    of_previous, of_views
        Events for each event of the step before, and for each view; null where there are none.
    """

    event_type: str
    events: int
    of_previous: float | None
    of_views: float | None


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """Views, carts, checkouts and purchases of the whole shop in a window that slides.

    Parameters
    ----------
    from_, to
        The sub-windows that are covered: those of the window's length, and the present one to its end.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    window: str
    from_: str = msgspec.field(name="from")
    to: str
    steps: list[Step]
    as_of: str
    since: str | None
