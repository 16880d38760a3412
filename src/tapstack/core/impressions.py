"""What was shown where, and what came of it: by list, by recommendation, and for the whole shop.

A *placement* is ``L#<list_id>``, ``R#<recommendation_id>``, or empty for the shop, whose steps from a view to
a purchase are counted there. Times are kept to `GRAIN_S`, all that windows need, and equal ones added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
_OF_LISTS = (SHOWN, CLICKED)
_OWN_POSITIONS = frozenset(range(POSITIONS_MAX))
_COUNTED = frozenset({*STEPS, *_OF_LISTS})
_DAY = WINDOWS[-1]
_LIFETIME = 0  # in place of a day, for a recommendation


class Shown(msgspec.Struct, gc=False):
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
    positions: dict[int, int] = {}


ShownAt = dict[tuple[str, int, int], Shown]  # by placement, event type and grain


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

    counters: Windowed
    positions: dict[int, dict[int, tuple[int, int]]]


def list_placement(list_id: str) -> str:
    """Return the placement of a list."""
    return f"L#{list_id}"


def recommendation_placement(recommendation_id: str) -> str:
    """Return the placement of a recommendation."""
    return f"R#{recommendation_id}"


def count_shown(shown: ShownAt, event: Event, at_s: int, arrived_s: int) -> None:
    """Count what an event says of placements, in place.

    Parameters
    ----------
    shown
        What events before it said.
    event
        An event that was judged NEW.
    at_s, arrived_s
        Its own time, and when its record arrived at the stream, Unix seconds.
    """
    code = TYPE_CODE[event.event_type]
    if not (code in _COUNTED or event.recommendation_id):
        return  # the usual view of a page
    grain_s = min(at_s, arrived_s) // GRAIN_S * GRAIN_S
    if code in STEPS:
        _event_at(shown, SHOP, code, grain_s)
    elif code in _OF_LISTS:
        _count_lists(shown, event.items, code, grain_s)
    if event.recommendation_id:
        placement = recommendation_placement(event.recommendation_id)
        if event.impressions and code != SHOWN:
            beside = range(1, len(event.impressions) + 1)  # the hundredth is `OTHER_POSITION`
            _count_positions(_event_at(shown, placement, SHOWN, grain_s), beside)
        _count_positions(_event_at(shown, placement, code, grain_s), _recommended(event, code))


def _event_at(shown: ShownAt, placement: str, code: int, grain_s: int) -> dict[int, int]:
    """Count an event, in place; return how often each position was counted there."""
    key = (placement, code, grain_s)
    counted = shown.get(key)
    if counted is None:
        counted = shown[key] = Shown(placement, code, grain_s, 0, {})
    counted.count += 1
    return counted.positions


def _count_lists(shown: ShownAt, items: Sequence[CountedItem], code: int, grain_s: int) -> None:
    lists: dict[str, dict[int, int]] = {}
    for number, item in enumerate(items, 1):
        list_id = item.list_id
        if not list_id:
            continue
        counted = lists.get(list_id)
        if counted is None:
            if len(lists) >= LISTS_MAX:
                continue
            counted = lists[list_id] = _event_at(shown, list_placement(list_id), code, grain_s)
        position = item.position
        if position is None and code == SHOWN:
            position = number
        if position not in _OWN_POSITIONS:
            position = OTHER_POSITION
        counted[position] = counted.get(position, 0) + 1


def _count_positions(counted: dict[int, int], positions: Iterable[int]) -> None:
    for position in positions:
        counted[position] = counted.get(position, 0) + 1


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
