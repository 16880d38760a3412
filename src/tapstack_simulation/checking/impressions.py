"""What was shown where, computed anew: what entries must say, what folding makes of it, how it is answered.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tapstack_simulation.checking.facts import CODES
from tapstack_simulation.checking.past import Past
from tapstack_simulation.checking.rows import WINDOWS, Change, Image, Violation
from tapstack_simulation.checking.views import NAMES, Answer, Partitions, alive, fresh, spelled

GRAIN_S, DAY_S = 300, 86_400
LISTS_MAX, OTHER = 8, 100
LIST_VIEW, CLICK = CODES["item_list_view"], CODES["item_click"]
STEPS = [CODES[name] for name in ("item_view", "cart_add", "checkout_start", "purchase")]
SPANS = {"5m": (0, 1), "1h": (0, 12), "24h": (1, 24), "7d": (2, 7)}  # position in `WINDOWS`, sub-windows


class Showing(NamedTuple):
    """What events of a type did at a place in a grain of time."""

    place: str
    code: int
    grain: int


Counted = dict[Showing, tuple[int, Counter[int]]]  # how many events, and items by position


def add_showings(into: Counted, event: Mapping[str, Any], at_s: int, arrived_s: int) -> None:
    """Add what an event says."""
    code, grain = CODES[event["event_type"]], min(at_s, arrived_s) // GRAIN_S
    items, impressions = event.get("items") or [], event.get("impressions") or []
    if code in STEPS:
        _add(into, Showing("", code, grain), ())
    lists: dict[str, list[int]] = {}
    for number, item in enumerate(items if code in {LIST_VIEW, CLICK} else (), 1):
        name = item.get("list_id")
        if name and (name in lists or len(lists) < LISTS_MAX):
            lists.setdefault(name, []).append(_place(item, number if code == LIST_VIEW else OTHER))
    for name, positions in lists.items():
        _add(into, Showing(f"L#{name}", code, grain), positions)
    if not (recommendation := event.get("recommendation_id")):
        return
    if impressions and code != LIST_VIEW:
        _add(into, Showing(f"R#{recommendation}", LIST_VIEW, grain), range(1, len(impressions) + 1))
    positions = []
    if code == LIST_VIEW:
        positions = [_place(item, number) for number, item in enumerate(items, 1)]
    elif code == CLICK:
        last = {name: number for number, name in enumerate(impressions, 1)}
        positions = [_place(item, last.get(item["item_id"], OTHER)) for item in items]
    _add(into, Showing(f"R#{recommendation}", code, grain), positions)


def _place(item: Mapping[str, Any], otherwise: int) -> int:
    said = item.get("position")
    return otherwise if said is None else said


def _add(into: Counted, key: Showing, positions: Iterable[int]) -> None:
    count, known = into.get(key, (0, Counter[int]()))
    into[key] = count + 1, known + Counter(each if 0 <= each < OTHER else OTHER for each in positions)


def read_showings(stored: Sequence[Any], arrived_s: int) -> Counted:
    """Read what an entry says."""
    found: Counted = {}
    for place, code, before, *rest in stored:
        key = Showing(place, code, arrived_s // GRAIN_S - before)
        if key in found:
            raise Violation(2, f"an entry says twice what {key} was")
        found[key] = rest[0] if rest else 1, Counter(rest[1] if rest[1:] else {})
    return found


def check_showings(change: Change, entries: Iterable[tuple[Counted, int]]) -> None:
    """Check a row of a place against the entries, with their arrivals, that were folded into it.

    Raises
    ------
    Violation
        If it is not what they make of the row before.
    """
    ((lifetime, windows, newest_s), days), after = change.states()
    place = change.key[0][2:]
    lifetime, windows = dict(lifetime), [{n: dict(c) for n, c in held.items()} for held in windows]
    days = {day: {position: list(pair) for position, pair in held.items()} for day, held in days.items()}
    for counted, arrived_s in entries:
        for key, (count, positions) in sorted(counted.items()):
            if key.place != place:
                continue
            newest_s = max(newest_s, arrived_s)
            lifetime[key.code] = lifetime.get(key.code, 0) + count
            for held, (_, length_s, kept) in zip(windows, WINDOWS, strict=True):
                number = key.grain * GRAIN_S // length_s
                if number >= newest_s // length_s - kept:
                    into = held.setdefault(number, {})
                    into[key.code] = into.get(key.code, 0) + count
            day = 0 if place.startswith("R#") else key.grain * GRAIN_S // DAY_S
            for position, n in positions.items():
                pair = days.setdefault(day, {}).setdefault(position, [0, 0])
                pair[key.code == CLICK] += n
    oldest = 0 if place.startswith("R#") else newest_s // DAY_S - WINDOWS[2][2]
    windows = [
        {number: counts for number, counts in held.items() if number >= newest_s // length_s - kept}
        for held, (_, length_s, kept) in zip(windows, WINDOWS, strict=True)
    ]
    wanted = [[lifetime, windows, newest_s], {day: held for day, held in days.items() if day >= oldest}]
    if wanted != after:
        raise Violation(2, f"{change.key} holds {after}; the entries make {wanted}")


def list_answer(partitions: Partitions, list_id: str, now_s: int, days: int) -> Answer | None:
    """Return the expected answer about a list; None for 404."""
    rows = alive(partitions, f"P#L#{list_id}", now_s)
    today = now_s // DAY_S
    if not rows:
        return None
    head = {"list_id": list_id, "from": spelled((today - days) * DAY_S), "to": spelled((today + 1) * DAY_S)}
    return {**head, **_positions(rows, today - days), **fresh(now_s)}


def recommendation_answer(partitions: Partitions, name: str, now_s: int) -> Answer | None:
    """Return the expected answer about a recommendation; None for 404."""
    rows = alive(partitions, f"P#R#{name}", now_s)
    if not rows:
        return None
    counts = sum((Counter(row[0][0]) for row in rows), Counter[int]())
    head = {"recommendation_id": name, "counts": {NAMES[code]: count for code, count in counts.items()}}
    return {**head, **_positions(rows, 0), **fresh(now_s)}


def conversion_answer(partitions: Partitions, window: str, now_s: int) -> Answer:
    """Return the expected answer about conversion."""
    position, hops = SPANS[window]
    length_s = WINDOWS[position][1]
    first, last = now_s // length_s - hops, now_s // length_s
    counts = Counter[int]()
    for row in alive(partitions, "P#", now_s):
        for number, held in row[0][1][position].items():
            if first <= number <= last:
                counts.update(held)
    steps = [
        {
            "event_type": NAMES[code],
            "events": counts[code],
            "of_previous": _rate(counts[code], counts[STEPS[number - 1]]) if number else None,
            "of_views": _rate(counts[code], counts[STEPS[0]]),
        }
        for number, code in enumerate(STEPS)
    ]
    head = {"window": window, "from": spelled(first * length_s), "to": spelled((last + 1) * length_s)}
    return {**head, "steps": steps, **fresh(now_s)}


def _positions(rows: Iterable[Any], first_day: int) -> Answer:
    total: dict[int, list[int]] = {}
    for row in rows:
        for day, held in row[1].items():
            for position, pair in held.items() if day >= first_day else ():
                known = total.setdefault(position, [0, 0])
                known[:] = known[0] + pair[0], known[1] + pair[1]
    every = [sum(pair[side] for pair in total.values()) for side in (0, 1)]
    return {
        **_shares(*every),
        "positions": [
            {"position": position if position < OTHER else None, **_shares(*total[position])}
            for position in sorted(total)
        ],
    }


def _shares(seen: int, clicked: int) -> Answer:
    return {"impressions": seen, "clicks": clicked, "click_rate": _rate(clicked, seen)}


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def hold_list(past: Past, list_id: str, now_s: int, days: int, answer: Answer | None) -> None:
    """Check the answer about a list while everything changes: no position is above or below what rows had."""
    rows = past.of(f"P#L#{list_id}", now_s)
    if answer is None:
        if not all(None in versions for versions in rows):
            raise Violation(11, f"list {list_id} is not known, yet it had rows all the time")
        return
    first = now_s // DAY_S - days
    versions = [[_figures(state, first) for state in row] for row in rows]
    shown = {
        (OTHER if each["position"] is None else each["position"], side): each[name]
        for each in answer["positions"]
        for side, name in enumerate(("impressions", "clicks"))
    }
    for figure in {**{key: 0 for row in versions for each in row for key in each}, **shown}:
        amounts = [[each.get(figure, 0) for each in row] for row in versions]
        if not sum(map(min, amounts)) <= shown.get(figure, 0) <= sum(map(max, amounts)):
            raise Violation(11, f"list {list_id} is shown with {shown.get(figure, 0)} of {figure}: {amounts}")


def _figures(state: Any, first_day: int) -> dict[tuple[int, int], int]:
    figures: dict[tuple[int, int], int] = {}
    for day, held in state[1].items() if state is not None else ():
        for position, pair in held.items() if day >= first_day else ():
            for side in (0, 1):
                figures[position, side] = figures.get((position, side), 0) + pair[side]
    return figures


def places(partitions: Mapping[str, Sequence[Image]], kind: str) -> list[str]:
    """Return the lists or recommendations that there are rows of."""
    return sorted(pk.removeprefix(f"P#{kind}#") for pk in partitions if pk.startswith(f"P#{kind}#"))
