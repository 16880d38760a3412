"""What events say of an item: its category, brand and name, and its price.

The newest event that says one of them decides it, by the event's own time; of several in one second, the
greatest text or price. So what is known depends on no order: facts may be put together in any, and twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple, TypeVar

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


class Statement(NamedTuple):
    """What an event says of an item; texts are as they are kept, and empty where it says nothing."""

    item_id: str
    category: str
    brand: str
    name: str
    price: tuple[int, str] | None  # in millionths, and the currency


Statements = Mapping[Statement, int]  # with the newest Unix second of the events that say so


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


def statements_of(event: Event) -> list[Statement]:
    """Return what an event says of its items; the price of a refund is an earlier one, and none of today."""
    statements = []
    for item in event.items:
        category, brand, name = item.category, item.brand, item.name
        price = None if event.event_type == "refund" else item.price
        if price is None and not (category or brand or name):  # seldom does a list say more
            continue
        statement = Statement(
            item.item_id,
            _categories[category] if category else "",
            _brands[brand] if brand else "",
            _names[name] if name else "",
            None if price is None else (millionths(price), item.currency or event.currency or NO_CURRENCY),
        )
        if any(statement[1:]):
            statements.append(statement)
    return statements


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
