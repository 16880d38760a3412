"""A stream: its shards over time."""

from __future__ import annotations

import itertools
from bisect import bisect_right

from tapstack_emulator.kinesis.shards import HASH_KEYS, Shard

HOUR_MS = 3_600_000
RETENTION_HOURS_MIN = 24


class Stream:
    """A stream whose open shards always partition the 128-bit hash space.

    Parameters
    ----------
    name, arn
        How it is called.
    shard_count
        How many shards of equal range it starts with, ``>= 1``.
    now_ms
        When it is made.
    mode
        ``PROVISIONED`` or ``ON_DEMAND``.
    """

    def __init__(self, name: str, arn: str, shard_count: int, now_ms: int, mode: str = "PROVISIONED") -> None:
        self.name = name
        self.arn = arn
        self.mode = mode
        self.created_ms = now_ms
        self._ready_ms: int | None = None
        self._active_once = False
        self.retention_hours = RETENTION_HOURS_MIN
        self.shards: dict[str, Shard] = {}
        self._shard_count = 0
        self._starts: list[int] = []
        self._open: list[Shard] = []
        for start, end in uniform_ranges(shard_count):
            self._add(start, end, now_ms, ())
        self._index()

    def status(self, now_ms: int) -> str:
        """Return ``CREATING``, ``UPDATING`` or ``ACTIVE``."""
        if self._ready_ms is None or now_ms >= self._ready_ms:
            self._ready_ms = None  # for good: a clock that jumps back undoes nothing
            self._active_once = True
            return "ACTIVE"
        return "UPDATING" if self._active_once else "CREATING"

    def summary(self, now_ms: int) -> dict[str, object]:
        """Return what ListStreams and the descriptions of a stream have in common."""
        return {
            "StreamName": self.name,
            "StreamARN": self.arn,
            "StreamStatus": self.status(now_ms),
            "StreamModeDetails": {"StreamMode": self.mode},
            "StreamCreationTimestamp": self.created_ms / 1000,
        }

    def change(self, now_ms: int, duration_ms: int) -> None:
        """Enter CREATING or UPDATING for this long."""
        self._ready_ms = now_ms + duration_ms
        self.status(now_ms)

    def open_shards(self) -> list[Shard]:
        """List the shards that accept records, in the order of their hash ranges."""
        return list(self._open)

    def shard_for(self, hash_value: int) -> Shard:
        """Return the open shard whose range holds `hash_value`."""
        return self._open[bisect_right(self._starts, hash_value) - 1]

    def horizon_ms(self, now_ms: int) -> int:
        """Return the moment before which records that arrived have expired."""
        return now_ms - self.retention_hours * HOUR_MS

    def expire(self, now_ms: int) -> None:
        """Forget expired records, and closed shards that can hold none any more."""
        horizon = self.horizon_ms(now_ms)
        gone = []
        for shard in self.shards.values():
            shard.trim(horizon)
            if shard.closed_ms is not None and shard.closed_ms < horizon and not shard.records:
                gone.append(shard.shard_id)
        for shard_id in gone:
            del self.shards[shard_id]

    def split(self, shard: Shard, at: int, now_ms: int) -> tuple[Shard, Shard]:
        """Close `shard` and continue it in two, the second one starting at hash key `at`.

        Raises
        ------
        ValueError
            If `at` is not inside the shard's range, or the shard is closed.
        """
        if not shard.start < at <= shard.end or shard.closed_ms is not None:
            msg = f"cannot split {shard.shard_id} at {at}"
            raise ValueError(msg)
        shard.close(now_ms)
        parents = (shard.shard_id,)
        shard.children = [
            self._add(shard.start, at - 1, now_ms, parents, after_s=shard.created_s),
            self._add(at, shard.end, now_ms, parents, after_s=shard.created_s),
        ]
        self._index()
        return shard.children[0], shard.children[1]

    def merge(self, left: Shard, right: Shard, now_ms: int) -> Shard:
        """Close two adjacent shards and continue them in one.

        Raises
        ------
        ValueError
            If they are not adjacent in this order, or one is closed.
        """
        if left.end + 1 != right.start or left.closed_ms is not None or right.closed_ms is not None:
            msg = f"cannot merge {left.shard_id} and {right.shard_id}"
            raise ValueError(msg)
        left.close(now_ms)
        right.close(now_ms)
        parents = (left.shard_id, right.shard_id)
        after_s = max(left.created_s, right.created_s)
        child = self._add(left.start, right.end, now_ms, parents, after_s=after_s)
        left.children = [child]
        right.children = [child]
        self._index()
        return child

    def scale(self, shard_count: int, now_ms: int) -> None:
        """Reach `shard_count` shards of equal range by splits, then merges."""
        ranges = uniform_ranges(shard_count)
        for start, _ in ranges:
            shard = self.shard_for(start)
            if shard.start != start:
                self.split(shard, start, now_ms)
        for start, end in ranges:
            shard = self.shard_for(start)
            while shard.end != end:
                shard = self.merge(shard, self.shard_for(shard.end + 1), now_ms)

    def _add(self, start: int, end: int, now_ms: int, parents: tuple[str, ...], after_s: int = -1) -> Shard:
        created_s = max(now_ms // 1000, after_s + 1)
        shard = Shard(self._shard_count, start, end, opened_ms=now_ms, created_s=created_s, parents=parents)
        self._shard_count += 1
        self.shards[shard.shard_id] = shard
        return shard

    def _index(self) -> None:
        is_open = [shard for shard in self.shards.values() if shard.closed_ms is None]
        self._open = sorted(is_open, key=lambda shard: shard.start)
        self._starts = [shard.start for shard in self._open]


def uniform_ranges(count: int) -> list[tuple[int, int]]:
    """Cut the hash space in `count` ranges as equal as possible, both ends inclusive."""
    starts = [HASH_KEYS * index // count for index in range(count + 1)]
    return [(start, following - 1) for start, following in itertools.pairwise(starts)]
