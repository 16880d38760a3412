"""What is known of one item, and which items moved."""

from __future__ import annotations

import msgspec


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
