"""What the checker knows about events: an independent reading of records, sharing no code with the product.

Everything restated here is in docs/reference: the codes of event types, what makes an event itself,
what it adds to a user and to items. Nothing of `tapstack.core` or `tapstack.consumer` is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

import msgspec

CODES = {
    name: code
    for code, name in enumerate(
        ("page_view", "item_view", "item_click", "item_list_view", "search", "cart_add", "cart_remove",
         "cart_view", "wishlist_add", "checkout_start", "purchase", "refund", "rate", "share", "identify",
         "custom")
    )
}  # fmt: skip
CURRENCIES_MAX = 8  # that counters name, XXX apart: a map as full takes in no further one
NO_CURRENCY = "XXX"
INTEREST = frozenset(
    CODES[name] for name in ("item_view", "item_click", "cart_add", "wishlist_add", "purchase", "share")
)

Name = tuple[str, bytes | int, int]  # ("n", client, n) or ("o", digest, 0)
Amounts = dict[int | str, int]

_decode = msgspec.json.Decoder().decode


class Fact:
    """An event, however many records carry it.

    Parameters
    ----------
    pk
        The row of its user.
    name
        What it is known by in the user's row.
    user
        What it adds to the user's counters.
    items
        What it adds to each item.
    client_ms
        When it happened by its client's clock, Unix milliseconds; 0 if the client said no time.
    event
        The event, as the first record of it holds it.

    Attributes
    ----------
    alias : int
        The digest of an event that its client numbered, where it is remembered as an id.
    """

    __slots__ = ("ages_s", "alias", "arrivals_s", "client_ms", "event", "items", "name", "pk", "user")

    def __init__(self, event: dict[str, Any], client_ms: int) -> None:
        self.pk = row_of(event)
        self.name = _name(event)
        self.user = _user_amounts(event)
        self.items: dict[str, Amounts] = {}
        for item in event.get("items", []):
            merge(self.items.setdefault(item["item_id"], {}), item_amounts(event, item))
        self.client_ms = client_ms
        self.event = event
        self.alias = _alias(event)
        self.arrivals_s: list[int] = []
        self.ages_s: list[int] = []  # how old each record's account was when it arrived

    @property
    def item_ids(self) -> list[str]:
        """Its items in their order, an item as often as it stands there."""
        return [item["item_id"] for item in self.event.get("items", [])]


def native_name(client_id: str, n: int) -> Name:
    """Name an event that its client numbered."""
    return ("n", bytes.fromhex(client_id.replace("-", "")), n)


def opaque_name(text: str, kind: bytes = b"") -> Name:
    """Name an event known by an id."""
    hashed = hashlib.blake2b(text.encode(), digest_size=8, person=kind)
    return ("o", int.from_bytes(hashed.digest(), "big", signed=True), 0)


def row_of(event: dict[str, Any]) -> str:
    """Return the partition key of the row of an event's user."""
    return f"U#{event['user_id']}" if event.get("user_id") is not None else f"A#{event['anonymous_id']}"


def _alias(event: dict[str, Any]) -> int:
    if event.get("client_id") is None:
        return 0
    _, digest, _ = opaque_name(f"{event['client_id']}:{event['n']}", b"native")
    assert isinstance(digest, int), "a digest is a number"  # noqa: S101 - for types
    return digest


class Reading(NamedTuple):
    """A record that holds an event.

    Parameters
    ----------
    fact
        The event.
    counted_ms
        When it is counted, Unix milliseconds.
    born_s
        The earliest moment anybody's clock gives it: its client's, if it said one, and the collector's.
    received_s
        When the collector had it.
    """

    fact: Fact
    counted_ms: int
    born_s: int
    received_s: int


def read_event(data: bytes) -> Reading:
    """Read a record that holds an event."""
    event = _decode(data)
    counted_ms = _milliseconds(event["occurred_at"])
    skew_ms = event.get("clock_skew_ms")
    client_ms = 0 if skew_ms is None else max(counted_ms - skew_ms, 1)
    received_s = int(datetime.fromisoformat(event["received_at"]).timestamp())
    born_s = min(client_ms // 1000, received_s) if client_ms else received_s
    return Reading(Fact(event, client_ms), counted_ms, born_s, received_s)


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    whole = Decimal(int(moment.replace(microsecond=0).timestamp())) * 1000
    exact = whole + Decimal(moment.microsecond) / 1000
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def _name(event: dict[str, Any]) -> Name:
    client_id = event.get("client_id")
    return opaque_name(event["event_id"]) if client_id is None else native_name(client_id, event["n"])


def item_amounts(event: dict[str, Any], item: dict[str, Any]) -> Amounts:
    """Return what one item of an event adds to its counters."""
    amounts: Amounts = {CODES[event["event_type"]]: 1}
    if event["event_type"] == "purchase" and item.get("price") is not None:
        amounts[item.get("currency") or event.get("currency") or NO_CURRENCY] = _millionths(item["price"]) * (
            1 if item.get("quantity") is None else item["quantity"]
        )
    return amounts


def _user_amounts(event: dict[str, Any]) -> Amounts:
    amounts: Amounts = {CODES[event["event_type"]]: 1}
    if event["event_type"] != "purchase":
        return amounts
    if event.get("value") is not None:
        amounts[event.get("currency") or NO_CURRENCY] = _millionths(event["value"])
        return amounts
    for item in event.get("items", []):
        for key, amount in item_amounts(event, item).items():
            if isinstance(key, str):
                amounts[key] = amounts.get(key, 0) + amount
    return amounts


def _millionths(value: float) -> int:
    return int((Decimal(str(value)) * 1_000_000).to_integral_value(ROUND_HALF_EVEN))


def merge(into: Amounts, added: Amounts) -> None:
    """Add amounts in place."""
    for key, amount in added.items():
        into[key] = into.get(key, 0) + amount


def count(counted: Sequence[Amounts], added: Amounts) -> None:
    """Count an event in each of some counters, in place; the first decides which currencies it names."""
    for key, amount in added.items():
        place = _place(counted[0], key)
        for counters in counted:
            counters[place] = counters.get(place, 0) + amount


def named(amounts: Amounts, counters: Iterable[Amounts]) -> Amounts:
    """Return amounts as counters name them: a currency that a full map has not is XXX, as it stays out."""
    full = [each for each in counters if is_full(each)]
    placed: Amounts = {}
    for key, amount in amounts.items():
        is_out = isinstance(key, str) and not all(key in each for each in full)
        merge(placed, {NO_CURRENCY if is_out else key: amount})
    return placed


def _place(counters: Amounts, key: int | str) -> int | str:
    is_in = isinstance(key, int) or key in counters or not is_full(counters)
    return key if is_in else NO_CURRENCY


def is_full(counters: Amounts) -> bool:
    """Return whether counters name as many currencies as they may."""
    return len([key for key in counters if isinstance(key, str) and key != NO_CURRENCY]) >= CURRENCIES_MAX


def difference(after: Amounts, before: Amounts) -> Amounts:
    """Return what was added, without zeros."""
    keys = {**before, **after}
    return {key: diff for key in keys if (diff := after.get(key, 0) - before.get(key, 0))}
