"""Links: events that name a user and a visitor leave a pointer in the partition of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from tapstack_local.reconciliation.finding import Finding

LINKS_MAX = 64  # of a user

Pair = tuple[str, str]  # the user's partition key, and the visitor's id


def check_links(
    to_visitors: Collection[Pair], to_users: Collection[Pair], folds: Sequence[Counter[Pair]]
) -> Finding:
    """Compare pointers with the accepted events that name both.

    Parameters
    ----------
    to_visitors, to_users
        The pairs that the pointers in users' partitions say, and those in visitors' partitions.
    folds
        What was accepted; what of it is certainly not counted; what of it may not be; what may be counted
        beside it.
    """
    finding = Finding("links of users and visitors")
    whole, removed, optional, doubted = folds
    sure = whole - removed - optional
    users = Counter(user for user, _ in {*whole, *doubted})
    for name, held in (("to a visitor", set(to_visitors)), ("to a user", set(to_users))):
        for user, visitor in sorted({*held, *whole, *doubted}):
            pair = (user, visitor)
            may_be_full = users[user] > LINKS_MAX
            finding.judge(
                f"{user} {visitor}: pointers {name}",
                int(pair in held),
                0 if may_be_full else int(sure[pair] > 0),
                int(whole[pair] + doubted[pair] > 0),
            )
    for user, count in Counter(user for user, _ in to_visitors).items():
        finding.judge(f"{user}: links", count, 0, LINKS_MAX, at_most=1)
    return finding
