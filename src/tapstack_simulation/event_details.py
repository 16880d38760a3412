"""What events have beside what the simulation counts at all times: locales, traits, names, currencies."""

from __future__ import annotations

import random
from typing import Any

LOCALES = ("de-DE", "pt-BR", "日本語", "x" * 80, 7)
PLANS = ("free", "paid", "é" * 70)
NUMBERS = (7, 2.5, True, 2**70, -(2**63))  # two of them no row can hold
REST = {
    "properties": {"a": [None, {}, "\u2028"]},
    "event_name": "Something Happened",
    "consent": {"ads": False},
}


def decorate(event: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Add to an event what else senders say, in place."""
    if rng.random() < 0.3:
        event["context"] = {"locale": rng.choice(LOCALES), "page": {"path": "/"}}
    if rng.random() < 0.15:
        said = {"plan": rng.choice(PLANS), "age": rng.choice(NUMBERS), "nested": {"a": [1]}}
        more = {f"t{rng.randrange(24)}": "x" for _ in range(4)}  # soon more than a row keeps
        event["traits"] = {**event.get("traits", {}), **said, **more}
    if rng.random() < 0.2 and "user_id" in event:
        event["anonymous_id"] = f"visitor{rng.randrange(6)}"
    if event["event_type"] == "search":
        event |= {"query": 'shoes "42" \n', "impressions": [f"p{rng.randrange(40)}" for _ in range(3)]}
    if rng.random() < 0.2:
        event |= REST
    if rng.random() < 0.1:
        event |= {"recommendation_id": "r-1", "attribution_source": "newsletter"}
    for item in event.get("items", ()):
        _decorate_item(item, rng)
    return event


def _decorate_item(item: dict[str, Any], rng: random.Random) -> None:
    if rng.random() < 0.3:
        item |= {"name": "Schuh", "category": "shoes", "brand": "B", "variant": "42", "position": 3}
    if rng.random() < 0.1:
        item |= {"price": rng.choice((0, 0.1, 1e-7, 19.995, -5.0)), "currency": rng.choice(("CHF", "GBP"))}
    if rng.random() < 0.02:
        item["item_id"] += "-whose-id-is-too-long-to-be-remembered-as-the-partner-of-any-other"
