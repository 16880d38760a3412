"""Laws of `MemoryKinesis` through any sequence of writes, splits, merges and scalings."""

from __future__ import annotations

import itertools
import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tapstack.ports import AwsError
from tapstack_emulator import KinesisRecord, ManualClock, MemoryKinesis

HASH_KEYS = 2**128

PUTS = st.tuples(st.just("put"), st.lists(st.integers(0, 30), min_size=1, max_size=20))
SPLITS = st.tuples(st.just("split"), st.integers(0, 20), st.floats(0.01, 0.99))
MERGES = st.tuples(st.just("merge"), st.integers(0, 20))
SCALES = st.tuples(st.just("scale"), st.integers(1, 9))
WAITS = st.tuples(st.just("wait"), st.integers(-5_000, 60_000))
STEPS = st.lists(st.one_of(PUTS, PUTS, SPLITS, MERGES, SCALES, WAITS), min_size=3, max_size=30)


class Run:
    """A stream driven by steps, with a list of what it accepted."""

    def __init__(self, seed: int) -> None:
        self.clock = ManualClock()
        self.kinesis = MemoryKinesis(
            self.clock, shuffle=random.Random(seed), gaps=random.Random(seed + 1), limited=False
        )
        self.kinesis.create_stream("s", 3)
        self.accepted: dict[str, str] = {}
        self._serial = itertools.count()

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.json.decode(
            self.kinesis.call(operation, msgspec.json.encode(request))
        )
        return answer

    def open(self) -> list[Any]:
        found = [
            shard
            for shard in self.kinesis.shards("s")
            if not shard.sequence_number_range.ending_sequence_number
        ]
        return sorted(found, key=lambda shard: int(shard.hash_key_range.starting_hash_key))

    def step(self, kind: str, *how: Any) -> None:
        getattr(self, kind)(*how)

    def put(self, users: list[int]) -> None:
        records = [
            {"PartitionKey": f"u{user}", "Data": msgspec.to_builtins(str(next(self._serial)).encode())}
            for user in users
        ]
        answer = self.call("PutRecords", StreamName="s", Records=records)
        for given_record, stored in zip(records, answer["Records"], strict=True):
            assert stored["SequenceNumber"] not in self.accepted
            self.accepted[stored["SequenceNumber"]] = given_record["Data"]

    def split(self, index: int, at: float) -> None:
        shards = self.open()
        shard = shards[index % len(shards)]
        start, end = (int(key) for key in msgspec.structs.astuple(shard.hash_key_range))
        key = start + int((end - start) * at)
        try:
            self.call("SplitShard", StreamName="s", ShardToSplit=shard.shard_id, NewStartingHashKey=str(key))
        except AwsError as error:
            assert error.code == "InvalidArgumentException"  # noqa: PT017
            assert not start + 1 < key < end

    def merge(self, index: int) -> None:
        shards = self.open()
        if len(shards) > 1:
            left = index % (len(shards) - 1)
            one, two = shards[left].shard_id, shards[left + 1].shard_id
            self.call("MergeShards", StreamName="s", ShardToMerge=one, AdjacentShardToMerge=two)

    def scale(self, target: int) -> None:
        if len(self.open()) / 2 <= target <= len(self.open()) * 2:
            self.call(
                "UpdateShardCount", StreamName="s", TargetShardCount=target, ScalingType="UNIFORM_SCALING"
            )
            assert len(self.open()) == target

    def wait(self, duration_ms: int) -> None:
        self.clock.set_ms(self.clock.now_ms() + duration_ms)

    def read(self, shard_id: str, limit: int = 7) -> list[dict[str, Any]]:
        request = {"StreamName": "s", "ShardId": shard_id, "ShardIteratorType": "TRIM_HORIZON"}
        following = self.call("GetShardIterator", **request)["ShardIterator"]
        found: list[dict[str, Any]] = []
        while following:
            answer = self.call("GetRecords", ShardIterator=following, Limit=limit)
            if not answer["Records"] and answer["NextShardIterator"]:
                break
            found += answer["Records"]
            following = answer["NextShardIterator"]
        return found


def ran(seed: int, steps: list[Any]) -> Run:
    run = Run(seed)
    for step in steps:
        run.step(*step)
    return run


@given(seed=st.integers(0, 5), steps=STEPS)
def test_open_shards_always_partition_the_hash_space(seed: int, steps: list[Any]) -> None:
    run = ran(seed, steps)
    edge = 0
    for shard in run.open():
        assert int(shard.hash_key_range.starting_hash_key) == edge
        edge = int(shard.hash_key_range.ending_hash_key) + 1
    assert edge == HASH_KEYS


@given(seed=st.integers(0, 5), steps=STEPS)
def test_every_accepted_record_is_read_exactly_once(seed: int, steps: list[Any]) -> None:
    run = ran(seed, steps)
    found = [row for shard in run.kinesis.shard_ids("s") for row in run.read(shard)]
    assert sorted((row["SequenceNumber"], row["Data"]) for row in found) == sorted(run.accepted.items())


@given(seed=st.integers(0, 5), steps=STEPS)
def test_sequence_numbers_increase_within_a_shard_and_from_parent_to_child(
    seed: int, steps: list[Any]
) -> None:
    run = ran(seed, steps)
    ends: dict[str, int] = {}
    for shard in run.kinesis.shards("s"):
        span = shard.sequence_number_range
        numbers = [int(row.sequence_number) for row in run.kinesis.records("s", shard.shard_id)]
        bounds = [int(span.starting_sequence_number), *numbers]
        if span.ending_sequence_number:
            bounds.append(int(span.ending_sequence_number))
        assert bounds == sorted(set(bounds))
        assert {len(str(number)) for number in bounds} == {56}
        parents = (shard.parent_shard_id, shard.adjacent_parent_shard_id)
        assert all(ends[parent] < bounds[0] for parent in parents if parent)
        ends[shard.shard_id] = bounds[-1]


@given(seed=st.integers(0, 5), steps=STEPS)
def test_a_user_is_in_order_when_parents_are_read_before_their_children(seed: int, steps: list[Any]) -> None:
    run = ran(seed, steps)
    by_user: dict[str, list[KinesisRecord]] = {}
    for record in run.kinesis.records("s"):
        by_user.setdefault(record.partition_key, []).append(record)
    for records in by_user.values():
        numbers = [int(record.sequence_number) for record in records]
        assert numbers == sorted(numbers)


@given(seed=st.integers(0, 5), steps=STEPS, limit=st.integers(1, 50))
def test_the_size_of_pages_changes_nothing(seed: int, steps: list[Any], limit: int) -> None:
    run = ran(seed, steps)
    for shard_id in run.kinesis.shard_ids("s"):
        assert run.read(shard_id, limit) == run.read(shard_id, 10_000)


@given(seed=st.integers(0, 5), steps=STEPS)
def test_children_named_at_the_end_of_a_shard_are_those_that_name_it_as_parent(
    seed: int, steps: list[Any]
) -> None:
    run = ran(seed, steps)
    shards = run.kinesis.shards("s")
    for shard in shards:
        if not shard.sequence_number_range.ending_sequence_number:
            continue
        request = {"StreamName": "s", "ShardId": shard.shard_id, "ShardIteratorType": "LATEST"}
        answer = run.call(
            "GetRecords", ShardIterator=run.call("GetShardIterator", **request)["ShardIterator"]
        )
        assert answer["NextShardIterator"] is None
        assert sorted(child["ShardId"] for child in answer["ChildShards"]) == sorted(
            other.shard_id
            for other in shards
            if shard.shard_id in {other.parent_shard_id, other.adjacent_parent_shard_id}
        )
