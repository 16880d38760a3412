"""What events have beside what the simulation counts at all times: locales, traits, names, currencies."""

from __future__ import annotations

import random
from typing import Any

SEARCHES_SHARE = 0.7
SHOES = 'shoes "42" \n'
# What differs in spelling alone is one term; the last two are cut, and alike as far as that.
QUERIES = (
    SHOES, 'Shoes  "42"', '\uff33\uff28\uff2f\uff25\uff33 "42"', "Straße", "STRASSE", "\u200b", "",
    "Ann Example", "x" * 96 + "1", "x" * 96 + "2",
)  # fmt: skip
MANY_CURRENCIES_SHARE, LONG_ID_SHARE = 0.05, 0.01
CURRENCIES = ("AUD", "BRL", "CAD", "CNY", "DKK", "EUR", "INR", "JPY", "KRW", "MXN", "NOK", "XXX")
# More than a row lists; some of them are devices that are not logged in, and some nobody ever was.
VISITORS = ("visitor0", "visitor1", "visitor2", "user0", "user1", "user2")
CATEGORIES = ("shoes", "shoes", " shoes ", "hats", "Hüte", "", "x" * 96 + "1", "x" * 96 + "2")
BRANDS = ("B", "Ü" * 60, "A")
LISTS = ("home", "search", "r-1")
LOCALES = ("de-DE", "pt-BR", "日本語", "x" * 80, 7)
PLANS = ("free", "paid", "é" * 70)
NUMBERS = (7, 2.5, True, 2**70, -(2**63))  # two of them no row can hold
REST = {
    "properties": {"a": [None, {}, "\u2028"]},
    "event_name": "Something Happened",
    "consent": {"ads": False},
}


def search(event: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Turn an event that is about no item into a search now and then, and let a search be for anything."""
    if event["event_type"] in {"page_view", "custom"} and rng.random() < SEARCHES_SHARE:
        event["event_type"] = "search"
    if event["event_type"] == "search":
        event["query"] = QUERIES[int(rng.random() ** 3 * len(QUERIES))]
    return event


def exaggerate(event: dict[str, Any], rng: random.Random) -> None:
    """Let a purchase be paid in more currencies than a row names now and then, or an id be long, in place."""
    if event["event_type"] == "purchase" and rng.random() < MANY_CURRENCIES_SHARE:
        item_id = event["items"][0]["item_id"]
        event["items"] = [
            {"item_id": item_id, "price": rng.randrange(1, 99), "currency": currency}
            for currency in rng.sample(CURRENCIES, rng.choice((7, 8, 9, 12)))
        ]
    if event.get("items") and rng.random() < LONG_ID_SHARE:
        event["items"][0] |= {"item_id": "\u00e9" * 200}  # more bytes than a user's row lists


def judge(event: dict[str, Any], rng: random.Random) -> None:
    """Let an event about one item be a rating or a refund now and then, in place."""
    if event["event_type"] not in {"share", "wishlist_add", "cart_remove"} or rng.random() < 0.6:
        return
    if rng.random() < 0.5:
        event |= {"event_type": "rate", "value": rng.choice((0, 1, 4.5, 5, -100, 100, 101))}
        return
    event |= {"event_type": "refund", "currency": rng.choice(("EUR", "USD"))}
    for item in event["items"]:
        price, quantity = rng.choice(((9.99, 1), (0, 3), (1e12, 3), (-3, 1), (9.99, 0)))
        item |= {"price": price, "quantity": quantity}


def describe(event: dict[str, Any], rng: random.Random) -> None:
    """Say of items what they are, often something else than before, in place."""
    for item in event.get("items", ()):
        if rng.random() < 0.4:
            item["category"] = rng.choice(CATEGORIES)
        if rng.random() < 0.2:
            item |= {"brand": rng.choice(BRANDS), "name": rng.choice((" ", "Schuh", "é" * 100))}
        if rng.random() < 0.2 and "price" not in item:
            item["price"] = rng.randrange(1, 99)


def decorate(event: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Add to an event what else senders say, in place."""
    if rng.random() < 0.3:
        event["context"] = {"locale": rng.choice(LOCALES), "page": {"path": "/"}}
    if rng.random() < 0.15:
        said = {"plan": rng.choice(PLANS), "age": rng.choice(NUMBERS), "nested": {"a": [1]}}
        more = {f"t{rng.randrange(24)}": "x" for _ in range(4)}  # soon more than a row keeps
        event["traits"] = {**event.get("traits", {}), **said, **more}
    if rng.random() < 0.2 and "user_id" in event:
        event["anonymous_id"] = VISITORS[rng.randrange(len(VISITORS))]
    if event["event_type"] == "search":
        event |= {"query": SHOES, "impressions": [f"p{rng.randrange(40)}" for _ in range(3)]}
    if rng.random() < 0.2:
        event |= REST
    if rng.random() < 0.1:
        event |= {"recommendation_id": f"r-{len(event)}", "attribution_source": "newsletter"}
    for item in event.get("items", ()):
        _decorate_item(item, rng)
    return event


def _decorate_item(item: dict[str, Any], rng: random.Random) -> None:
    if rng.random() < 0.3:
        item |= {"name": "Schuh", "category": "shoes", "brand": "B", "variant": "42"}
        number = sum(item["item_id"].encode())  # no further draw: a seed means the same as it did without
        item |= {"list_id": LISTS[number % len(LISTS)], "position": number % 104 - 2}
        if not number % 5:
            del item["position"]
    if rng.random() < 0.1:
        item |= {"price": rng.choice((0, 0.1, 1e-7, 19.995, -5.0)), "currency": rng.choice(("CHF", "GBP"))}
    if rng.random() < 0.02:
        item["item_id"] += "-whose-id-is-too-long-to-be-remembered-as-the-partner-of-any-other"
