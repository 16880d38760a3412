"""Shards that split and merge while traffic flows: fault S3, in the embedded cloud's Kinesis.

An operator who scales a stream does it with producers writing and batches in flight, so it happens here
right after the event source mapping was given a page of records. Everything goes through the API's own
operations; the number of open shards stays between half and twice of what it was, and rather large shards
are split and rather small ones merged, so that none ends up with most of the traffic.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from tapstack_emulator.kinesis.service import MemoryKinesis

Change = Literal["split", "merge", "update_shard_count"]

# Later changes come after longer pauses, so that a run of a million records has some forty, not hundreds.
GROWTH = 8
HASH_KEYS = 2**128
UPDATE_SHARE = 0.15  # of changes that are UpdateShardCount: splits and merges in one go

_ENCODE = msgspec.json.Encoder().encode


class Resharder:
    """Changes the shards of one stream at moments drawn from a seed.

    Parameters
    ----------
    kinesis
        The service.
    stream
        The stream's name.
    every_records
        About how many records pass between two changes at first, ``>= 1``.
    seed
        Of the moments and of what is changed.
    counts
        Counts the changes, by `NAMES`.
    on_change
        Told the number of open shards after each.
    """

    def __init__(
        self,
        kinesis: MemoryKinesis,
        stream: str,
        *,
        every_records: int,
        seed: int,
        counts: Counter[str],
        on_change: Callable[[int], object],
    ) -> None:
        self._kinesis = kinesis
        self._stream = stream
        self._every = every_records
        self._random = random.Random(f"reshard {seed}")  # noqa: S311 - reproducible, not secret
        self._counts = counts
        self._on_change = on_change
        start = len(kinesis.shard_ids(stream, open_only=True))
        self._low, self._high = max(1, start // 2), 2 * start
        self._seen = 0
        self._next = self._pause()

    def note(self, records: int) -> None:
        """Take note of records that were read; if it is time, change the shards."""
        self._seen += records
        if self._seen >= self._next:
            self._next = self._seen + self._pause()
            self._change()

    def _pause(self) -> int:
        return round(max(self._every, self._seen / GROWTH) * self._random.uniform(0.5, 1.5))

    def _change(self) -> None:
        shards = self._open()
        change = self._choose(len(shards))
        if change == "split":
            self._split(self._random.choices(shards, [_span(shard) ** 2 for shard in shards])[0])
        elif change == "merge":
            self._merge(shards)
        else:
            low, high = max(self._low, -(-len(shards) // 2)), min(self._high, 2 * len(shards))
            target = self._random.randint(low, high)
            self._call("UpdateShardCount", TargetShardCount=target, ScalingType="UNIFORM_SCALING")
        self._counts[NAMES[change]] += 1
        self._on_change(len(self._kinesis.shard_ids(self._stream, open_only=True)))

    def _choose(self, count: int) -> Change:
        if self._random.random() < UPDATE_SHARE:
            return "update_shard_count"
        if count <= self._low:
            return "split"
        if count >= self._high:
            return "merge"
        return self._random.choice(("split", "merge"))

    def _split(self, shard: dict[str, Any]) -> None:
        start = int(shard["HashKeyRange"]["StartingHashKey"])
        # Not always in the middle: what counts is the load, which nobody knows exactly.
        at = start + int(_span(shard) * self._random.uniform(0.3, 0.7))
        self._call("SplitShard", ShardToSplit=shard["ShardId"], NewStartingHashKey=str(at))

    def _merge(self, shards: list[dict[str, Any]]) -> None:
        pairs = list(itertools.pairwise(shards))
        weights = [(HASH_KEYS / (_span(left) + _span(right))) ** 2 for left, right in pairs]
        left, right = self._random.choices(pairs, weights)[0]
        self._call("MergeShards", ShardToMerge=left["ShardId"], AdjacentShardToMerge=right["ShardId"])

    def _open(self) -> list[dict[str, Any]]:
        """List the open shards in the order of their hash ranges."""
        answer = self._call("ListShards", ShardFilter={"Type": "AT_LATEST"})
        shards: list[dict[str, Any]] = answer["Shards"]
        return sorted(shards, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        body = _ENCODE({"StreamName": self._stream, **request})
        answer: dict[str, Any] = msgspec.json.decode(self._kinesis.call(operation, body))
        return answer


def _span(shard: dict[str, Any]) -> int:
    """Return how many hash keys a shard has."""
    span = shard["HashKeyRange"]
    return int(span["EndingHashKey"]) - int(span["StartingHashKey"]) + 1


NAMES: dict[Change, str] = {
    "split": "S3 split",
    "merge": "S3 merge",
    "update_shard_count": "S3 update_shard_count",
}
"""How changes are counted: by their names as faults."""
