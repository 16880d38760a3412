"""Categories: whether the rows of days count every event that names a category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tapstack_local.reconciliation.counters import Counters, certain_names, total
from tapstack_local.reconciliation.finding import Finding, compare
from tapstack_local.reconciliation.words import ALL, Days, where

DAY_S = 86_400
DAYS_KEPT = 7
CATEGORIES_MAX = 128
# By window name, number and stripe: the total, and what is counted by name.
Rows = Mapping[tuple[str, int, str], Sequence[Any]]


def check_categories(rows: Rows, folds: Sequence[Days], arrived_s: int) -> Finding:
    """Compare the counts of days.

    A category may lack what was counted before it took its place in a row that is full; then only the
    totals are compared.

    Parameters
    ----------
    rows
        The rows.
    folds
        What was accepted; what of it is certainly not counted; what of it may not be; what may be counted
        beside it.
    arrived_s
        When the newest record arrived.
    """
    finding = Finding("categories")
    oldest = arrived_s // DAY_S - DAYS_KEPT
    maps: dict[str, list[Counters]] = {}
    full = set[int]()
    for (name, day, _), (whole, by_name) in rows.items():
        if name != "1d" or day < oldest:
            continue
        full |= {day} if len(by_name) >= CATEGORIES_MAX else set()
        for category, counters in [("", whole), *((each, held[0]) for each, held in by_name.items())]:
            maps.setdefault(where(category, day), []).append(counters)
    kept = [
        {key: counters for key, counters in days.items() if _is_exact(key, oldest, full)}
        for days in ({key: total(found) for key, found in maps.items()}, *folds)
    ]
    named = {key: names for key, found in maps.items() if (names := certain_names(found)) is not None}
    compare(finding, kept[0], kept[1:], named)
    return finding


def _is_exact(key: str, oldest: int, full: set[int]) -> bool:
    day, _, category = key.removeprefix("C#").partition(" ")
    return int(day) >= oldest and (category == ALL or int(day) not in full)
