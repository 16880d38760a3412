"""What the recommender must answer, worked out from rows as they are stored; shares no code with the product.

The rule is that of docs/reference/recommender.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import sqrt
from typing import Any

import msgspec

from tapstack_simulation.checking.boards import ITEMS, NEWEST, rankings
from tapstack_simulation.checking.facts import CODES, INTEREST
from tapstack_simulation.checking.item_facts import ANY, Wanted, known_in, together
from tapstack_simulation.checking.past import FRESHNESS, Past, hold_shape
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.checking.views import Answer, Partitions, alive, spelled

DECAY, HOP, SEEN = 0.8, 0.2, 1.0
VOTERS_MAX = 10  # of each hop
WHY_MAX = 3
FILTERED_MAX = 200  # of the items in order, those that a filter looks at
DIGITS = 9
DAYS = 7
DAY_S = 86_400
PURCHASE = CODES["purchase"]

Part = tuple[float, str, str | None, int]  # of a score: how much, from whom, by way of whom, how many pairs


def similar_answer(partitions: Partitions, item_id: str, now_s: int, n: int, wanted: Wanted = ANY) -> Answer:
    """Return the items that go with one, and behind them popular ones."""
    return _answer(partitions, [item_id], now_s, n, out={item_id}, seen=False, wanted=wanted)


def matches(partitions: Partitions, item: str, now_s: int, wanted: Wanted) -> bool:
    """Return whether an item's rows say that it is what is wanted."""
    return wanted == ANY or wanted.accepts(
        together(known_in(state) for state in alive(partitions, f"I#{item}", now_s))
    )


def user_recommendations(
    partitions: Partitions,
    user_id: str,
    now_s: int,
    n: int,
    *,
    seen: bool,
    wanted: Wanted = ANY,
    visitors: Sequence[Any] = (),
) -> Answer:
    """Return what is recommended to a user, or else to the visitor of that id; never what was bought.

    Parameters
    ----------
    partitions, user_id, now_s, n
        The table, who, when, and how many items at most.
    seen
        Whether items of the history may be recommended.
    wanted
        What an item must be.
    visitors
        Rows whose history is the user's, too.
    """
    states = [state for kind in "UA" for state in alive(partitions, f"{kind}#{user_id}", now_s)]
    if not states:
        return _answer(partitions, [], now_s, n, out=set(), seen=seen, wanted=wanted)
    rows = [states[0], *(visitors if alive(partitions, f"U#{user_id}", now_s) else ())]
    recent = [entry for row in rows for entry in row[3]]
    sessions = [session for row in rows for session in row[4][0]]
    touched = [(code, item) for at_s, code, item, ms, *_ in _newest_first(recent) if code in INTEREST]
    history = list(dict.fromkeys(item for _, item in touched))
    bought = {item for code, item in touched if code == PURCHASE} | {
        item for session in sessions for item in session[5]
    }
    out = bought | set(history[:1] if seen else history)
    return _answer(partitions, history, now_s, n, out=out, seen=seen, wanted=wanted)


def _newest_first(recent: Sequence[Any]) -> list[Any]:
    return sorted(recent, key=lambda entry: (-entry[0], -entry[3], -entry[1], entry[2]))


def _answer(
    partitions: Partitions,
    history: Sequence[str],
    now_s: int,
    n: int,
    *,
    out: set[str],
    seen: bool,
    wanted: Wanted = ANY,
) -> Answer:
    newest = history[:VOTERS_MAX]
    partners = {item: _partners(partitions, item, now_s) for item in newest}
    parts: dict[str, list[Part]] = {}
    for rank, source in enumerate(newest):
        _vote(parts, DECAY**rank, source, None, partners[source] or {})
    first = {item: _sum(found) for item, found in parts.items() if item not in newest}
    bridges = sorted(first, key=lambda item: (-round(first[item], DIGITS), item))[:VOTERS_MAX]
    sources = {bridge: _strongest_first(parts[bridge])[0][1] for bridge in bridges}
    for bridge in bridges:
        _vote(parts, HOP * first[bridge], sources[bridge], bridge, _partners(partitions, bridge, now_s) or {})
    for rank, item in enumerate(newest[1:] if seen else ()):
        parts.setdefault(item, []).append((SEEN * DECAY**rank, item, None, 0))
    popular = _popular(partitions, now_s)
    found = sorted((parts.keys() | popular.keys()) - out)
    found.sort(key=lambda item: (-_score(parts.get(item, ())), -popular.get(item, 0)))
    if wanted != ANY:
        found = [item for item in found[:FILTERED_MAX] if matches(partitions, item, now_s, wanted)]
    return {
        "recommendation_id": _named(found[:n]),
        "based_on": [item for item in newest if partners[item] is not None],
        "items": [
            {
                "item_id": item,
                "score": _score(parts.get(item, ())),
                "why": _reasons(parts.get(item, ()), popular.get(item, 0)),
            }
            for item in found[:n]
        ],
        "as_of": spelled(now_s),
        "since": None,
    }


def _vote(
    parts: dict[str, list[Part]], weight: float, source: str, via: str | None, partners: Mapping[str, int]
) -> None:
    for item, pairs in partners.items():
        share = weight * pairs / sqrt(sum(partners.values()))
        parts.setdefault(item, []).append((share, source, via, pairs))


def _score(parts: Sequence[Part]) -> float:
    return round(_sum(parts), DIGITS)


def _sum(parts: Sequence[Part]) -> float:
    return sum(part[0] for part in parts)


def _strongest_first(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: -round(part[0], DIGITS))


def _reasons(parts: Sequence[Part], popularity: int) -> list[Answer]:
    if not parts:
        reason = {"reason": "popular", "item_id": None, "via": None, "count": popularity, "score": 0.0}
        return [reason] if popularity else []
    return [
        {
            "reason": "pairs" if pairs else "seen",
            "item_id": source,
            "via": via,
            "count": pairs,
            "score": round(share, DIGITS),
        }
        for share, source, via, pairs in _strongest_first(parts)[:WHY_MAX]
    ]


def _partners(partitions: Partitions, item: str, now_s: int) -> dict[str, int] | None:
    """Add up an item's pairs, of views and of purchases; None if nothing is known of it."""
    states = alive(partitions, f"I#{item}", now_s)
    total: dict[str, int] = {}
    for counts in (state[position] for state in states for position in (1, 2)):
        for partner, count in counts.items():
            total[partner] = total.get(partner, 0) + count
    return total if states else None


def _popular(partitions: Partitions, now_s: int) -> dict[str, int]:
    """Add up what the leaderboards hold of the last days."""
    boards = alive(partitions, "T#1d", now_s)
    last = max([now_s // DAY_S, *(board[NEWEST] for board in boards)])
    total: dict[str, int] = {}
    for board in boards:
        for item, series in board[ITEMS].items():
            held = rankings(series, board[NEWEST] - last + DAYS)
            count = sum(n for code, n in held.items() if code in INTEREST)
            total |= {item: total.get(item, 0) + count} if count else {}
    return total


def _named(ids: list[str]) -> str:
    """Return the id of a list of recommended items."""
    return blake2b(msgspec.msgpack.encode(ids), digest_size=12, person=b"recommendation").hexdigest()


def _states(past: Past, item: str, now_s: int) -> list[Any]:
    return [state for versions in past.of(f"I#{item}", now_s) for state in versions if state is not None]


def hold_recommendations(past: Past, now_s: int, n: int, answer: Answer, wanted: Wanted = ANY) -> None:
    """Check recommendations while everything changes: no reason that the rows never gave."""
    hold_shape("recommendations", set(answer), {"recommendation_id", "based_on", "items", *FRESHNESS})
    ids = [item["item_id"] for item in answer["items"]]
    if answer["recommendation_id"] != _named(ids):
        raise Violation(11, f"recommendations of {ids} are called {answer['recommendation_id']}")
    scores = [item["score"] for item in answer["items"]]
    if len(ids) > n or len(set(ids)) < len(ids) or scores != sorted(scores, reverse=True):
        raise Violation(11, f"recommendations are not in order, or more than {n}: {answer['items']}")
    for item in answer["items"]:
        if wanted != ANY and not _may_be(wanted, _states(past, item["item_id"], now_s)):
            raise Violation(11, f"{item['item_id']} is recommended, which no row said to be {wanted}")
        for reason in item["why"]:
            if reason["reason"] == "pairs":
                _hold_pairs(past, now_s, reason["via"] or reason["item_id"], item["item_id"], reason["count"])


def _may_be(wanted: Wanted, states: Sequence[Any]) -> bool:
    """Return whether rows may have said that an item is what is wanted: one its category, one its price."""
    known = [known_in(state) for state in states]
    prices = [{"price": each["price"]} for each in known if "price" in each]
    return any(wanted.accepts({**one, **price}) for one in known for price in (prices or [{}]))


def _hold_pairs(past: Past, now_s: int, item: str, partner: str, shown: int) -> None:
    least = most = 0
    for versions in past.of(f"I#{item}", now_s):
        counts = [
            0 if state is None else state[1].get(partner, 0) + state[2].get(partner, 0) for state in versions
        ]
        least, most = least + min(counts), most + max(counts)
    if not least <= shown <= most:
        raise Violation(
            11, f"{partner} is recommended for {shown} pairs with {item}, which had {least} to {most}"
        )
