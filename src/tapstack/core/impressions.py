"""What was shown where, and what came of it: by list, by recommendation, and for the whole shop.

A *placement* is ``L#<list_id>``, ``R#<recommendation_id>``, or empty for the shop, whose steps from a view to
a purchase are counted there. Times are kept to `GRAIN_S`, all that windows need, and equal ones added up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tapstack.core.aggregates import WINDOWS, Windowed, add_in_windows, window_numbers
from tapstack.core.events import TYPE_CODE, CountedItem, Event

GRAIN_S = 300
LISTS_MAX = 8  # of an event; further ones are not counted
POSITIONS_MAX = 100  # counted by themselves, 0 to 99; all others as the last one
OTHER_POSITION = POSITIONS_MAX
SHOP = ""
SHOWN, CLICKED = TYPE_CODE["item_list_view"], TYPE_CODE["item_click"]
STEPS = tuple(TYPE_CODE[name] for name in ("item_view", "cart_add", "checkout_start", "purchase"))
_DAY = WINDOWS[-1]
_LIFETIME = 0  # in place of a day, for a recommendation


class Shown(msgspec.Struct, gc=False, frozen=True):
    """What events of one type did at a placement in a grain of time.

    Parameters
    ----------
    placement
        Where.
    code
        The event type; `SHOWN` for what was shown beside an event of another type, too.
    at_s
        The grain's beginning, Unix seconds.
    count
        How many events.
    positions
        Of items that were shown or clicked: how many at each.
    """

    placement: str
    code: int
    at_s: int
    count: int
    positions: Mapping[int, int] = {}


class Showings(msgspec.Struct, gc=False, array_like=True):
    """What is kept of a placement.

    Parameters
    ----------
    counters
        Events by type.
    positions
        By day since 1970 (of a recommendation all together, under 0), then by position: how often an item
        was shown there, and clicked.
    """

    counters: Windowed = msgspec.field(default_factory=Windowed)
    positions: dict[int, dict[int, tuple[int, int]]] = {}


def list_placement(list_id: str) -> str:
    """Return the placement of a list."""
    return f"L#{list_id}"


def recommendation_placement(recommendation_id: str) -> str:
    """Return the placement of a recommendation."""
    return f"R#{recommendation_id}"


def shown_by(event: Event, at_s: int, arrived_s: int) -> list[Shown]:
    """Return what an event says of placements.

    Parameters
    ----------
    event
        An event that was judged NEW.
    at_s, arrived_s
        Its own time, and when its record arrived at the stream, Unix seconds.
    """
    code = TYPE_CODE[event.event_type]
    grain_s = min(at_s, arrived_s) // GRAIN_S * GRAIN_S
    found = [Shown(SHOP, code, grain_s, 1)] if code in STEPS else []
    if code in {SHOWN, CLICKED}:
        lists = _by_list(event.items, is_shown=code == SHOWN)
        found += [
            Shown(list_placement(name), code, grain_s, 1, _counted(each)) for name, each in lists.items()
        ]
    if event.recommendation_id:
        placement = recommendation_placement(event.recommendation_id)
        if event.impressions and code != SHOWN:
            shown = _counted(range(1, len(event.impressions) + 1))  # the hundredth is `OTHER_POSITION`
            found.append(Shown(placement, SHOWN, grain_s, 1, shown))
        found.append(Shown(placement, code, grain_s, 1, _counted(_recommended(event, code))))
    return found


def _by_list(items: Sequence[CountedItem], *, is_shown: bool) -> dict[str, list[int]]:
    lists: dict[str, list[int]] = {}
    for number, item in enumerate(items, 1):
        if item.list_id and (item.list_id in lists or len(lists) < LISTS_MAX):
            positions = lists.setdefault(item.list_id, [])
            positions.append(_position(item, number if is_shown else OTHER_POSITION))
    return lists


def _recommended(event: Event, code: int) -> list[int]:
    """Return where the items of a recommendation were shown or clicked; nothing for other events."""
    if code == SHOWN:
        return [_position(item, number) for number, item in enumerate(event.items, 1)]
    if code == CLICKED:
        numbers = {item_id: number for number, item_id in enumerate(event.impressions, 1)}
        return [_position(item, numbers.get(item.item_id, OTHER_POSITION)) for item in event.items]
    return []


def _position(item: CountedItem, otherwise: int) -> int:
    position = otherwise if item.position is None else item.position
    return position if 0 <= position < POSITIONS_MAX else OTHER_POSITION


def _counted(positions: Iterable[int]) -> dict[int, int]:
    return dict(Counter(positions))


def added_up(found: Iterable[Shown]) -> list[Shown]:
    """Add up what is alike; in an order that says nothing of who did it."""
    counts: dict[tuple[str, int, int], int] = {}
    positions: dict[tuple[str, int, int], dict[int, int]] = {}
    for each in found:
        key = (each.placement, each.code, each.at_s)
        counts[key] = counts.get(key, 0) + each.count
        into = positions.setdefault(key, {})
        for position, count in each.positions.items():
            into[position] = into.get(position, 0) + count
    return [Shown(*key, counts[key], dict(sorted(positions[key].items()))) for key in sorted(counts)]


def count_showing(state: Showings, shown: Shown, arrived_s: int) -> None:
    """Count what was shown or came of it, in place.

    Parameters
    ----------
    state
        What is kept of the placement.
    shown
        Of an entry.
    arrived_s
        When the entry's newest record arrived, Unix seconds.
    """
    add_in_windows(state.counters, {shown.code: shown.count}, window_numbers(shown.at_s), arrived_s)
    is_lasting = shown.placement.startswith("R#")
    day = _LIFETIME if is_lasting else _DAY.number(shown.at_s)
    oldest = _LIFETIME if is_lasting else _DAY.oldest_kept(state.counters.arrived_s)
    if shown.positions and day >= oldest:
        counted = state.positions.setdefault(day, {})
        for position, count in shown.positions.items():
            seen, clicked = counted.get(position, (0, 0))
            is_click = shown.code == CLICKED
            counted[position] = (seen + count * (not is_click), clicked + count * is_click)
    for old in [each for each in state.positions if each < oldest]:
        del state.positions[old]


def positions_of(rows: Iterable[Showings], first_day: int) -> dict[int, tuple[int, int]]:
    """Add up stripes of a placement: by position, how often something was shown since a day, and clicked."""
    total: dict[int, tuple[int, int]] = {}
    for row in rows:
        for day, counted in row.positions.items():
            for position, (seen, clicked) in counted.items() if day >= first_day else ():
                before = total.get(position, (0, 0))
                total[position] = (before[0] + seen, before[1] + clicked)
    return dict(sorted(total.items()))
