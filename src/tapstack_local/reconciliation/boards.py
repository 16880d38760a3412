"""Leaderboards against the rows of items: what they show, and the bounds of what they have no place for.

Written from docs/reference/table.md and not from the code that fills the table, with which it shares nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapstack_local.reconciliation.accepted_events import CODES, WINDOW_LENGTHS_S
from tapstack_local.reconciliation.counters import Counters
from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.tables import ItemRow, Tables

WINDOW_NAMES = ("5m", "1h", "1d")
WINDOWS_KEPT = (12, 24, 7)
WEIGHTS = {
    CODES["item_view"]: 1,
    CODES["item_click"]: 1,
    CODES["share"]: 2,
    CODES["wishlist_add"]: 3,
    CODES["cart_add"]: 4,
    CODES["purchase"]: 10,
}
OVERALL = -1  # the ranking by all types with these weights

Series = dict[int, dict[int, int]]  # event type or ranking -> age in sub-windows -> count


def check_boards(tables: Tables) -> Finding:
    """Compare boards with the rows of items, in the sub-windows that neither has forgotten."""
    finding = Finding("leaderboards")
    items: dict[str, dict[str, ItemRow]] = {}
    for item, stripes in tables.items.items():
        for stripe, row in stripes.items():
            items.setdefault(stripe, {})[item] = row
    for stripe in sorted(items.keys() | {stripe for _, stripe in tables.boards}):
        for position, name in enumerate(WINDOW_NAMES):
            board = tables.boards.get((name, stripe), [0, {}, {}])
            where = f"T#{name} {stripe}"
            rows = items.get(stripe, {})
            for item in sorted(rows.keys() | board[1].keys()):
                _check_item(finding, f"{where}: {item}", board, item, rows.get(item), position)
    return finding


def _check_item(
    finding: Finding, where: str, board: Any, item: str, row: ItemRow | None, position: int
) -> None:
    """Compare an item's counts, or hold one without a place against what the board says of such items."""
    newest, shown, evicted = board
    length_s, kept = WINDOW_LENGTHS_S[position], WINDOWS_KEPT[position]
    oldest = max(newest, 0 if row is None else row.arrived_s // length_s) - kept
    wanted = {} if row is None else _series(row.windows[position], newest, oldest)
    if item not in shown:
        for age in sorted({age for ages in wanted.values() for age in ages}):
            for ranking, score in _up_to(wanted, age).items():
                most = max((n for at, n in evicted.get(ranking, {}).items() if at <= age), default=0)
                finding.judge(f"{where}, at most by ranking {ranking} up to age {age}", most, score, 2**63)
        return
    for code in sorted(wanted.keys() | shown[item].keys()):
        ages = wanted.get(code, {})
        told = {age: n for age, n in shown[item].get(code, {}).items() if newest - age >= oldest}
        for age in sorted(ages.keys() | told.keys()):
            count = ages.get(age, 0)
            finding.judge(f"{where}, type {code}, age {age}", told.get(age, 0), count, count)


def _series(windows: Mapping[int, Counters], newest: int, oldest: int) -> Series:
    """Return the counts of interest since a sub-window, by type and age."""
    series: Series = {}
    for number, counters in windows.items():
        for code in WEIGHTS:
            if code in counters and number >= oldest:
                series.setdefault(code, {})[newest - number] = counters[code]
    return series


def _up_to(series: Series, oldest: int) -> dict[int, int]:
    """Return the scores by each ranking in the sub-windows up to an age."""
    counts = {code: sum(n for age, n in ages.items() if age <= oldest) for code, ages in series.items()}
    return {**counts, OVERALL: sum(WEIGHTS[code] * n for code, n in counts.items())}
