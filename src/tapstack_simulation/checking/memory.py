"""A user's memory as docs/reference/table.md describes it, written anew for the checker."""

from __future__ import annotations

from typing import Any

from tapstack_simulation.checking.facts import Fact
from tapstack_simulation.checking.stored import Promises

DAY_S = 86_400
TIMED, TIMELESS, AHEAD = 0, 1, 2
LETTERS = "dna"


class Memory:
    """What a row remembers, changed event by event.

    Parameters
    ----------
    seen
        The row's memory, as it is stored.
    promises
        The configuration.

    Attributes
    ----------
    written : dict[str, set[int]]
        The pages it asked for, by sort key.
    """

    def __init__(self, seen: Any, promises: Promises) -> None:
        clients, ids, pages, self._floor_s, self._floor_day, self._day = seen
        self._promises = promises
        self._keep_days = promises.row_ttl_s // DAY_S - 2
        self._ids: dict[int, int] = dict(ids)
        self._pages: dict[int, list[int]] = {group: list(note) for group, note in pages.items()}
        self._clients: dict[bytes, list[Any]] = {
            client: [top, [list(gap) for gap in gaps], day] for client, (top, gaps, day) in clients.items()
        }
        self.written: dict[str, set[int]] = {}

    def stored(self) -> list[Any]:
        """Return it as a row stores it."""
        return [self._clients, self._ids, self._pages, self._floor_s, self._floor_day, self._day]

    def take(self, fact: Fact, arrived_s: int, received_s: int) -> None:
        """Add an event."""
        when = fact.client_ms // 1_000 if fact.client_ms else 0
        when = max(when, 1) if fact.client_ms else 0
        untimed = when == 0 or when > received_s + DAY_S
        self._day = max(self._day, arrived_s // DAY_S, received_s // DAY_S if untimed else -1)
        kind, what, n = fact.name
        if kind == "n" and isinstance(what, bytes):
            if not self._take_number(what, n):
                self._take_id(fact.alias, -when if untimed else when)
        else:
            assert isinstance(what, int), "an id is known by its digest"  # noqa: S101 - for types
            self._take_id(what, -when if untimed else when)

    def _take_number(self, client: bytes, n: int) -> bool:
        known = self._clients.get(client)
        if known is None:
            if len(self._clients) >= self._promises.clients:
                idle = next(iter(self._clients))
                if self._clients[idle][2] >= self._day - self._keep_days:
                    return False
                del self._clients[idle]
            self._clients[client] = [n, [[0, n - 1]] if n else [], self._day]
            return True
        top, gaps, _ = known
        rest = _without(gaps, n) if n <= top else gaps + ([[top + 1, n - 1]] if n > top + 1 else [])
        if len(rest) > self._promises.gaps:
            return False
        del self._clients[client]
        self._clients[client] = [max(top, n), rest, self._day]
        return True

    def _take_id(self, digest: int, when: int) -> None:
        self._ids[digest] = when
        if len(self._ids) <= self._promises.hot_ids:
            return
        groups: dict[int, list[int]] = {}
        for oldest in list(self._ids)[: self._promises.hot_ids // 2]:
            groups.setdefault(self._group(self._ids[oldest]), []).append(oldest)
        group = max(groups, key=lambda each: len(groups[each]))
        times = [abs(self._ids.pop(each)) for each in groups[group]]
        self._close_old()
        if group % 3 == TIMED and group // 3 * DAY_S <= self._floor_s:
            return
        bound, rows = self._pages.get(group, [times[0], 0])
        bound = min(bound, *times) if group % 3 == AHEAD else max(bound, *times)
        self._pages[group] = [bound, rows + 1]
        self.written[f"seen#{LETTERS[group % 3]}{group // 3:05d}#{rows:04d}"] = set(groups[group])

    def _group(self, when: int) -> int:
        if when > 0:
            return when // DAY_S * 3 + TIMED
        return int(self._day) * 3 + (AHEAD if when else TIMELESS)

    def _close_old(self) -> None:
        for group in [each for each in self._pages if each // 3 < self._day - self._keep_days]:
            del self._pages[group]
            if group % 3 == TIMED:
                self._floor_s = max(self._floor_s, (group // 3 + 1) * DAY_S - 1)
            else:
                self._floor_day = max(self._floor_day, group // 3)


def _without(gaps: list[list[int]], n: int) -> list[list[int]]:
    found: list[list[int]] = []
    for first, last in gaps:
        if not first <= n <= last:
            found.append([first, last])
        else:
            found += [[a, b] for a, b in ((first, n - 1), (n + 1, last)) if a <= b]
    return found
