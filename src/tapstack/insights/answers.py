"""The answers' shapes, as JSON shows them; docs/reference/insights-api.md has an example of each.

Times are UTC, as RFC 3339 writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Traits = dict[str, str | int | float | bool]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A visit."""

    session_id: str | None
    start: str
    end: str
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    viewed_items: list[str]
    bought_items: list[str]


class Sessions(msgspec.Struct, frozen=True, kw_only=True):
    """A user's visits: how many, the one that goes on, the last."""

    count: int
    open: Session | None
    recent: list[Session]


class RecentItem(msgspec.Struct, frozen=True, kw_only=True):
    """An interaction with an item."""

    item_id: str
    event_type: str
    at: str


class UserSessions(msgspec.Struct, frozen=True, kw_only=True):
    """The visits of a user or an anonymous visitor."""

    user_id: str | msgspec.UnsetType = msgspec.UNSET
    anonymous_id: str | msgspec.UnsetType = msgspec.UNSET
    sessions: Sessions


class LinkedVisitor(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor that a user was.

    Parameters
    ----------
    shared
        Whether it is linked to another user, too: then what it did is in the figures of neither.
    events
        How many events are counted as the visitor's.
    last_seen
        Null if nothing is known of it but the link.
    """

    anonymous_id: str
    shared: bool
    events: int
    last_seen: str | None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user, or an anonymous visitor; it has the one id or the other.

    Parameters
    ----------
    value_incomplete
        Whether amounts of currencies beyond the first eight may be under ``XXX``; in sessions, too.
    visitors
        With ``linked``, of a user: the visitors that it was. What those did that are not shared is in all
        figures.
    visitors_incomplete
        With ``linked``, of a user: whether there may have been more visitors than are linked.
    user_ids
        With ``linked``, of a visitor: users that it became, up to eight.
    """

    user_id: str | msgspec.UnsetType = msgspec.UNSET
    anonymous_id: str | msgspec.UnsetType = msgspec.UNSET
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    value_incomplete: bool
    first_seen: str
    last_seen: str
    locale: str | None
    traits: Traits
    anonymous_ids: list[str]
    recent_items: list[RecentItem]
    sessions: Sessions
    visitors: list[LinkedVisitor] | msgspec.UnsetType = msgspec.UNSET
    visitors_incomplete: bool | msgspec.UnsetType = msgspec.UNSET
    user_ids: list[str] | msgspec.UnsetType = msgspec.UNSET


class UserHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the interactions of a user or visitor, newest first.

    Parameters
    ----------
    next_cursor
        Asks for the part that follows; null if this is the last.
    since
        Interactions before it may be missing; null if none within the bounds is.
    """

    user_id: str | msgspec.UnsetType = msgspec.UNSET
    anonymous_id: str | msgspec.UnsetType = msgspec.UNSET
    items: list[RecentItem]
    next_cursor: str | None
    since: str | None


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How many events of a type there were for each `item_view`; null where there was none.

    Parameters
    ----------
    cart
        Of `cart_add`.
    purchase
        Of `purchase`.
    """

    cart: float | None
    purchase: float | None


class Ratings(msgspec.Struct, frozen=True, kw_only=True):
    """The values of `rate` events from -100 to 100: how many, and their mean; null if there are none."""

    count: int
    mean: float | None


class Refunds(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: how many units, and what was paid back by currency."""

    units: int
    value: dict[str, float]


class WindowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted in a window.

    Parameters
    ----------
    units
        Sold.
    """

    start: str
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    units: int
    rates: Rates


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An item: over its lifetime, and the newest windows first.

    Parameters
    ----------
    category, brand, name
        As the newest event says that says one; null if none does.
    price, currency
        Likewise.
    value_incomplete
        Whether amounts of currencies beyond the first eight may be under ``XXX``; in windows, too.
    units
        Sold.
    net_value
        What was bought less what was paid back.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    item_id: str
    category: str | None
    brand: str | None
    name: str | None
    price: float | None
    currency: str | None
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    value_incomplete: bool
    units: int
    refunds: Refunds
    net_value: dict[str, float]
    ratings: Ratings
    rates: Rates
    windows: dict[str, list[WindowCounts]]
    as_of: str
    since: str | None


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """An item that goes with another, highest count first.

    Parameters
    ----------
    support
        The count, for each of the shop's events of the type (views, or purchases); null if not known.
    lift
        The count times the shop's events, by those of the one item and those of the other; likewise.
    """

    item_id: str
    count: int
    support: float | None
    lift: float | None


class Partners(msgspec.Struct, frozen=True, kw_only=True):
    """Items that go with an item.

    Parameters
    ----------
    count_error_max
        By how much a count may be too low or too high, and the count of an item that is in no stripe's map
        too; 0 unless a stripe's map is full.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    item_id: str
    items: list[Partner]
    count_error_max: int
    as_of: str
    since: str | None


class TrendingItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item in a list, highest score first.

    Parameters
    ----------
    score
        Its counts, each times the weight of its event type.
    """

    item_id: str
    score: int
    counts: dict[str, int]


class Trending(msgspec.Struct, frozen=True, kw_only=True):
    """The items with the highest scores in a window that slides.

    Parameters
    ----------
    from_, to
        The sub-windows that are covered: those of the window's length, and the present one to its end.
    weights
        By event type, what each event adds to a score; types that are left out add nothing.
    count_error_max
        By how much a score may be too low, and by how much that of an item that is not listed may exceed the
        last that is.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    window: str
    from_: str = msgspec.field(name="from")
    to: str
    items: list[TrendingItem]
    weights: dict[str, int]
    count_error_max: int
    as_of: str
    since: str | None


class RankedCategory(msgspec.Struct, frozen=True, kw_only=True):
    """A category in a list, highest score first.

    Parameters
    ----------
    score
        Its counts, each times the weight of its event type.
    value_incomplete
        Whether amounts of currencies beyond the first eight may be under ``XXX``.
    """

    category: str
    score: int
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    value_incomplete: bool


class Categories(msgspec.Struct, frozen=True, kw_only=True):
    """The categories whose items have the highest scores in a window that slides.

    Parameters
    ----------
    from_, to
        The sub-windows that are covered: those of the window's length, and the present one to its end.
    events
        All that name a category, those of categories among them that are not listed.
    weights
        By event type, what each event adds to a score; types that are left out add nothing.
    count_error_max
        By how many events a category's counts may be too low, and how many one may have that is not known; 0
        unless a stripe's row is full.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    window: str
    from_: str = msgspec.field(name="from")
    to: str
    events: int
    categories: list[RankedCategory]
    weights: dict[str, int]
    count_error_max: int
    as_of: str
    since: str | None


class CategoryCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted of a category in a part of a window."""

    start: str
    events: int
    counts: dict[str, int]
    value: dict[str, float]


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted of a category's items; nothing of one that no event named.

    Parameters
    ----------
    windows
        The sub-windows in which something was counted, newest first.
    count_error_max
        By how many events the counts may be too low; 0 unless a stripe's row is full.
    from_, to, value_incomplete, as_of, since
        As in `Categories`.
    """

    category: str
    window: str
    from_: str = msgspec.field(name="from")
    to: str
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    value_incomplete: bool
    windows: list[CategoryCounts]
    count_error_max: int
    as_of: str
    since: str | None


class SearchTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A term in a list, highest count first."""

    term: str
    count: int


class SearchTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The terms that most searches of a window were for.

    Parameters
    ----------
    searches
        All searches of the window, those for terms among them that are not listed or not shown.
    count_error_max
        By how much a count may be too low or too high; 0 unless a stripe's row is full.
    as_of
        Whatever was counted before is in the answer.
    since
        What was counted before is not in it; null if nothing is missing.
    """

    window: str
    start: str
    end: str
    searches: int
    terms: list[SearchTerm]
    count_error_max: int
    as_of: str
    since: str | None


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


class ChangedItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item that moved, and how many events were about it; 0 if only what goes with it changed."""

    item_id: str
    events: int


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Items that moved since a cursor.

    Parameters
    ----------
    next_cursor
        Asks for what follows.
    more
        Whether something follows already.
    as_of
        Whatever was counted before is listed, here or before; null while there is more.
    """

    items: list[ChangedItem]
    next_cursor: str
    more: bool
    as_of: str | None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The function runs, and its table answers."""

    status: str


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """What a window covers: everything from `start` on, by the events' own time."""

    start: str
    end: str


class FeatureRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The features of a user, a session or an item.

    Parameters
    ----------
    status
        Of what is not found, all values are null.
    updated_at
        When an item's newest event arrived; of a user the newest event's own time. Null if not found.
    values
        In the order of the table's `features`; null where nothing is known.
    since
        Of declared features, by view and version: whatever arrived then or later is in the values. Only views
        that lack something.
    missing_max
        Of declared features, by name: how many values are missing at most, or by how much each count is too
        low. Only features that kept no more for want of room.
    """

    id: str
    status: Literal["found", "not_found"]
    updated_at: str | None
    values: list[str | int | float | bool | list[str] | dict[str, int] | None]
    since: dict[str, str] = {}
    missing_max: dict[str, int] = {}


class FeatureTable(msgspec.Struct, frozen=True, kw_only=True):
    """Features by name, and a row for each user or item as asked for."""

    features: list[str]
    rows: list[FeatureRow]


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """Features of users and items.

    Parameters
    ----------
    as_of
        Whatever was counted before is in the items' features; users' are counted at once.
    since
        What was counted before is not in the items' features; null if nothing is missing.
    windows
        What each window among the features covers. One whose file sets a hop is named with it: 24h/2h.
    """

    as_of: str
    since: str | None
    windows: dict[str, Interval]
    users: FeatureTable
    items: FeatureTable
    sessions: FeatureTable


class AttributeFeature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature of a declared attribute.

    Parameters
    ----------
    name
        Without the version it means the newest one.
    tile_s
        By how much a window may cover more than its length; null of a lifetime.
    """

    name: str
    aggregation: str
    json_type: str
    window: str
    tile_s: int | None
    description: str


class AttributeView(msgspec.Struct, frozen=True, kw_only=True):
    """A feature view.

    Parameters
    ----------
    ttl
        After so long without an event that counts, what was kept is forgotten; null for never.
    """

    name: str
    version: int
    entity: str
    ttl: str | None
    owner: str
    description: str
    features: list[AttributeFeature]


class AttributeService(msgspec.Struct, frozen=True, kw_only=True):
    """Features that are asked for together."""

    name: str
    features: list[str]
    description: str


class DeclaredAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of attributes declares."""

    views: list[AttributeView]
    services: list[AttributeService]


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a projection has come.

    Parameters
    ----------
    as_of
        Whatever was counted before is in its rows.
    since
        What was counted before is not in its rows; null if nothing is missing.
    lag_s
        How far `as_of` lies behind the status's own, in seconds.
    entries_behind
        Journal entries that it has not folded.
    folded
        By lane, the last entry that it has folded.
    """

    as_of: str
    since: str | None
    lag_s: int
    entries_behind: int
    folded: Mapping[int, int]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The version that answers, and how far the journal and its projections have come.

    Parameters
    ----------
    as_of
        When this was read.
    heads
        By lane, the number of the journal's last entry.
    """

    version: str
    as_of: str
    heads: Mapping[int, int]
    projections: dict[str, ProjectionStatus]


Answer = (
    Features
    | DeclaredAttributes
    | ListImpressions
    | RecommendationShown
    | Conversion
    | Changes
    | Status
    | User
    | UserHistory
    | UserSessions
    | Item
    | Partners
    | Trending
    | Categories
    | Category
    | Recommendations
    | SearchTerms
    | Health
)
