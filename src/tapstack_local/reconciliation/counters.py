"""Counters as docs/reference/table.md bounds them: they name eight currencies.

Which currencies a full map calls by their names depends on the order of events. What is certain in any
order is compared: `pooled` puts together what a full map may call XXX, and `bounds` has the least and the
most that a sum may be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

CURRENCIES_MAX = 8  # by name, XXX apart
NO_CURRENCY = "XXX"
TAKEN = "-"  # before a currency, in folds: the sum of its negative amounts, which is kept apart

Counters = dict[int | str, int]
Names = Collection[int | str]


def add(into: Counters, delta: Counters) -> None:
    """Add counters to others, in place."""
    for key, amount in delta.items():
        into[key] = into.get(key, 0) + amount


def total(parts: Iterable[Counters]) -> Counters:
    """Return the sum of counters."""
    summed: Counters = {}
    for part in parts:
        add(summed, part)
    return summed


def signed(delta: Counters) -> Counters:
    """Return an event's counters with its negative amounts under keys of their own."""
    if all(amount >= 0 for amount in delta.values()):
        return delta
    return {f"{TAKEN}{key}" if amount < 0 else key: amount for key, amount in delta.items()}


def certain_names(maps: Iterable[Counters]) -> Names | None:
    """Return the currencies that each full map has by name; None if no map is full."""
    full = [counters.keys() for counters in maps if named_count(counters) >= CURRENCIES_MAX]
    return set(full[0]).intersection(*full[1:]) if full else None


def named_count(counters: Counters) -> int:
    """Return how many currencies counters have by name."""
    return len([key for key in counters if isinstance(key, str) and key != NO_CURRENCY])


def pooled(counters: Counters, names: Names) -> Counters:
    """Return counters with the currencies that are none of `names` put together as XXX."""
    together: Counters = {}
    for key, amount in counters.items():
        name = key
        if isinstance(key, str) and key.removeprefix(TAKEN) not in names:
            name = NO_CURRENCY if key[:1] != TAKEN else TAKEN + NO_CURRENCY
        together[name] = together.get(name, 0) + amount
    return together


def bounds(
    key: int | str, sure: Counters, less: Counters, perhaps: Counters, more: Counters
) -> tuple[int, int]:
    """Return the least and the most that a sum may be, in whatever order its terms came.

    Parameters
    ----------
    key
        An event type or a currency.
    sure, less
        What was accepted, and what of it is certainly not counted.
    perhaps, more
        What of it may not be counted, and what may be counted beside it.
    """
    taken = f"{TAKEN}{key}"
    given = sure.get(key, 0) - less.get(key, 0)
    lost = less.get(taken, 0) - sure.get(taken, 0)
    least_given, most_given = given - perhaps.get(key, 0), given + more.get(key, 0)
    least_lost, most_lost = lost + perhaps.get(taken, 0), lost - more.get(taken, 0)
    return least_given - most_lost, most_given - least_lost
