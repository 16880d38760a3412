"""What events say of items, and in numbers.

Written from docs/reference/table.md, as `accepted_events` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tapstack_local.reconciliation.counters import NO_CURRENCY, Counters

BYTES_MAX = {"category": 96, "brand": 64, "name": 128}
FIELDS = (*BYTES_MAX, "price")
RATING_MAX = 100
LINE_MAX = 10**18  # millionths, of a line of a refund
# The numbers by their keys in rows. Ratings are added up from -100 on, so that no term is negative.
SOLD, GIVEN_BACK, RATINGS, RATINGS_SUM = NUMBERS = ("units sold", "units given back", "ratings", "their sum")

Words = tuple[str, str, Any]  # an item, a field, and its value
Said = dict[tuple[str, str], dict[Any, int]]  # by item and field: when each value was said last

Days = dict[str, Counters]  # by category and day, see `where`
ALL = "all categories"


def where(category: str, day: int) -> str:
    """Name a category's day; without a category, that of all of them."""
    return f"C#{day} {category or ALL}"


def add_said(into: Said, words: Iterable[Words], at_s: int) -> None:
    """Add what an event says of its items, in place."""
    for item_id, field, value in words:
        times = into.setdefault((item_id, field), {})
        times[value] = max(at_s, times.get(value, at_s))


def words_of(event: Mapping[str, Any], item: Mapping[str, Any]) -> Iterable[Words]:
    """Return what an event says of an item."""
    for field in BYTES_MAX:
        if text := _kept(item, field):
            yield item["item_id"], field, text
    if item.get("price") is not None and event["event_type"] != "refund":
        yield item["item_id"], "price", (_millionths(item["price"]), _currency(event, item))


def category_of(item: Mapping[str, Any]) -> str:
    """Return the category that an event names of an item; empty if none."""
    return _kept(item, "category")


def numbers_of(event: Mapping[str, Any], item: Mapping[str, Any]) -> Counters:
    """Return what an event says of an item in numbers."""
    kind, value = event["event_type"], event.get("value")
    if kind == "rate" and value is not None and abs(value) <= RATING_MAX:
        return {RATINGS: 1, RATINGS_SUM: _millionths(value) + RATING_MAX * 1_000_000}
    if kind not in {"purchase", "refund"}:
        return {}
    units = 1 if item.get("quantity") is None else int(item["quantity"])
    if kind == "purchase":
        return {SOLD: units}
    back = 0 if item.get("price") is None else _millionths(item["price"]) * units
    return {GIVEN_BACK: units, **({_currency(event, item): back} if abs(back) <= LINE_MAX else {})}


def _kept(item: Mapping[str, Any], field: str) -> str:
    text = (item.get(field) or "").strip().encode()
    return text[: BYTES_MAX[field]].decode(errors="ignore").rstrip()


def _currency(event: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    return str(item.get("currency") or event.get("currency") or NO_CURRENCY)


def _millionths(amount: float) -> int:
    return round(Decimal(repr(amount)) * 1_000_000)
