"""What is known of the whole shop."""

from __future__ import annotations

import msgspec


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
