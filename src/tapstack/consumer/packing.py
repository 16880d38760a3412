"""Which users share a transaction: those who touch the same items, whose rows are then written once.

An item's row costs a write in every transaction that touches it. So a transaction is planned around what it
holds already: next comes whoever adds least to it, for the size of what he touches. That is a tenth fewer
rows than users ordered by their most popular item (docs/decisions/0010-users-are-packed-by-their-items.md).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import chain, islice

from tapstack.consumer.records import Delivery
from tapstack.ports import Key

ROWS_PLANNED = 92  # of a transaction's 100: leaderboards, and partners in pairs, are not known yet
CANDIDATES_MAX = 16  # users looked at when an item enters, so that what everybody touches costs no more


def pack(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Order deliveries by lane and by user, each user's in the order of the stream.

    Parameters
    ----------
    deliveries
        In the order of the stream.

    Returns
    -------
    list[Delivery]
        The same ones; users who touch the same items stand together.
    """
    users: defaultdict[Key, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        users[delivery.user_key].append(delivery)
    lanes: defaultdict[int, list[list[Delivery]]] = defaultdict(list)
    for user in users.values():
        lanes[user[0].lane].append(user)
    ordered: list[Delivery] = []
    for _, lane in sorted(lanes.items()):
        waiting = _Waiting([set(chain.from_iterable([each.item_ids for each in user])) for user in lane])
        while waiting.users:
            for number in _transaction(waiting):
                ordered += lane[number]
    return ordered


class _Waiting:
    """Users that stand in no transaction yet.

    Parameters
    ----------
    touched
        The items that each user touches; a user's name is his position here.
    """

    def __init__(self, touched: Sequence[set[str]]) -> None:
        self.touched = touched
        # Those with most items first: transactions begin with them.
        self.users = dict.fromkeys(sorted(range(len(touched)), key=lambda user: -len(touched[user])))
        users_count = Counter(chain.from_iterable(touched))
        self._users_of: dict[str, dict[int, None]] = {
            item_id: {} for item_id, count in users_count.items() if count > 1
        }
        for user, item_ids in enumerate(touched):
            for item_id in item_ids:
                if item_id in self._users_of:
                    self._users_of[item_id][user] = None

    def take(self, user: int, new: set[str]) -> list[int]:
        """Take a user; tell who else touches items that are `new` by him, once for each, though not all."""
        del self.users[user]
        others: list[int] = []
        for item_id in self.touched[user]:
            users = self._users_of.get(item_id)
            if users is not None:
                del users[user]
                if item_id in new:
                    others += users if len(users) <= CANDIDATES_MAX else islice(users, CANDIDATES_MAX)
        return others


def _transaction(waiting: _Waiting) -> list[int]:
    """Take the users of one transaction."""
    chosen: list[int] = []
    inside: set[str] = set()
    outside_count: dict[int, int] = {}  # of a user's items
    nearest: list[tuple[float, int]] = []  # a heap of users by the share of their rows that would be new
    while waiting.users:
        while nearest and nearest[0][1] not in waiting.users:
            heappop(nearest)
        user = nearest[0][1] if nearest else next(iter(waiting.users))
        new = waiting.touched[user] - inside
        if chosen and len(chosen) + 1 + len(inside) + len(new) > ROWS_PLANNED:
            break
        chosen.append(user)
        inside |= new
        for other in waiting.take(user, new):
            size = len(waiting.touched[other])
            outside_count[other] = outside_count.get(other, size) - 1
            heappush(nearest, ((1 + outside_count[other]) / (1 + size), other))
    return chosen
