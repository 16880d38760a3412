"""What items' rows say of them: the newest that was said, and all the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tapstack_local.reconciliation.counters import Counters, certain_names, total
from tapstack_local.reconciliation.finding import Finding, compare
from tapstack_local.reconciliation.tables import ItemRow
from tapstack_local.reconciliation.words import FIELDS, NUMBERS, RATING_MAX, RATINGS, RATINGS_SUM, Said

# An event whose clock is ahead counts at its arrival, which the checker knows about so well.
SLACK_S = 10


def check_numbers(
    items: Mapping[str, Mapping[str, ItemRow]], folds: Sequence[Mapping[str, Counters]]
) -> Finding:
    """Compare units, refunds and ratings over the lifetimes of items.

    Parameters
    ----------
    items
        The rows, by item and stripe.
    folds
        As `compare` takes them.
    """
    finding = Finding("items' units, refunds and ratings")
    actual = {item: total(_named(row.amounts) for row in rows.values()) for item, rows in items.items()}
    full = {item: certain_names(row.amounts for row in rows.values()) for item, rows in items.items()}
    names = {item: {*NUMBERS, *found} for item, found in full.items() if found is not None}
    compare(finding, actual, folds, names)
    return finding


def _named(amounts: Counters) -> Counters:
    named: Counters = {
        NUMBERS[key] if isinstance(key, int) else key: amount for key, amount in amounts.items()
    }
    if RATINGS in named:
        named[RATINGS_SUM] = named.get(RATINGS_SUM, 0) + named[RATINGS] * RATING_MAX * 1_000_000
    return named


def check_said(items: Mapping[str, Mapping[str, ItemRow]], folds: Sequence[Said]) -> Finding:
    """Check that rows say of each item what the newest counted event said.

    Parameters
    ----------
    items
        The rows, by item and stripe.
    folds
        What was accepted; what of it is certainly not counted; what of it may not be; what may be counted
        beside it.
    """
    finding = Finding("what items' rows say of them")
    whole, removed, optional, doubted = folds
    shown = {
        (item, field): max(found)[1]
        for item, rows in items.items()
        for place, field in enumerate(FIELDS)
        if (found := [_value(row.facts[place]) for row in rows.values() if row.facts[place] is not None])
    }
    for key in whole.keys() | doubted.keys() | shown.keys():
        said = whole.get(key, {})
        unsure = removed.get(key, {}).keys() | optional.get(key, {}).keys()
        newest_s = max((at_s for value, at_s in said.items() if value not in unsure), default=None)
        times = [*said.items(), *doubted.get(key, {}).items()]
        may_be = {value for value, at_s in times if newest_s is None or at_s >= newest_s - SLACK_S}
        finding.compared += 1
        if shown[key] in may_be if key in shown else newest_s is None:
            continue
        if key in shown and not any(shown[key] == value for value, _ in times):
            finding.over += 1
        else:
            finding.short += 1
        wanted = " or ".join(sorted(map(repr, may_be)))
        finding.give_example(f"I#{key[0]} {key[1]}: {shown.get(key)!r} instead of {wanted or None}")
    return finding


def _value(said: Sequence[Any]) -> tuple[int, Any]:
    """Take apart what a row says: when it was said, and what."""
    return said[0], said[1] if len(said) == 2 else tuple(said[1:])
