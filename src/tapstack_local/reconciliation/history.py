"""Users' histories: the rows and their pages hold each interaction of the accepted events, once.

Nothing may be missing for users of whom nothing can have fallen out of the default bounds, which the embedded
cloud has; nothing may be there that was not accepted, or more often, for anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tapstack_local.reconciliation.finding import Finding
from tapstack_local.reconciliation.interactions import Interactions, hashed

INTERACTIONS_KEPT, SLOTS_MAX, WAITING_MAX = 500, 62, 15

_unpack = msgspec.msgpack.Decoder(list[Any]).decode


def entries(recent: Sequence[Any], history: Sequence[Any] | None, pages: Mapping[str, Any]) -> list[Any]:
    """Return what a user's row and the pages that it lists hold.

    Parameters
    ----------
    recent, history
        Of the row.
    pages
        Version and state by sort key.
    """
    found = list(recent)
    if history is not None:
        waiting, count, _, slots, *_ = history
        found += _unpack(b"\xdd" + count.to_bytes(4, "big") + waiting)
        for slot, (number, *_) in enumerate(slots):
            version, state = pages.get(f"hist#{slot:04d}", (0, ()))
            found += state if version == number else ()
    return found


def check_histories(rows: Mapping[str, tuple[Sequence[Any], bool]], folds: Sequence[Interactions]) -> Finding:
    """Compare histories with the interactions of the accepted events.

    Parameters
    ----------
    rows
        By user: what the row and its pages hold, and whether the row says that something may be missing.
    folds
        What was accepted; what of it is certainly not counted; what of it may not be; what may be counted
        beside it.
    """
    finding = Finding("users' histories")
    for user in sorted({*rows, *folds[0]}):
        held, has_gaps = rows.get(user, ((), False))
        actual = Counter(hashed(at_s * 1000 + ms, code, item) for at_s, code, item, ms in held)
        whole, removed, optional, doubted = (Counter(fold.get(user, ())) for fold in folds)
        finding.compared += 1
        most = whole + doubted
        over = (actual - most).total()
        is_whole = not has_gaps and most.total() <= INTERACTIONS_KEPT
        short = (whole - removed - optional - actual).total() if is_whole else 0
        finding.short, finding.over = finding.short + short, finding.over + over
        if short or over:
            finding.give_example(f"{user}: {short} interactions missing, {over} too many")
    return finding
