"""What each view must answer, worked out from rows as they are stored; shares no code with the product.

Positions of fields are those of docs/reference/table.md, answers those of docs/reference/insights-api.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from tapstack_simulation.checking.facts import CODES, NO_CURRENCY, Amounts, is_full, merge
from tapstack_simulation.checking.item_facts import (
    GIVEN_BACK,
    RATINGS,
    RATINGS_SUM,
    SOLD,
    amounts_in,
    described,
    known_in,
    rates,
    together,
)
from tapstack_simulation.checking.rows import (
    BOUGHT_WITH_MAX,
    VIEWED_WITH_MAX,
    WINDOWS,
    Image,
    Key,
    is_beside,
)
from tapstack_simulation.checking.search_terms import merged

Answer = dict[str, Any]
Partitions = Mapping[str, list[Image]]
OPEN_S = 30 * 60  # how long after its last event a session is open
NAMES = {code: name for name, code in CODES.items()}


def by_partition(rows: Mapping[Key, Image]) -> dict[str, list[Image]]:
    """Put the rows of each partition together."""
    found: dict[str, list[Image]] = {}
    for key, image in rows.items():
        if not is_beside(key):
            found.setdefault(key[0], []).append(image)
    return found


def alive(partitions: Partitions, pk: str, now_s: int) -> list[Any]:
    """List the states of a partition's rows that have not expired."""
    return [image.state for image in partitions.get(pk, ()) if image.ttl_s == 0 or image.ttl_s > now_s]


def user_answer(partitions: Partitions, user_id: str, now_s: int) -> Answer | None:
    """Return the expected answer about a user; None for 404."""
    for kind in "UA":
        for state in alive(partitions, f"{kind}#{user_id}", now_s):
            return described_user(user_id, state, now_s, is_known=kind == "U")
    return None


def described_user(user_id: str, state: Any, now_s: int, *, is_known: bool) -> Answer:
    """Put a user's row into words."""
    _, (first_s, last_s, locale, traits, _, aliases, *_), counters, recent, (newest, earlier, *_), *_ = state
    sessions = [_session(session) for session in newest]
    is_open = bool(newest) and newest[-1][2] + OPEN_S >= now_s
    return {
        "user_id" if is_known else "anonymous_id": user_id,
        **in_words(counters),
        "value_incomplete": is_incomplete(counters),
        "first_seen": spelled(first_s),
        "last_seen": spelled(last_s),
        "locale": locale,
        "traits": traits,
        "anonymous_ids": aliases,
        "recent_items": [
            {"item_id": item_id, "event_type": NAMES[code], "at": spelled_ms(at_s, ms)}
            for at_s, code, item_id, ms, *_ in sorted(recent, key=lambda entry: (-entry[0], -entry[3]))
        ],
        "sessions": {
            "count": earlier + len(newest),
            "open": sessions[-1] if is_open else None,
            "recent": sessions[::-1],
        },
    }


def _session(session: Any) -> Answer:
    label, start_s, end_s, counters, viewed, bought, *_ = session
    return {
        "session_id": label,
        "start": spelled(start_s),
        "end": spelled(end_s),
        **in_words(counters),
        "viewed_items": viewed,
        "bought_items": bought,
    }


def item_answer(partitions: Partitions, item_id: str, now_s: int) -> Answer | None:
    """Return the expected answer about an item; None for 404."""
    stripes = alive(partitions, f"I#{item_id}", now_s)
    if not stripes:
        return None
    lifetime: Amounts = {}
    windows: dict[str, dict[int, Amounts]] = {name: {} for name, _, _ in WINDOWS}
    said: Amounts = {}
    for amounts, *_ in map(amounts_in, stripes):
        merge(said, amounts)
    for (amounts, numbered, *_), *_ in stripes:
        merge(lifetime, amounts)
        for (name, length_s, kept), held in zip(WINDOWS, numbered, strict=True):
            for number, added in held.items():
                if number > now_s // length_s - kept:  # the oldest kept may be gone in another stripe
                    merge(windows[name].setdefault(number, {}), added)
    shown = {
        name: [
            {
                "start": spelled(number * length_s),
                **(counted := in_words(amounts)),
                "units": sum(units_in(stripe, position, number) for stripe in stripes),
                "rates": rates(counted["counts"]),
            }
            for number, amounts in sorted(windows[name].items(), key=lambda entry: -entry[0])
        ]
        for position, (name, length_s, _) in enumerate(WINDOWS)
    }
    lacks = any(item_is_incomplete(stripe) for stripe in stripes)
    head = {"item_id": item_id, **(counted := in_words(lifetime)), "value_incomplete": lacks}
    known = described(together(known_in(stripe) for stripe in stripes))
    return {**head, **known, **_figures(counted, said), "windows": shown, **fresh(now_s)}


def _figures(counted: Answer, said: Amounts) -> Answer:
    """Put what events say in numbers into words, and the rates."""
    back = {str(key): amount / 1e6 for key, amount in said.items() if isinstance(key, str)}
    value: dict[str, float] = counted["value"]
    net = {key: value.get(key, 0) - back.get(key, 0) for key in [*value, *back]}
    count = said.get(RATINGS, 0)
    return {
        "units": said.get(SOLD, 0),
        "refunds": {"units": said.get(GIVEN_BACK, 0), "value": back},
        "net_value": net,
        "ratings": {"count": count, "mean": said[RATINGS_SUM] / 1e6 / count if count else None},
        "rates": rates(counted["counts"]),
    }


def units_in(stripe: Any, position: int, number: int) -> int:
    """Return how many units of an item were sold in a window, by its row in a stripe."""
    sold: int = amounts_in(stripe)[1][position].get(number, {}).get(SOLD, 0)
    return sold


def item_is_incomplete(stripe: Any) -> bool:
    """Return whether a currency of an item's row may be under XXX."""
    return is_incomplete(stripe[0][0]) or is_incomplete(amounts_in(stripe)[0])


def partners_answer(
    partitions: Partitions, item_id: str, now_s: int, *, bought: bool, n: int
) -> Answer | None:
    """Return the expected partners of an item; None for 404."""
    stripes = alive(partitions, f"I#{item_id}", now_s)
    if not stripes:
        return None
    maps = [stripe[2 if bought else 1] for stripe in stripes]
    places = BOUGHT_WITH_MAX if bought else VIEWED_WITH_MAX
    ranking, code = _ranking(maps, places, n), CODES["purchase" if bought else "item_view"]
    shop, own = _events(partitions, "P#", code, now_s), _events(partitions, f"I#{item_id}", code, now_s)
    for each in ranking["items"]:
        chance = own * _events(partitions, f"I#{each['item_id']}", code, now_s)
        each["support"] = each["count"] / shop if shop else None
        each["lift"] = each["count"] * shop / chance if shop and chance else None
    return {"item_id": item_id, **ranking, **fresh(now_s)}


def _events(partitions: Partitions, pk: str, code: int, now_s: int) -> int:
    """Add up what the rows of an item, or of the shop, count of a type over their lifetimes."""
    return sum(state[0][0].get(code, 0) for state in alive(partitions, pk, now_s))


def search_terms_answer(partitions: Partitions, position: int, now_s: int, n: int) -> Answer:
    """Return the search terms of the window that a moment is in, or of the one before if it is empty."""
    name, length_s, _ = WINDOWS[position]
    number = now_s // length_s
    if not any(alive(partitions, f"Q#{name}#{number}", now_s)):
        number -= 1
    counts, searches = merged(alive(partitions, f"Q#{name}#{number}", now_s))
    ranked = sorted(sorted(counts.items()), key=lambda entry: -entry[1])
    return {
        "window": name,
        "start": spelled(number * length_s),
        "end": spelled((number + 1) * length_s),
        "searches": searches,
        "terms": [{"term": term, "count": count} for term, count in ranked[:n]],
        "count_error_max": 0,
        **fresh(now_s),
    }


def fresh(now_s: int) -> Answer:
    """Return what an answer says of itself once everything is folded."""
    return {"as_of": spelled(now_s), "since": None}


def _ranking(maps: Iterable[Mapping[str, int]], places: int, n: int) -> Answer:
    total: dict[str, int] = {}
    error = 0
    for counts in maps:
        for item_id, count in counts.items():
            total[item_id] = total.get(item_id, 0) + count
        error += lowest(counts, places)
    ranked = sorted(total.items())
    ranked.sort(key=lambda entry: entry[1], reverse=True)  # stable: ties stay in the order of their ids
    items = [{"item_id": item_id, "count": count} for item_id, count in ranked[:n]]
    return {"items": items, "count_error_max": error}


def lowest(counts: Mapping[str, int], places: int) -> int:
    """Return the largest error of a map: its lowest count if it is full, else 0."""
    return min(counts.values()) if len(counts) >= places else 0


def is_incomplete(amounts: Amounts) -> bool:
    """Return whether amounts of further currencies may be under XXX."""
    return NO_CURRENCY in amounts and is_full(amounts)


def event_count(state: Any) -> int:
    """Return how many events a user's row counts."""
    return sum(amount for key, amount in state[2].items() if isinstance(key, int))


def in_words(amounts: Amounts) -> Answer:
    """Put counters into words."""
    counts = {NAMES[key]: amount for key, amount in amounts.items() if isinstance(key, int)}
    value = {key: amount / 1_000_000 for key, amount in amounts.items() if isinstance(key, str)}
    return {"events": sum(counts.values()), "counts": counts, "value": value}


@lru_cache(maxsize=4096)  # the same few moments again and again
def spelled(at_s: int) -> str:
    """Write a moment as the API does."""
    return f"{datetime.fromtimestamp(at_s, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"


def spelled_ms(at_s: int, ms: int) -> str:
    """Write a moment as the API does, with milliseconds."""
    return f"{spelled(at_s)[:-1]}.{ms:03d}Z"
