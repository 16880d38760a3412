"""The operator who scales the stream while it is in use."""

from __future__ import annotations

from collections import Counter

import pytest

from tapstack_emulator import ManualClock, MemoryKinesis
from tapstack_emulator.kinesis.random_resharding import NAMES, Resharder
from tapstack_emulator.kinesis.wire import ShardAnswer


def is_open(shard: ShardAnswer) -> bool:
    return shard.sequence_number_range.ending_sequence_number is None


class Stream:
    def __init__(self, shards: int, seed: int, every_records: int = 100) -> None:
        self.kinesis = MemoryKinesis(ManualClock())
        self.kinesis.create_stream("s", shards)
        self.counts: Counter[str] = Counter()
        self.open: list[int] = []
        self.resharder = Resharder(
            self.kinesis,
            "s",
            every_records=every_records,
            seed=seed,
            counts=self.counts,
            on_change=self.open.append,
        )


@pytest.mark.parametrize("shards", [1, 2, 3, 8, 64])
def test_the_number_of_open_shards_stays_between_half_and_twice(shards: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(10):
        stream = Stream(shards, seed)
        for _ in range(200):
            stream.resharder.note(1_000)
            stream.kinesis.put("s", "k", b"x")
        assert stream.counts.total() == len(stream.open) >= 20
        seen += stream.counts
        assert max(1, shards // 2) <= min(stream.open) < max(stream.open) <= 2 * shards
        assert len(stream.kinesis.records("s")) == 200
    assert seen.keys() == set(NAMES.values())


def test_a_seed_gives_the_same_changes_at_the_same_moments() -> None:
    runs = []
    for _ in range(2):
        stream = Stream(4, 7)
        for _ in range(100):
            stream.resharder.note(37)
        runs.append((stream.counts, stream.open, stream.kinesis.shards("s")))
    assert runs[0] == runs[1]


def test_a_million_records_see_some_tens_of_changes_and_the_first_three_thousand_at_least_one() -> None:
    for seed in range(20):
        stream = Stream(8, seed, every_records=1_500)
        for _ in range(3):
            stream.resharder.note(1_000)
        assert stream.counts.total() >= 1
        for _ in range(997):
            stream.resharder.note(1_000)
        assert 25 <= stream.counts.total() <= 70


def test_no_shard_ends_up_with_most_of_the_traffic() -> None:
    shares = []
    for seed in range(20):
        stream = Stream(8, seed)
        for _ in range(500):
            stream.resharder.note(1_000)
            ranges = [shard.hash_key_range for shard in stream.kinesis.shards("s") if is_open(shard)]
            spans = [int(each.ending_hash_key) - int(each.starting_hash_key) + 1 for each in ranges]
            assert sum(spans) == 2**128
            shares.append(max(spans) / 2**128)
    assert sorted(shares)[len(shares) * 95 // 100] < 0.5
