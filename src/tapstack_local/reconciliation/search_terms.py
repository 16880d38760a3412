"""Search terms: whether each is counted as often as it was searched for, and which may be named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.searches import DAY_S, Searches, digest_of

DAYS_KEPT = 7
TERMS_MAX = 256

Rows = Mapping[tuple[str, int, str], Mapping[int, Sequence[Any]]]  # by window name, number and stripe


def check_searches(
    folds: Sequence[Searches], rows: Rows, arrived_s: int, users_min: int
) -> Iterator[Finding]:
    """Compare the counts of days, and look for terms that are named too early.

    Parameters
    ----------
    folds
        What was accepted, and of it what is certainly not counted, what may not be, and what may be counted
        beside it.
    rows
        The rows of search terms.
    arrived_s
        When the newest record arrived.
    users_min
        How many different users there must have been before a term is stored as it is.
    """
    counts = Finding("searches for terms")
    oldest = arrived_s // DAY_S - DAYS_KEPT
    days = {number for name, number, _ in rows if name == "1d"} | set(folds[0].days)
    for day in sorted(day for day in days if day >= oldest):
        _compare_day(counts, folds, day, [terms for (_, n, _), terms in _of_days(rows) if n == day])
    yield counts
    named = Finding("search terms that are stored as they are")
    for where, terms in rows.items():
        for digest, (_, _, text) in terms.items():
            users = set[str]().union(*(fold.users.get(digest, ()) for fold in folds))
            if text:
                named.judge(f"Q#{where}: users of a term", len(users), users_min, len(users), at_most=1)
                named.judge(f"Q#{where}: digest of a term", digest_of(text), digest, digest, at_most=1)
    yield named


def _of_days(rows: Rows) -> Iterator[tuple[tuple[str, int, str], Mapping[int, Sequence[Any]]]]:
    return (entry for entry in rows.items() if entry[0][0] == "1d")


def _compare_day(
    finding: Finding, folds: Sequence[Searches], day: int, rows: Collection[Mapping[int, Sequence[Any]]]
) -> None:
    actual: Counter[int] = Counter()
    for terms in rows:
        for digest, (count, *_) in terms.items():
            actual[digest] += count
    whole, removed, optional, doubted = (fold.days.get(day, Counter()) for fold in folds)
    is_full = any(len(terms) >= TERMS_MAX for terms in rows)
    if is_full:  # it has each count as well as it can, and their sum
        least = whole.total() - removed.total()
        finding.judge(f"Q#1d#{day}", actual.total(), least - optional.total(), least + doubted.total())
        return
    for digest in sorted(actual | whole | doubted):
        least = whole[digest] - removed[digest]
        finding.judge(
            f"Q#1d#{day} {digest}", actual[digest], least - optional[digest], least + doubted[digest]
        )
