"""How good the items' bounded co-occurrence maps are, against counting every pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tapstack_local.reconciliation.accepted_events import Identity, identity_of
from tapstack_local.reconciliation.tables import Tables

SESSION_GAP_S = 30 * 60
PARTNERS = 2  # a view pairs with the two distinct items viewed before it
REMEMBERED = 8  # distinct items a session remembers; a view of one of them is no new pair

Pairs = dict[str, Counter[str]]


def viewed_pairs(events: Iterable[Mapping[str, Any]]) -> Pairs:
    """Count every pair of items viewed together, without bounds.

    Parameters
    ----------
    events
        In the order in which they were sent; copies are left out.
    """
    seen: set[Identity] = set()
    trails: dict[tuple[str, object], tuple[float, list[str]]] = {}
    pairs: Pairs = {}
    for event in events:
        identity = identity_of(event)
        if identity in seen or event["event_type"] != "item_view":
            continue
        seen.add(identity)
        at_s = datetime.fromisoformat(event["occurred_at"]).timestamp()
        place = identity[0], event.get("session_id")
        last_s, trail = trails.get(place, (at_s, []))
        if place[1] is None and abs(at_s - last_s) > SESSION_GAP_S:
            trail = []
        for item in event["items"]:
            trail = _view(pairs, trail, item["item_id"])
        trails[place] = max(at_s, last_s), trail
    return pairs


def recall(pairs: Pairs, tables: Tables, k: int = 10) -> float:
    """Return how much of the true `k` most frequent partners the items' maps name among their first `k`.

    Parameters
    ----------
    pairs
        Every pair, counted.
    tables
        The rows as read back.
    k
        How many partners a reader asks for.

    Returns
    -------
    float
        The mean over the items with pairs, ``0..1``. Where partners tie at the end, each is right.
    """
    shares = []
    for item, true in pairs.items():
        held: Counter[str] = Counter()
        for row in tables.items.get(item, {}).values():
            held.update(row.viewed_with)
        wanted = min(k, len(true))
        least = true.most_common(wanted)[-1][1]
        named = sorted(held, key=lambda partner: (-held[partner], partner))[:k]
        right = sum(true[partner] >= least for partner in named)
        shares.append(min(right, wanted) / wanted)
    return sum(shares) / len(shares) if shares else 1.0


def _view(pairs: Pairs, trail: list[str], item: str) -> list[str]:
    if item in trail:
        return [*(other for other in trail if other != item), item]
    for partner in trail[-PARTNERS:]:
        pairs.setdefault(item, Counter())[partner] += 1
        pairs.setdefault(partner, Counter())[item] += 1
    return [*trail, item][-REMEMBERED:]
