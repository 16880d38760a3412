"""Items that are recommended, and why."""

from __future__ import annotations

from typing import Literal

import msgspec


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an item's score.

    Parameters
    ----------
    reason
        ``pairs``: it goes with an item of the history. ``seen``: it is one. ``popular``: neither,
        and it is ranked by interactions.
    item_id
        The item of the history; null if popular.
    via
        The item between the two, if it goes with one that goes with that of the history.
    count
        How many pairs were counted of it and `via`, or `item_id`; or interactions of the last seven days.
    score
        The part.
    """

    reason: Literal["pairs", "seen", "popular"]
    item_id: str | None
    via: str | None
    count: int
    score: float


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """An item, and the three strongest reasons for it; none if nothing is known of it."""

    item_id: str
    score: float
    why: list[Reason]


class Recommendations(msgspec.Struct, frozen=True, kw_only=True):
    """Items in order, the best first.

    Parameters
    ----------
    recommendation_id
        Of these items in this order. Events that name it are counted by it.
    based_on
        The items of the history that are known, newest first; if there are none, all items are popular ones.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    recommendation_id: str
    based_on: list[str]
    items: list[Recommendation]
    as_of: str
    since: str | None
