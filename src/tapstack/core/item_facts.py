"""What events say of an item: its category, brand and name, and its price.

The newest event that says one of them decides it, by the event's own time; of several in one second, the
greatest text or price. So what is known depends on no order: facts may be put together in any, and twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import TypeVar

import msgspec

from tapstack.core.aggregates import millionths
from tapstack.core.currencies import NO_CURRENCY
from tapstack.core.events import CountedItem, Event
from tapstack.core.memo import Memo

# UTF-8; the rest is cut off. A row holds each of them once, and whoever sends events chooses them.
CATEGORY_BYTES_MAX, BRAND_BYTES_MAX, NAME_BYTES_MAX = 96, 64, 128

Text = tuple[int, str]  # when the event happened that said it, Unix seconds; and what
Price = tuple[int, int, str]  # likewise, in millionths, and the currency
T = TypeVar("T", Text, Price)


class Facts(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """What is known of an item; None of what no event said."""

    category: Text | None = None
    brand: Text | None = None
    name: Text | None = None
    price: Price | None = None


NOTHING = Facts()


def newest(found: Iterable[Facts]) -> Facts:
    """Put facts together."""
    return reduce(later, found, NOTHING)


def later(one: Facts, other: Facts) -> Facts:
    """Put the facts of two together."""
    return Facts(
        _later(one.category, other.category),
        _later(one.brand, other.brand),
        _later(one.name, other.name),
        _later(one.price, other.price),
    )


def facts_said(event: Event, at_s: int) -> list[tuple[str, Facts]]:
    """Return what an event says of its items, one after the other; see `facts_of`."""
    return [
        (item.item_id, facts)
        for item in event.items
        if (item.price is not None or item.category or item.brand or item.name)  # seldom of a list's
        and (facts := facts_of(event, item, at_s)) is not None
    ]


def facts_of(event: Event, item: CountedItem, at_s: int) -> Facts | None:
    """Return what an event says of one of its items; None if nothing.

    Parameters
    ----------
    event
        The event. The price of a refund is that of an earlier purchase, and none of today.
    item
        The item.
    at_s
        The event's own time, Unix seconds; its arrival, if its clock was ahead.
    """
    price = None
    if item.price is not None and event.event_type != "refund":
        price = (at_s, millionths(item.price), item.currency or event.currency or NO_CURRENCY)
    category = _said(at_s, _categories, item.category) if item.category else None
    brand = _said(at_s, _brands, item.brand) if item.brand else None
    name = _said(at_s, _names, item.name) if item.name else None
    return Facts(category, brand, name, price) if category or brand or name or price else None


def category_of(item: CountedItem) -> str:
    """Return the category that an event names for one of its items, as it is kept; empty if none."""
    return _categories[item.category] if item.category else ""


def categories_of(items: Sequence[CountedItem]) -> Sequence[str]:
    """Return the category that an event names for each of its items, as it is kept; empty if for none."""
    named = [item.category for item in items]
    if not any(named):
        return ()
    kept = [_categories[name] if name else "" for name in named]
    return kept if any(kept) else ()


def kept_category(name: str) -> str:
    """Return a category's name as it is kept."""
    return _categories[name]


def kept_brand(name: str) -> str:
    """Return a brand's name as it is kept."""
    return _brands[name]


def _said(at_s: int, kept: Memo[str, str], text: str) -> Text | None:
    return (at_s, said) if (said := kept[text]) else None


def _later(one: T | None, other: T | None) -> T | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


def _kept(text: str, bytes_max: int) -> str:
    """Return a text as it is kept: without white space around, and cut."""
    text = text.strip()
    if len(text) * 4 > bytes_max:
        text = text.encode()[:bytes_max].decode(errors="ignore").rstrip()
    return text


# A shop has few, and each comes in most events.
_categories = Memo[str, str](lambda text: _kept(text, CATEGORY_BYTES_MAX), 4_096)
_brands = Memo[str, str](lambda text: _kept(text, BRAND_BYTES_MAX), 4_096)
_names = Memo[str, str](lambda text: _kept(text, NAME_BYTES_MAX), 4_096)
