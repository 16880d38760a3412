"""What folding effects does to a board, and what trends are, computed anew.

Shares no code with the product. Positions of fields are those of docs/reference/table.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tapstack_simulation.checking.behaviour import Effect
from tapstack_simulation.checking.facts import CODES, INTEREST
from tapstack_simulation.checking.rows import WINDOWS, Change, Image, Key, Violation

# Name, how many sub-windows back it reaches, and the position of their length in `WINDOWS`.
TRENDS = (("5m", 1, 0), ("1h", 12, 0), ("24h", 24, 1), ("7d", 7, 2))
WEIGHTS = {
    CODES["item_view"]: 1,
    CODES["item_click"]: 1,
    CODES["share"]: 2,
    CODES["wishlist_add"]: 3,
    CODES["cart_add"]: 4,
    CODES["purchase"]: 10,
}
OVERALL = -1  # the ranking by all types with these weights
PLACES = {OVERALL: 64, **dict.fromkeys(INTEREST, 32)}
ROOM_BYTES, CELL_BYTES = 64 * 1024, 4  # a larger board has fewer places
NEWEST, ITEMS, EVICTED = range(3)  # of a board

Series = Mapping[int, Mapping[int, int]]  # event type or ranking -> age in sub-windows -> count


class Counts(NamedTuple):
    """What was counted of an item in sub-windows: at least, and at most."""

    low: Series
    high: Series


def moves(effect: Effect) -> list[str]:
    """Return the lengths of sub-windows whose boards an effect moves: where its item's row may count it."""
    if effect.code not in INTEREST:
        return []
    return [
        name
        for name, length_s, kept in WINDOWS
        if effect.at_s // length_s >= effect.arrived_s // length_s - kept
    ]


def check_board(
    change: Change,
    fresh: Iterable[Effect],
    folded: Iterable[Effect],
    everything: Iterable[Effect],
    rows: Mapping[Key, Image],
) -> None:
    """Check a board: moved items have the counts of their rows, the highest stay, and the others are bounded.

    Parameters
    ----------
    change
        The row.
    fresh
        The effects that were folded into it.
    folded
        All effects up to the entries that the row says it holds.
    everything
        All effects that are in the journal: an item's row may hold more of them than the board.
    rows
        The table.
    """
    position, length_s, kept = _length(change.key)
    before, after = change.states()
    moving = [effect for effect in fresh if change.key[0][2:] in moves(effect)]
    moved = sorted({item_id for effect in moving for item_id in effect.item_ids})
    _check_newest(change, moving, [rows.get((f"I#{item_id}", change.key[1])) for item_id in moved], length_s)
    newest = after[NEWEST]
    counts = {
        item_id: Counts(held, held)
        for item_id, series in before[ITEMS].items()
        if (held := _aged(series, newest - before[NEWEST], kept))
    }
    fewest: dict[str, dict[int, dict[int, int]]] = {item_id: {} for item_id in moved}
    most: dict[str, dict[int, dict[int, int]]] = {item_id: {} for item_id in moved}
    for effects, series in ((folded, fewest), (everything, most)):
        _count(effects, series, newest, length_s, kept)
    counts |= {item_id: Counts(fewest[item_id], most[item_id]) for item_id in moved}
    if unknown := after[ITEMS].keys() - counts.keys():
        raise Violation(2, f"{change.key} shows {sorted(unknown)}, which did not move")
    for item_id, (low, high) in counts.items():
        shown = after[ITEMS].get(item_id)
        if shown is not None and not (_fits(low, shown) and _fits(shown, high)):
            raise Violation(2, f"{change.key} shows {shown} of {item_id}, which had {low} to {high}")
    gone = {item_id: each for item_id, each in counts.items() if item_id not in after[ITEMS] and each.high}
    spans = [span for _, span, where in TRENDS if where == position]
    _check_places(change, spans)
    _check_gone(change, gone, spans)
    _check_evicted(change, gone, _aged(before[EVICTED], newest - before[NEWEST], kept))


def _length(key: Key) -> tuple[int, int, int]:
    position = [name for name, _, _ in WINDOWS].index(key[0][2:])
    return position, *WINDOWS[position][1:]


def _check_newest(
    change: Change, moving: Sequence[Effect], rows: Iterable[Image | None], length_s: int
) -> None:
    """Ages begin at the latest arrival that the rows of the moved items know."""
    before, after = (state[NEWEST] for state in change.states())
    least = max([before, *(effect.arrived_s // length_s for effect in moving)])
    most = max([before, *(row.state[0][2] // length_s for row in rows if row is not None)])
    if not least <= after <= max(least, most):
        raise Violation(2, f"{change.key} has ages from {after}, not from {least} to {most}")


def _count(
    effects: Iterable[Effect],
    into: Mapping[str, dict[int, dict[int, int]]],
    newest: int,
    length_s: int,
    kept: int,
) -> None:
    """Count effects on some items, by type and age."""
    for effect in effects:
        number = effect.at_s // length_s
        if effect.code not in INTEREST or number < newest - kept:
            continue
        for item_id in effect.item_ids:
            if item_id in into:
                ages = into[item_id].setdefault(effect.code, {})
                ages[newest - number] = ages.get(newest - number, 0) + 1


def _aged(series: Series, by: int, kept: int) -> Series:
    aged = {
        key: {age + by: count for age, count in ages.items() if age + by <= kept}
        for key, ages in series.items()
    }
    return {key: ages for key, ages in aged.items() if ages}


def _fits(one: Series, other: Series) -> bool:
    """Return whether no count of the one is above that of the other."""
    return all(
        count <= other.get(code, {}).get(age, 0) for code, ages in one.items() for age, count in ages.items()
    )


def _check_places(change: Change, spans: Sequence[int]) -> None:
    """Check that a board of many items shows only those that are among the highest of a ranking."""
    items = change.after.state[ITEMS]
    if len(items) <= PLACES[OVERALL]:
        return
    placed: set[str] = set()
    for span in spans:
        scores = {item_id: rankings(series, span) for item_id, series in items.items()}
        for ranking, places in PLACES.items():
            found = [(-each[ranking], item_id) for item_id, each in scores.items() if ranking in each]
            placed |= {item_id for _, item_id in sorted(found)[:places]}
    if idle := items.keys() - placed:
        raise Violation(8, f"{change.key} has places for {sorted(idle)}, which are not among the highest")


def _check_gone(change: Change, gone: Mapping[str, Counts], spans: Iterable[int]) -> None:
    """Check that an item lost its place only where each ranking is full of others that are as high."""
    if not gone:
        return
    items = change.after.state[ITEMS]
    room = sum(map(_room, items.items())) + sum(_room((name, each.high)) for name, each in gone.items())
    for span in spans:
        others = [rankings(series, span) for series in items.values()]
        for item_id, counts in gone.items():
            for ranking, score in rankings(counts.low, span).items():
                above = sum(other.get(ranking, 0) >= score for other in others)
                if above < (PLACES[ranking] if room <= ROOM_BYTES else 1):
                    raise Violation(
                        2, f"{change.key} lacks {item_id} of {score} by {ranking}; only {above} are as high"
                    )


def _room(item: tuple[str, Series]) -> int:
    return len(item[0].encode()) + CELL_BYTES * sum(map(len, item[1].values()))


def _check_evicted(change: Change, gone: Mapping[str, Counts], aged: Series) -> None:
    """Check that a board says what items without a place may still have, and no more."""
    steps = change.after.state[EVICTED]
    ages = {age for counts in gone.values() for held in counts.high.values() for age in held}
    ages |= {age for side in (aged, steps) for held in side.values() for age in held}
    for ranking in PLACES:
        for age in ages:
            known, said = step(aged, ranking, age), step(steps, ranking, age)
            low, high = (
                max([known, *(rankings(counts[side], age).get(ranking, 0) for counts in gone.values())])
                for side in (0, 1)
            )
            if not low <= said <= high:
                raise Violation(
                    2,
                    f"{change.key} says that others have {said} by {ranking} up to age {age}; they have "
                    f"{low} to {high}",
                )


def rankings(series: Series, oldest: int) -> dict[int, int]:
    """Return the scores of an item by each ranking, in the sub-windows up to an age."""
    counts = {
        code: sum(count for age, count in ages.items() if age <= oldest) for code, ages in series.items()
    }
    found = {code: count for code, count in counts.items() if count}
    return {**found, OVERALL: weighed(found, WEIGHTS)} if found else {}


def weighed(counts: Mapping[int, int], weights: Mapping[int, int]) -> int:
    """Return a score."""
    return sum(count * weights.get(code, 0) for code, count in counts.items())


def step(steps: Series, ranking: int, age: int) -> int:
    """Return how much an item without a place may have by a ranking in the sub-windows up to an age."""
    return max((height for at, height in steps.get(ranking, {}).items() if at <= age), default=0)


def bound(board: Any, age: int, weights: Mapping[int, int]) -> int:
    """Return how much an item without a place may score: as each type allows, or as all of them do."""
    steps = board[EVICTED]
    by_type = sum(weights.get(code, 0) * step(steps, code, age) for code in INTEREST)
    overall = step(steps, OVERALL, age)
    most = max(-(-overall * weights.get(code, 0) // weight) for code, weight in WEIGHTS.items())
    return min(by_type, most)
