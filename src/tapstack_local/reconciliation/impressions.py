"""What was shown where and what came of it: what events say, and what rows of places hold, as counters.

A place has a counter of events by type under its name, and one for each day and position: how many items were
shown there, and clicked. A recommendation has no days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tapstack_local.reconciliation.counters import Counters

LISTS_MAX, OTHER_POSITION, DAYS_KEPT = 8, 100, 7
SHOWN, CLICKED = 3, 2  # codes of `item_list_view` and `item_click`
STEPS = ("item_view", "cart_add", "checkout_start", "purchase")
DAY_S = 86_400


class Showing(NamedTuple):
    """What an event says of a place."""

    place: str
    code: int
    positions: tuple[int, ...] = ()


def showings_of(event: Mapping[str, Any], codes: Mapping[str, int]) -> tuple[Showing, ...]:
    """Return what an event says."""
    kind = event["event_type"]
    items: Sequence[Any] = event.get("items") or ()
    found = [Showing("", codes[kind])] if kind in STEPS else []
    names = list(dict.fromkeys(item["list_id"] for item in items if item.get("list_id")))
    for name in names[:LISTS_MAX] if kind in {"item_list_view", "item_click"} else ():
        places = [
            _position(item, number if kind == "item_list_view" else OTHER_POSITION)
            for number, item in enumerate(items, 1)
            if item.get("list_id") == name
        ]
        found.append(Showing(f"L#{name}", codes[kind], tuple(places)))
    if event.get("recommendation_id"):
        found += _of_recommendation(event, f"R#{event['recommendation_id']}", codes)
    return tuple(found)


def _of_recommendation(event: Mapping[str, Any], place: str, codes: Mapping[str, int]) -> list[Showing]:
    kind, items = event["event_type"], event.get("items") or ()
    impressions = list(event.get("impressions") or ())
    if kind == "item_list_view":
        shown = tuple(_position(item, number) for number, item in enumerate(items, 1))
        return [Showing(place, SHOWN, shown)]
    beside = [Showing(place, SHOWN, tuple(range(1, len(impressions) + 1)))] if impressions else []
    where = {name: number for number, name in enumerate(impressions, 1)}
    clicked = [_position(item, where.get(item["item_id"], OTHER_POSITION)) for item in items]
    return [*beside, Showing(place, codes[kind], tuple(clicked) if kind == "item_click" else ())]


def _position(item: Mapping[str, Any], otherwise: int) -> int:
    return otherwise if item.get("position") is None else int(item["position"])


def add_showings(into: dict[str, Counters], shown: Iterable[Showing], at_s: int) -> None:
    """Add what an event says, under the names that rows have."""
    for place, code, positions in shown:
        _add(into, f"P#{place}", code)
        day = 0 if place.startswith("R#") else at_s // DAY_S
        for position in positions:
            bounded = position if 0 <= position < OTHER_POSITION else OTHER_POSITION
            _add(into, _name(place, day, bounded), CLICKED if code == CLICKED else SHOWN)


def read_place(place: str, body: Any, oldest_day: int) -> dict[str, Counters]:
    """Return what a row of a place holds, under the same names; of its days those from one on."""
    (lifetime, _, _), days, *_ = body
    found: dict[str, Counters] = {f"P#{place}": dict(lifetime)}
    for day, held in days.items():
        for position, (shown, clicked) in held.items() if day >= oldest_day else ():
            pair: Counters = {SHOWN: shown, CLICKED: clicked}
            found[_name(place, day, position)] = {code: count for code, count in pair.items() if count}
    return found


def _name(place: str, day: int, position: int) -> str:
    return f"P#{place} day {day} position {position}"


def _add(into: dict[str, Counters], name: str, code: int) -> None:
    counters = into.setdefault(name, {})
    counters[code] = counters.get(code, 0) + 1


def kept(by_name: Mapping[str, Counters], oldest: Mapping[str, int]) -> dict[str, Counters]:
    """Return the counters of those days that every row of their place still keeps."""
    found: dict[str, Counters] = {}
    for name, counters in by_name.items():
        place, day_said, day = name.partition(" day ")
        if not day_said or int(day.split()[0]) >= oldest.get(place.removeprefix("P#"), 0):
            found[name] = counters
    return found
