"""Boards: the items that may trend, and how much of whom a board has no room for.

A *trend* slides: it covers the sub-windows, windows of `tapstack.core.aggregates`, that the time since its
length ago lies in. A board holds for its items what each sub-window counted, by event type: so an answer adds
up those that it covers, with weights of its own. Items are on a board as long as they are among its highest,
by any one type or by all of them with the default weights. Of those that left it a board keeps the most that
any may still have: so an answer can say by how much it may be wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tapstack.core.aggregates import WINDOWS, Numbered, Window
from tapstack.core.events import TYPE_CODE

BOARD_PLACES = 64  # in the ranking by all types, of each trend; half as many by each type
BOARD_BYTES_MAX = 64 * 1024  # about; a larger one has fewer places
CELL_BYTES = 4  # about, of a count with its age
OVERALL = -1  # the ranking by all types; the others have their types' codes

Weights = Mapping[int, int]  # event type -> what an event of it adds to a score
# Having been shown in a list is not interest, and a removal is the opposite of it.
DEFAULT_WEIGHTS: Weights = {
    TYPE_CODE[name]: weight
    for name, weight in (
        ("item_view", 1),
        ("item_click", 1),
        ("share", 2),
        ("wishlist_add", 3),
        ("cart_add", 4),
        ("purchase", 10),
    )
}
INTERESTED = frozenset(DEFAULT_WEIGHTS)

Ages = dict[int, int]  # by how many sub-windows ago -> count
Series = dict[int, Ages]  # by event type, or by ranking


class Trend(NamedTuple):
    """A window that slides by its sub-windows."""

    name: str
    length_s: int
    position: int  # of the sub-windows in `WINDOWS`

    @property
    def window(self) -> Window:
        """Return the sub-windows' length and number."""
        return WINDOWS[self.position]

    @property
    def hops(self) -> int:
        """Return how many sub-windows ago the oldest one is that it covers."""
        return self.length_s // self.window.length_s


TRENDS = (
    Trend("5m", 300, 0),
    Trend("1h", 3_600, 0),
    Trend("24h", 86_400, 1),
    Trend("7d", 7 * 86_400, 2),
)


class Board(msgspec.Struct, array_like=True):
    """The items that may trend, of one stripe and one length of sub-windows.

    Parameters
    ----------
    newest
        Number of the sub-window from which ages are counted: that of the latest arrival.
    items
        What was counted of each.
    evicted
        By ranking: the most that an item without a place has in the sub-windows up to an age. It is a
        step function: an age that is not there has the value of the next lower one.
    """

    newest: int
    items: dict[str, Series]
    evicted: Series


def series_of(windows: Numbered, newest: int, oldest: int) -> Series:
    """Return what windows counted of interest, by type and age; those before `oldest` are left out."""
    series: Series = {}
    for number, counters in windows.items():
        for code, count in counters.items() if number >= oldest else ():
            if code in INTERESTED:
                series.setdefault(code, {})[newest - number] = count
    return series


def advance(board: Board, newest: int, kept: int) -> None:
    """Let ages begin at a later sub-window, in place; what is older than `kept` is forgotten."""
    by = newest - board.newest
    if by <= 0:
        return
    board.newest = newest
    aged = {item_id: _aged(series, by, kept) for item_id, series in board.items.items()}
    board.items = {item_id: series for item_id, series in aged.items() if series}
    board.evicted = _aged(board.evicted, by, kept)


def _aged(series: Series, by: int, kept: int) -> Series:
    aged = {
        key: {age + by: count for age, count in ages.items() if age + by <= kept}
        for key, ages in series.items()
    }
    return {key: ages for key, ages in aged.items() if ages}


def trim(board: Board, spans: Collection[int]) -> None:
    """Keep the items with the highest scores in any ranking, in place; of equal ones the smaller ids.

    Parameters
    ----------
    board
        The board.
    spans
        How many sub-windows ago the oldest one is, for each trend that is answered from the board.
    """
    places = BOARD_PLACES
    kept: Collection[str] = board.items.keys()
    while len(kept) > places or _bytes(board, kept) > BOARD_BYTES_MAX:
        kept = _highest(board, spans, places).keys()
        if places == 2 or _bytes(board, kept) <= BOARD_BYTES_MAX:
            break
        places //= 2
    gone = [board.items.pop(item_id) for item_id in [*board.items] if item_id not in kept]
    _evict(board, gone)


def _bytes(board: Board, item_ids: Iterable[str]) -> int:
    """Return about how large a board of some of its items is."""
    cells = [sum(map(len, board.items[item_id].values())) for item_id in item_ids]
    return sum([len(item_id.encode()) for item_id in item_ids]) + CELL_BYTES * sum(cells)


def _highest(board: Board, spans: Iterable[int], places: int) -> dict[str, None]:
    highest: dict[str, None] = {}
    for span in spans:
        rankings: defaultdict[int, dict[str, int]] = defaultdict(dict)
        for item_id, series in board.items.items():
            overall = 0
            for code, ages in series.items():
                count = 0
                for age, counted in ages.items():  # not `_total`: this is done for each item of each fold
                    if age <= span:
                        count += counted
                if count:
                    rankings[code][item_id] = count
                    overall += count * DEFAULT_WEIGHTS[code]
            if overall:
                rankings[OVERALL][item_id] = overall
        for ranking, heights in rankings.items():
            highest |= dict.fromkeys(_first(heights, places if ranking == OVERALL else places // 2))
    return highest


def _first(heights: Mapping[str, int], places: int) -> Iterable[str]:
    """Return the highest; of equal ones the smaller ids. Only those at the last place are sorted."""
    if len(heights) <= places:
        return heights
    last = sorted(heights.values(), reverse=True)[places - 1]
    higher = [item_id for item_id, height in heights.items() if height > last]
    equal = sorted([item_id for item_id, height in heights.items() if height == last])
    return [*higher, *equal[: places - len(higher)]]


def counted(series: Series, oldest: int) -> dict[int, int]:
    """Return what the sub-windows up to an age counted, by type."""
    sums = {code: _total(ages, oldest) for code, ages in series.items()}
    return {code: count for code, count in sums.items() if count}


def _total(ages: Ages, oldest: int) -> int:
    total = 0
    for age, count in ages.items():
        if age <= oldest:
            total += count
    return total


def score(counts: Mapping[int, int], weights: Weights) -> int:
    """Weigh counts."""
    return sum([weights.get(code, 0) * count for code, count in counts.items()])


def _evict(board: Board, gone: Iterable[Series]) -> None:
    """Note how much the items have that lose their places."""
    most: Series = {}
    for series in gone:
        overall: Ages = {}
        for code, ages in series.items():
            _raise_steps(most.setdefault(code, {}), ages)
            for age, count in ages.items():
                overall[age] = overall.get(age, 0) + count * DEFAULT_WEIGHTS[code]
        _raise_steps(most.setdefault(OVERALL, {}), overall)
    for ranking, steps in most.items():
        board.evicted[ranking] = _higher(board.evicted.get(ranking, {}), steps)


def _raise_steps(steps: Ages, ages: Ages) -> None:
    """Raise a step function, in place, to what sub-windows counted from the newest up to each age."""
    total = 0
    for age in sorted(ages) if len(ages) > 1 else ages:
        total += ages[age]
        if total > steps.get(age, 0):
            steps[age] = total


def _higher(one: Ages, other: Ages) -> Ages:
    """Return the step function that is nowhere below two others."""
    steps: Ages = {}
    height = 0
    for age in sorted(one | other):
        value = max(height, one.get(age, 0), other.get(age, 0))
        if value > height:
            steps[age] = height = value
    return steps


def unseen(board: Board, oldest: int, weights: Weights) -> int:
    """Return the highest score that an item without a place may have in the sub-windows up to an age."""
    most = {ranking: max([0, *(steps[age] for age in steps if age <= oldest)])
            for ranking, steps in board.evicted.items()}  # fmt: skip
    by_type = score({code: count for code, count in most.items() if code != OVERALL}, weights)
    overall = most.get(OVERALL, 0)
    factors = [(weights.get(code, 0), default) for code, default in DEFAULT_WEIGHTS.items()]
    return min(by_type, max([-(-overall * weight // default) for weight, default in factors]))


class Ranked(NamedTuple):
    """An item's place in an answer."""

    item_id: str
    score: int
    counts: dict[int, int]


class Ranking(NamedTuple):
    """The items of a trend, highest score first, ties by id.

    Parameters
    ----------
    first, last
        Numbers of the sub-windows that are covered.
    items
        Those that are asked for.
    error_max
        By how much a score may be too low, and by how much an item that is not listed may exceed the last
        that is.
    """

    first: int
    last: int
    items: Sequence[Ranked]
    error_max: int


def rank(
    boards: Sequence[Board],
    trend: Trend,
    now_s: int,
    weights: Weights,
    n: int,
    only: Container[str] | None = None,
) -> Ranking:
    """Add up the boards of all stripes, for some items only, if they are named.

    A board may have seen an arrival later than the moment that is asked for: then it is answered for that
    one, since what was older is forgotten.
    """
    last = max([trend.window.number(now_s), *(board.newest for board in boards)])
    first = last - trend.hops
    missing = [unseen(board, board.newest - first, weights) for board in boards]
    total: dict[str, dict[int, int]] = {}
    known: dict[str, int] = {}  # of `missing`, what does not concern an item
    for board, most in zip(boards, missing, strict=True):
        for item_id, series in board.items.items():
            if only is not None and item_id not in only:
                continue
            counts = total.setdefault(item_id, {})
            for code, count in counted(series, board.newest - first).items():
                counts[code] = counts.get(code, 0) + count
            known[item_id] = known.get(item_id, 0) + most
    ranked = [Ranked(item_id, score(counts, weights), counts) for item_id, counts in total.items()]
    ranked = sorted([each for each in ranked if each.score], key=lambda each: (-each.score, each.item_id))
    lowest = ranked[n - 1].score if len(ranked) >= n else 0
    errors = [sum(missing) - known[each.item_id] for each in ranked[:n]]
    others = [each.score + sum(missing) - known[each.item_id] - lowest for each in ranked[n:]]
    return Ranking(first, last, ranked[:n], max([0, sum(missing) - lowest, *errors, *others]))
