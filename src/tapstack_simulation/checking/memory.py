"""A user's memory as the documentation tells it, written anew for the checker.

When more is counted in one commit than a row can remember, the row after the commit no longer tells which
events those were. Following the documented rules over the batch gives the answer to be verified: only what
also explains all counters is believed.
"""

from __future__ import annotations

from typing import Any

from tapstack_simulation.checking.facts import Fact, Part
from tapstack_simulation.checking.intervals import contains, without

IDS_MAX, CLIENTS_MAX, GAPS_MAX = 64, 16, 16
Counting = tuple[Fact, Part]


class Memory:
    """What a row remembers, changed event by event.

    Parameters
    ----------
    seen
        The row's memory, as it is stored.
    """

    def __init__(self, seen: Any) -> None:
        clients, self._clients_floor_ms, ids, self._ids_floor_ms, parts = seen
        self._parts: list[int] = list(parts)
        self._ids: dict[int, int] = dict(ids)
        self._clients: dict[bytes, tuple[int, int, list[tuple[int, int]]]] = {
            client: (low, top, [(first, last) for first, last in gaps])
            for client, (low, top, gaps) in clients.items()
        }

    def is_like(self, seen: Any) -> bool:
        """Return whether it equals what another row remembers."""
        return self._ids == seen[2] and self._clients == Memory(seen)._clients

    def stored(self) -> list[Any]:
        """Return it as a row stores it."""
        clients = {
            client: [low, top, [list(gap) for gap in gaps]]
            for client, (low, top, gaps) in self._clients.items()
        }
        return [clients, self._clients_floor_ms, self._ids, self._ids_floor_ms, self._parts]

    def take_part(self, fact: Fact, part: Part) -> bool:
        """Add an event with its first part, and expect the others; or a further part, which was expected."""
        if part is not fact.parts[0]:
            self._parts = [digest for digest in self._parts if digest != part.name[1]]
            return True
        self._parts += [other.name[1] for other in fact.parts[1:] if isinstance(other.name[1], int)]
        return self.take(fact, part)

    def take(self, fact: Fact, part: Part) -> bool:
        """Add an event; False if it is a duplicate or late."""
        kind, what, n = part.name
        if kind == "n" and isinstance(what, bytes):
            return self._take_native(what, n)
        if not isinstance(what, int) or what in self._ids or fact.client_ms <= self._ids_floor_ms:
            return False
        self._ids[what] = fact.client_ms
        if len(self._ids) > IDS_MAX:
            oldest = min(self._ids, key=lambda digest: (self._ids[digest], digest))
            self._ids_floor_ms = max(self._ids_floor_ms, self._ids.pop(oldest))
        return True

    def _take_native(self, client: bytes, n: int) -> bool:
        known = self._clients.get(client)
        if known is None:
            if int.from_bytes(client[:6], "big") <= self._clients_floor_ms:
                return False
            known = (0, -1, [])
        low, top, gaps = known
        if n < low or (n <= top and not contains(gaps, n)):
            return False
        gaps = without([*gaps, (top + 1, n)], [(n, n)])
        if len(gaps) > GAPS_MAX:
            low = gaps.pop(0)[1] + 1
        self._clients.pop(client, None)
        self._clients[client] = (low, max(top, n), gaps)
        if len(self._clients) > CLIENTS_MAX:
            oldest = next(iter(self._clients))
            del self._clients[oldest]
            self._clients_floor_ms = max(self._clients_floor_ms, int.from_bytes(oldest[:6], "big"))
        return True


def guess_counted(before: Any, after: Any, batch: list[Counting]) -> list[list[Counting]]:
    """Return what may have been counted of a batch: its beginnings that lead to the row afterwards.

    There may be several, since an event can be remembered and forgotten without a trace.

    Parameters
    ----------
    before, after
        The memory before and after the commit.
    batch
        What the sender of the commit was working on of this user, in the order of the stream.
    """
    memory = Memory(before)
    counted: list[Counting] = []
    beginnings = []
    for fact, part in batch:
        if part.user and memory.take(fact, part):
            counted.append((fact, part))
            if memory.is_like(after):
                beginnings.append(list(counted))
    return beginnings
