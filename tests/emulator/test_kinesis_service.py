"""What `MemoryKinesis` does with time, limits and chance; the rest is in the contract suite."""

from __future__ import annotations

import base64
import random
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest

from tapstack.ports import AwsError
from tapstack_emulator import ManualClock, MemoryKinesis

HOUR_MS = 3_600_000


class Wire:
    def __init__(self, **how: Any) -> None:
        self.clock = ManualClock()
        self.kinesis = MemoryKinesis(self.clock, **how)
        self.kinesis.create_stream("s", 1)

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        answer = self.kinesis.call(operation, msgspec.json.encode(request))
        decoded: dict[str, Any] = msgspec.json.decode(answer)
        return decoded

    def put(self, count: int, size: int = 1, key: str = "k") -> dict[str, Any]:
        data = base64.b64encode(b"x" * size).decode()
        return self("PutRecords", StreamName="s", Records=[{"PartitionKey": key, "Data": data}] * count)

    def iterator(self, shard_id: str = "shardId-000000000000", kind: str = "TRIM_HORIZON") -> str:
        request = {"StreamName": "s", "ShardId": shard_id, "ShardIteratorType": kind}
        found: str = self("GetShardIterator", **request)["ShardIterator"]
        return found


def test_records_expire_with_the_clock() -> None:
    wire = Wire()
    wire.put(2)
    start = wire.iterator()
    wire.clock.advance_ms(24 * HOUR_MS)
    wire.put(1)
    assert len(wire.kinesis.records("s")) == 3
    wire.clock.advance_ms(1)
    assert len(wire.kinesis.records("s")) == 1
    with pytest.raises(AwsError, match="ExpiredIteratorException"):
        wire("GetRecords", ShardIterator=start)
    assert len(wire("GetRecords", ShardIterator=wire.iterator())["Records"]) == 1


def test_forgotten_records_are_gone_and_reading_goes_on_behind_them() -> None:
    wire = Wire()
    numbers = [entry["SequenceNumber"] for entry in wire.put(3)["Records"]]
    shard_id = "shardId-000000000000"
    wire.kinesis.forget("s", shard_id, numbers[1])
    wire.kinesis.forget("s", "shardId-000000000009", numbers[1])
    assert wire.kinesis.record_count("s") == 1
    after = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": numbers[1]}
    iterator = wire("GetShardIterator", StreamName="s", ShardId=shard_id, **after)["ShardIterator"]
    [left] = wire("GetRecords", ShardIterator=iterator)["Records"]
    assert left["SequenceNumber"] == numbers[2]
    wire.kinesis.forget("s", shard_id, numbers[2])
    assert wire.kinesis.records("s") == []
    assert wire.put(1)["Records"][0]["SequenceNumber"] > numbers[2]


def test_a_longer_retention_keeps_records_longer() -> None:
    wire = Wire()
    wire.put(1)
    wire("IncreaseStreamRetentionPeriod", StreamName="s", RetentionPeriodHours=48)
    wire.clock.advance_ms(48 * HOUR_MS)
    assert len(wire.kinesis.records("s")) == 1
    wire.clock.advance_ms(1)
    assert wire.kinesis.records("s") == []


def test_a_closed_shard_is_forgotten_once_its_records_have_expired() -> None:
    wire = Wire()
    wire.put(1)
    wire("SplitShard", StreamName="s", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    wire.clock.advance_ms(24 * HOUR_MS)
    assert len(wire("ListShards", StreamName="s")["Shards"]) == 3
    wire.clock.advance_ms(1)
    assert len(wire("ListShards", StreamName="s")["Shards"]) == 2
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        wire.iterator()


def test_an_iterator_expires_after_five_minutes() -> None:
    wire = Wire()
    start = wire.iterator()
    wire.clock.advance_ms(300_000)
    wire("GetRecords", ShardIterator=start)
    wire.clock.advance_ms(1)
    with pytest.raises(AwsError, match="tolerated delay of 300000 milliseconds") as caught:
        wire("GetRecords", ShardIterator=start)
    assert caught.value.code == "ExpiredIteratorException"


def test_an_iterator_of_a_deleted_stream_does_not_read_its_namesake() -> None:
    wire = Wire()
    start = wire.iterator()
    wire("DeleteStream", StreamName="s")
    wire.clock.advance_ms(1)
    wire.kinesis.create_stream("s")
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        wire("GetRecords", ShardIterator=start)


def test_a_reader_is_told_how_far_it_is_behind() -> None:
    wire = Wire()
    wire.put(1)
    wire.clock.advance_ms(7000)
    wire.put(1)
    answer = wire("GetRecords", ShardIterator=wire.iterator(), Limit=1)
    assert answer["MillisBehindLatest"] == 7000
    assert wire("GetRecords", ShardIterator=answer["NextShardIterator"])["MillisBehindLatest"] == 0


@pytest.mark.parametrize(
    ("count", "size", "stored"), [(500, 1, 1000), (8, 256 * 1024, 3)], ids=["records", "bytes"]
)
def test_a_full_shard_refuses_single_records_for_the_rest_of_the_second(
    count: int, size: int, stored: int
) -> None:
    wire = Wire(limited=True)
    refused = 0
    for _ in range(3):
        answer = wire.put(count, size)
        refused += answer["FailedRecordCount"]
        codes = [row.get("ErrorCode") for row in answer["Records"]]
        assert codes.count("ProvisionedThroughputExceededException") == answer["FailedRecordCount"]
    assert len(wire.kinesis.records("s")) == stored == 3 * count - refused
    with pytest.raises(AwsError, match="Rate exceeded for shard shardId-000000000000 in stream s"):
        wire("PutRecord", StreamName="s", PartitionKey="k", Data=base64.b64encode(b"x" * size).decode())
    wire.clock.advance_ms(1000)
    assert wire.put(1, size)["FailedRecordCount"] == 0


def test_a_shard_answers_five_reads_a_second() -> None:
    wire = Wire(limited=True)
    start = wire.iterator()
    for _ in range(5):
        wire("GetRecords", ShardIterator=start)
    with pytest.raises(AwsError) as caught:
        wire("GetRecords", ShardIterator=start)
    assert caught.value.code == "ProvisionedThroughputExceededException"
    wire.clock.advance_ms(1000)
    wire("GetRecords", ShardIterator=start)


def test_a_read_of_10_mib_holds_up_the_next_ones_for_five_seconds() -> None:
    wire = Wire(limited=True)
    for _ in range(12):
        wire.put(1, 1024 * 1024 - 1)
        wire.clock.advance_ms(1000)
    start = wire.iterator()
    assert len(wire("GetRecords", ShardIterator=start)["Records"]) == 10
    wire.clock.advance_ms(4900)
    with pytest.raises(AwsError, match="ProvisionedThroughputExceededException"):
        wire("GetRecords", ShardIterator=start)
    wire.clock.advance_ms(100)
    wire("GetRecords", ShardIterator=start)


def test_a_shuffle_stores_in_another_order_but_answers_in_the_same() -> None:
    wire = Wire(shuffle=random.Random(1))
    records = [{"PartitionKey": f"u{index}", "Data": ""} for index in range(50)]
    answer = wire("PutRecords", StreamName="s", Records=records)
    stored = wire.kinesis.records("s")
    assert [row.partition_key for row in stored] != [f"u{index}" for index in range(50)]
    key_of = {row.sequence_number: row.partition_key for row in stored}
    assert [key_of[row["SequenceNumber"]] for row in answer["Records"]] == [
        f"u{index}" for index in range(50)
    ]


def test_a_stream_changes_state_with_the_clock() -> None:
    wire = Wire(transition_ms=1000)

    def status() -> str:
        found: str = wire("DescribeStreamSummary", StreamName="s")["StreamDescriptionSummary"]["StreamStatus"]
        return found

    assert status() == "CREATING"
    with pytest.raises(AwsError, match="not found"):
        wire.put(1)
    wire.clock.advance_ms(1000)
    assert status() == "ACTIVE"
    split = {"StreamName": "s", "NewStartingHashKey": str(2**126)}
    wire("SplitShard", ShardToSplit="shardId-000000000000", **split)
    assert status() == "UPDATING"
    assert wire.put(1)["FailedRecordCount"] == 0
    with pytest.raises(AwsError, match="ResourceInUseException"):
        wire("SplitShard", ShardToSplit="shardId-000000000001", **split)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("SplitShard", {"ShardToSplit": "shardId-000000000000", "NewStartingHashKey": str(2**126)}),
        (
            "MergeShards",
            {"ShardToMerge": "shardId-000000000000", "AdjacentShardToMerge": "shardId-000000000001"},
        ),
        ("UpdateShardCount", {"TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING"}),
    ],
)
def test_an_on_demand_stream_is_resharded_by_nobody_but_aws(
    operation: str, request_: dict[str, object]
) -> None:
    wire = Wire()
    wire.kinesis.create_stream("t", 2)
    before = wire.kinesis.shard_ids("t")
    arn = wire("DescribeStreamSummary", StreamName="t")["StreamDescriptionSummary"]["StreamARN"]
    wire("UpdateStreamMode", StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    with pytest.raises(AwsError, match="ValidationException"):
        wire(operation, StreamName="t", **request_)
    assert wire.kinesis.shard_ids("t") == before
    wire("UpdateStreamMode", StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
    wire(operation, StreamName="t", **request_)
    assert wire.kinesis.shard_ids("t") != before


def test_a_null_member_is_named_as_aws_names_it() -> None:
    wire = Wire()
    with pytest.raises(AwsError) as caught:
        wire(
            "PutRecords",
            StreamName="s",
            Records=[{"PartitionKey": "a", "Data": ""}, {"PartitionKey": None, "Data": ""}],
        )
    assert caught.value.code == "ValidationException"
    assert "partitionKey' failed to satisfy constraint: Member must not be null" in caught.value.message


def test_what_is_no_json_is_a_serialization_error() -> None:
    with pytest.raises(AwsError, match="SerializationException"):
        Wire().kinesis.call("PutRecords", b"{")


def test_an_operation_nobody_knows_is_refused() -> None:
    with pytest.raises(AwsError, match="UnknownOperationException"):
        Wire()("SubscribeToShard")


def test_filters_at_a_timestamp_list_the_shards_of_that_moment() -> None:
    wire = Wire()
    wire.clock.advance_ms(10_000)
    before = wire.clock.now_ms() / 1000
    wire.clock.advance_ms(10_000)
    wire("SplitShard", StreamName="s", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    after = wire.clock.now_ms() / 1000

    def listed(kind: str, timestamp: float) -> list[int]:
        chosen = {"Type": kind, "Timestamp": timestamp}
        found = wire("ListShards", StreamName="s", ShardFilter=chosen)["Shards"]
        return [int(shard["ShardId"][-3:]) for shard in found]

    assert listed("AT_TIMESTAMP", before) == [0]
    assert listed("AT_TIMESTAMP", after) == [1, 2]
    assert listed("FROM_TIMESTAMP", before) == [0, 1, 2]
    assert listed("FROM_TIMESTAMP", after + 1) == [1, 2]


@pytest.mark.parametrize("char", ["k", "\u00e9", "\U0001f600"])
@pytest.mark.parametrize("units", [256, 258])
def test_a_partition_key_has_at_most_256_utf_16_units(char: str, units: int) -> None:
    kinesis = MemoryKinesis()
    kinesis.create_stream("s")
    key = char * (units * 2 // len(char.encode("utf-16-le")))
    with nullcontext() if units == 256 else pytest.raises(AwsError, match="less than or equal to 256"):
        kinesis.put("s", key, b"x")
    assert len(kinesis.records("s")) == (units == 256)
