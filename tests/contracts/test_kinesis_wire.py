"""What the product relies on of Kinesis, at the wire."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

HASH_KEYS = 2**128


def data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def entry(index: int, key: str | None = None) -> dict[str, str]:
    return {"PartitionKey": key or f"user-{index}", "Data": data(f"event-{index}")}


def shards(kinesis: Any, stream: str, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kinesis("ListShards", StreamName=stream, **more)["Shards"]
    return found


def iterator(kinesis: Any, stream: str, shard_id: str, kind: str = "TRIM_HORIZON", **more: Any) -> str:
    request = {"StreamName": stream, "ShardId": shard_id, "ShardIteratorType": kind}
    found: str = kinesis("GetShardIterator", **request, **more)["ShardIterator"]
    return found


def read(kinesis: Any, stream: str, shard_id: str, limit: int = 1000) -> list[dict[str, Any]]:
    """Read a shard to its end, or to where it is now."""
    following: str | None = iterator(kinesis, stream, shard_id)
    found: list[dict[str, Any]] = []
    while following:
        answer = kinesis("GetRecords", ShardIterator=following, Limit=limit)
        if not answer["Records"] and not answer["MillisBehindLatest"]:
            break
        found += answer["Records"]
        following = answer["NextShardIterator"]
    return found


def read_all(kinesis: Any, stream: str) -> list[str]:
    found = [row for shard in shards(kinesis, stream) for row in read(kinesis, stream, shard["ShardId"])]
    return sorted(base64.b64decode(row["Data"]).decode() for row in found)


def put(kinesis: Any, stream: str, count: int, start: int = 0) -> list[dict[str, Any]]:
    records = [entry(index) for index in range(start, start + count)]
    answer = kinesis("PutRecords", StreamName=stream, Records=records)
    assert answer["FailedRecordCount"] == 0
    found: list[dict[str, Any]] = answer["Records"]
    return found


# Writing.


def test_a_record_goes_to_the_shard_whose_range_holds_the_md5_of_its_key(kinesis, stream) -> None:
    answers = put(kinesis, stream, 20)
    ranges = {shard["ShardId"]: shard["HashKeyRange"] for shard in shards(kinesis, stream)}
    for index, answer in enumerate(answers):
        hashed = int(hashlib.md5(f"user-{index}".encode()).hexdigest(), 16)
        held = ranges[answer["ShardId"]]
        assert int(held["StartingHashKey"]) <= hashed <= int(held["EndingHashKey"])


def test_an_explicit_hash_key_wins_over_the_partition_key(kinesis, stream) -> None:
    last = {**entry(0), "ExplicitHashKey": str(HASH_KEYS - 1)}
    answer = kinesis("PutRecord", StreamName=stream, **last)
    assert answer["ShardId"] == "shardId-000000000001"


def test_every_accepted_record_is_read_once_with_its_key_and_data(kinesis, stream) -> None:
    put(kinesis, stream, 50)
    assert read_all(kinesis, stream) == sorted(f"event-{index}" for index in range(50))


def test_the_answer_is_aligned_with_the_request(kinesis, stream) -> None:
    answers = put(kinesis, stream, 30)
    held = {
        row["SequenceNumber"]: row["PartitionKey"]
        for shard in shards(kinesis, stream)
        for row in read(kinesis, stream, shard["ShardId"])
    }
    assert [held[answer["SequenceNumber"]] for answer in answers] == [f"user-{index}" for index in range(30)]


def test_sequence_numbers_increase_within_a_shard(kinesis, stream) -> None:
    for start in (0, 10, 20):
        put(kinesis, stream, 10, start)
    for shard in shards(kinesis, stream):
        numbers = [int(row["SequenceNumber"]) for row in read(kinesis, stream, shard["ShardId"])]
        assert numbers == sorted(set(numbers))


def test_sequence_numbers_have_56_digits(kinesis, stream) -> None:
    assert {len(answer["SequenceNumber"]) for answer in put(kinesis, stream, 5)} == {56}


def test_a_request_takes_500_records_and_no_more(kinesis, stream) -> None:
    records = [entry(index) for index in range(501)]
    error = kinesis.error("PutRecords", StreamName=stream, Records=records)
    assert error.status == 400
    assert kinesis("PutRecords", StreamName=stream, Records=records[:500])["FailedRecordCount"] == 0
    assert len(read_all(kinesis, stream)) == 500


@pytest.mark.parametrize("key", ["k", "k" * 256, "\u00e4"], ids=["short-key", "long-key", "key-of-two-bytes"])
def test_a_record_may_have_1_mib_with_its_key_and_not_a_byte_more(kinesis, stream, key) -> None:
    room = 1024 * 1024 - len(key.encode())
    full = {"PartitionKey": key, "Data": data("x" * room)}
    assert kinesis("PutRecords", StreamName=stream, Records=[full])["FailedRecordCount"] == 0
    over = {"PartitionKey": key, "Data": data("x" * (room + 1))}
    error = kinesis.error("PutRecords", StreamName=stream, Records=[over])
    assert error.code in {"ValidationException", "InvalidArgumentException"}


def test_a_request_above_10_mib_is_refused(kinesis, stream) -> None:
    records = [{"PartitionKey": f"k{index}", "Data": data("x" * 1000 * 1024)} for index in range(11)]
    error = kinesis.error("PutRecords", StreamName=stream, Records=records)
    assert error.code in {"ValidationException", "InvalidArgumentException"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"PartitionKey": "", "Data": ""},
        {"PartitionKey": "k" * 257, "Data": ""},
        {"PartitionKey": None, "Data": ""},
        {"Data": ""},
        {"PartitionKey": "k"},
        {"PartitionKey": "k", "Data": "", "ExplicitHashKey": str(HASH_KEYS)},
        {"PartitionKey": "k", "Data": "", "ExplicitHashKey": "first"},
    ],
    ids=["empty-key", "long-key", "null-key", "no-key", "no-data", "hash-key-large", "hash-key-word"],
)
def test_one_entry_that_is_wrong_refuses_the_whole_request(kinesis, stream, wrong) -> None:
    error = kinesis.error("PutRecords", StreamName=stream, Records=[entry(0), wrong])
    assert error.code in {"ValidationException", "InvalidArgumentException"}
    assert read_all(kinesis, stream) == []


def test_no_records_at_all_are_refused(kinesis, stream) -> None:
    assert kinesis.error("PutRecords", StreamName=stream, Records=[]).code == "ValidationException"


def test_empty_data_is_a_record(kinesis, stream) -> None:
    kinesis("PutRecords", StreamName=stream, Records=[{"PartitionKey": "k", "Data": ""}])
    assert read_all(kinesis, stream) == [""]


def test_a_stream_that_is_not_there_is_not_found(kinesis) -> None:
    error = kinesis.error("PutRecords", StreamName="nowhere", Records=[entry(0)])
    assert error.code == "ResourceNotFoundException"
    assert "nowhere" in error.message


# Reading.


def test_pages_hold_each_record_once_in_order(kinesis, stream) -> None:
    put(kinesis, stream, 40)
    for shard in shards(kinesis, stream):
        whole = read(kinesis, stream, shard["ShardId"])
        assert read(kinesis, stream, shard["ShardId"], limit=3) == whole


def test_an_iterator_at_a_sequence_number_starts_with_it_and_one_after_it_does_not(kinesis, stream) -> None:
    put(kinesis, stream, 30)
    shard_id = shards(kinesis, stream)[0]["ShardId"]
    numbers = [row["SequenceNumber"] for row in read(kinesis, stream, shard_id)]
    for kind, expected in (("AT", numbers[2:]), ("AFTER", numbers[3:])):
        found = iterator(
            kinesis, stream, shard_id, f"{kind}_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[2]
        )
        answer = kinesis("GetRecords", ShardIterator=found)
        assert [row["SequenceNumber"] for row in answer["Records"]] == expected


def test_latest_sees_only_what_comes_later(kinesis, stream) -> None:
    put(kinesis, stream, 20)
    starts = [iterator(kinesis, stream, shard["ShardId"], "LATEST") for shard in shards(kinesis, stream)]
    put(kinesis, stream, 10, 100)
    found = [row for start in starts for row in kinesis("GetRecords", ShardIterator=start)["Records"]]
    assert sorted(row["PartitionKey"] for row in found) == sorted(f"user-{i}" for i in range(100, 110))


def test_at_timestamp_starts_with_the_first_record_since(kinesis, stream) -> None:
    put(kinesis, stream, 10)
    shard_id = shards(kinesis, stream)[0]["ShardId"]
    rows = read(kinesis, stream, shard_id)
    arrived = rows[0]["ApproximateArrivalTimestamp"]
    start = iterator(kinesis, stream, shard_id, "AT_TIMESTAMP", Timestamp=arrived - 60)
    assert kinesis("GetRecords", ShardIterator=start)["Records"] == rows


def test_a_timestamp_in_the_future_is_refused(kinesis, stream) -> None:
    request = {"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP"}
    error = kinesis.error("GetShardIterator", Timestamp=4_000_000_000, **request)
    assert error.code == "InvalidArgumentException"


def test_a_reader_that_is_behind_is_told_so(kinesis, stream) -> None:
    put(kinesis, stream, 20)
    start = iterator(kinesis, stream, "shardId-000000000000")
    answer = kinesis("GetRecords", ShardIterator=start, Limit=10_000)
    assert answer["MillisBehindLatest"] == 0


@pytest.mark.parametrize("limit", [0, 10_001])
def test_a_read_takes_1_to_10000_records(kinesis, stream, limit) -> None:
    start = iterator(kinesis, stream, "shardId-000000000000")
    error = kinesis.error("GetRecords", ShardIterator=start, Limit=limit)
    assert error.code in {"ValidationException", "InvalidArgumentException"}


def test_an_iterator_nobody_gave_is_refused(kinesis, stream) -> None:
    assert kinesis.error("GetRecords", ShardIterator="AAAA").code == "InvalidArgumentException"


@pytest.mark.parametrize(
    "request_more",
    [
        {"ShardIteratorType": "AT_SEQUENCE_NUMBER"},
        {"ShardIteratorType": "TRIM_HORIZON", "StartingSequenceNumber": "1"},
        {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "abc"},
        {"ShardIteratorType": "AT_TIMESTAMP"},
        {"ShardIteratorType": "FIRST"},
    ],
    ids=["no-number", "number-too-many", "no-digits", "no-timestamp", "no-type"],
)
def test_an_iterator_asked_for_wrongly_is_refused(kinesis, stream, request_more) -> None:
    request = {"StreamName": stream, "ShardId": "shardId-000000000000", **request_more}
    error = kinesis.error("GetShardIterator", **request)
    assert error.code in {"ValidationException", "InvalidArgumentException"}


def test_a_shard_that_is_not_there_is_not_found(kinesis, stream) -> None:
    error = kinesis.error(
        "GetShardIterator",
        StreamName=stream,
        ShardId="shardId-000000000099",
        ShardIteratorType="TRIM_HORIZON",
    )
    assert error.code == "ResourceNotFoundException"


# Shards.


def test_the_shards_of_a_new_stream_partition_the_hash_space(kinesis, stream) -> None:
    ranges = sorted(
        (int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"]))
        for shard in shards(kinesis, stream)
    )
    assert ranges == [(0, HASH_KEYS // 2 - 1), (HASH_KEYS // 2, HASH_KEYS - 1)]


def test_a_split_keeps_the_parent_and_its_records(kinesis, stream) -> None:
    put(kinesis, stream, 20)
    before = read_all(kinesis, stream)
    kinesis(
        "SplitShard",
        StreamName=stream,
        ShardToSplit="shardId-000000000000",
        NewStartingHashKey=str(HASH_KEYS // 4),
    )
    after = {shard["ShardId"]: shard for shard in shards(kinesis, stream)}
    assert len(after) == 4
    assert "EndingSequenceNumber" in after["shardId-000000000000"]["SequenceNumberRange"]
    children = [shard for shard in after.values() if shard.get("ParentShardId") == "shardId-000000000000"]
    assert len(children) == 2
    assert read_all(kinesis, stream) == before


def test_a_closed_shard_ends_with_its_children(kinesis, stream) -> None:
    put(kinesis, stream, 20)
    kinesis(
        "MergeShards",
        StreamName=stream,
        ShardToMerge="shardId-000000000000",
        AdjacentShardToMerge="shardId-000000000001",
    )
    for shard_id in ("shardId-000000000000", "shardId-000000000001"):
        answer = kinesis("GetRecords", ShardIterator=iterator(kinesis, stream, shard_id))
        while answer["NextShardIterator"] is not None:
            answer = kinesis("GetRecords", ShardIterator=answer["NextShardIterator"])
        (child,) = answer["ChildShards"]
        assert child["ParentShards"] == ["shardId-000000000000", "shardId-000000000001"]
        assert child["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(HASH_KEYS - 1)}


def test_records_after_a_split_go_to_the_children(kinesis, stream) -> None:
    request = {"StreamName": stream, "ShardToSplit": "shardId-000000000000"}
    kinesis("SplitShard", NewStartingHashKey=str(HASH_KEYS // 4), **request)
    kinesis("PutRecord", StreamName=stream, **entry(0), ExplicitHashKey="0")
    assert read(kinesis, stream, "shardId-000000000000") == []
    assert read_all(kinesis, stream) == ["event-0"]


def test_update_shard_count_scales_out_and_in_and_keeps_every_record(kinesis, stream) -> None:
    put(kinesis, stream, 100)
    for target in (4, 3, 2):
        kinesis(
            "UpdateShardCount",
            StreamName=stream,
            TargetShardCount=target,
            ScalingType="UNIFORM_SCALING",
        )
        put(kinesis, stream, 10, 100 * target)
        summary = kinesis("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]
        assert summary["OpenShardCount"] == target
    assert len(read_all(kinesis, stream)) == 130


def test_update_shard_count_at_most_doubles(kinesis, stream) -> None:
    request = {"StreamName": stream, "TargetShardCount": 5, "ScalingType": "UNIFORM_SCALING"}
    assert kinesis.error("UpdateShardCount", **request).code == "LimitExceededException"


@pytest.mark.parametrize(
    "at",
    ["0", "1", str(HASH_KEYS // 2 - 1), str(HASH_KEYS // 2)],
    ids=["start", "start+1", "end", "end+1"],
)
def test_a_split_outside_the_shard_is_refused(kinesis, stream, at) -> None:
    request = {"StreamName": stream, "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": at}
    assert kinesis.error("SplitShard", **request).code == "InvalidArgumentException"


def test_pages_of_list_shards_hold_each_shard_once(kinesis, stream) -> None:
    answer = kinesis("ListShards", StreamName=stream, MaxResults=1)
    found = [shard["ShardId"] for shard in answer["Shards"]]
    while "NextToken" in answer:
        answer = kinesis("ListShards", NextToken=answer["NextToken"], MaxResults=1)
        found += [shard["ShardId"] for shard in answer["Shards"]]
    assert found == ["shardId-000000000000", "shardId-000000000001"]


def test_a_filter_at_latest_lists_open_shards_only(kinesis, stream) -> None:
    request = {"StreamName": stream, "ShardToSplit": "shardId-000000000000"}
    kinesis("SplitShard", NewStartingHashKey=str(HASH_KEYS // 4), **request)
    found = shards(kinesis, stream, ShardFilter={"Type": "AT_LATEST"})
    assert [shard["ShardId"] for shard in found] == [f"shardId-{index:012d}" for index in (1, 2, 3)]
    found = shards(kinesis, stream, ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"})
    assert [shard["ShardId"] for shard in found] == [f"shardId-{index:012d}" for index in (2, 3)]


def test_a_stream_is_described_by_name_and_by_arn(kinesis, stream) -> None:
    described = kinesis("DescribeStream", StreamName=stream)["StreamDescription"]
    assert (described["StreamStatus"], described["RetentionPeriodHours"]) == ("ACTIVE", 24)
    assert len(described["Shards"]) == 2
    again = kinesis("DescribeStreamSummary", StreamARN=described["StreamARN"])["StreamDescriptionSummary"]
    assert again["StreamName"] == stream


@pytest.mark.parametrize("hours", [-1, 0, 1, 23, 8761, 100_000])
@pytest.mark.parametrize("operation", ["IncreaseStreamRetentionPeriod", "DecreaseStreamRetentionPeriod"])
def test_retention_is_24_to_8760_hours(kinesis, stream, operation, hours) -> None:
    error = kinesis.error(operation, StreamName=stream, RetentionPeriodHours=hours)
    assert error.code == "InvalidArgumentException"
    assert f"({hours} hours) is too {'short' if hours < 24 else 'long'}." in error.message


def test_retention_can_be_increased_but_not_below_what_it_is(kinesis, stream) -> None:
    kinesis("IncreaseStreamRetentionPeriod", StreamName=stream, RetentionPeriodHours=168)
    summary = kinesis("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]
    assert summary["RetentionPeriodHours"] == 168
    error = kinesis.error("IncreaseStreamRetentionPeriod", StreamName=stream, RetentionPeriodHours=48)
    assert error.code == "InvalidArgumentException"


def test_a_stream_without_a_number_of_shards_has_four_on_demand(kinesis, stream) -> None:
    name = f"{stream}-on-demand"
    kinesis("CreateStream", StreamName=name)
    described = kinesis("DescribeStream", StreamName=name)["StreamDescription"]
    assert described["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert len(described["Shards"]) == 4


def test_pages_of_list_streams_hold_each_stream_once(kinesis, stream) -> None:
    names = [f"{stream}-{index}" for index in range(5)]
    for name in names:
        kinesis("CreateStream", StreamName=name, ShardCount=1)
    for going_on in ("NextToken", "ExclusiveStartStreamName"):
        found: list[str] = []
        more: dict[str, Any] = {"ExclusiveStartStreamName": stream}
        for _ in range(20):
            answer = kinesis("ListStreams", Limit=2, **more)
            assert [row["StreamName"] for row in answer["StreamSummaries"]] == answer["StreamNames"]
            found += answer["StreamNames"]
            token = {"NextToken": answer.get("NextToken"), "ExclusiveStartStreamName": found[-1]}
            more = {going_on: token[going_on]}
            if not answer["HasMoreStreams"]:
                break
        assert [name for name in found if name in names] == names


def test_shards_are_merged_in_their_order_only(kinesis, stream) -> None:
    inverted = {"ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": "shardId-000000000000"}
    error = kinesis.error("MergeShards", StreamName=stream, **inverted)
    assert error.code == "InvalidArgumentException"
    assert "not an adjacent pair of shards eligible for merging" in error.message
    assert len(shards(kinesis, stream)) == 2


def test_an_iterator_may_be_in_quotes(kinesis, stream) -> None:
    put(kinesis, stream, 20)
    start = iterator(kinesis, stream, "shardId-000000000000")
    quoted = kinesis("GetRecords", ShardIterator=f'"{start}"')["Records"]
    assert quoted == kinesis("GetRecords", ShardIterator=start)["Records"] != []


def test_no_two_iterators_are_alike(kinesis, stream) -> None:
    start = iterator(kinesis, stream, "shardId-000000000000", "LATEST")
    found = [start, iterator(kinesis, stream, "shardId-000000000000", "LATEST")]
    for _ in range(3):
        found.append(kinesis("GetRecords", ShardIterator=found[-1])["NextShardIterator"])
    assert len(set(found)) == len(found)


def test_an_order_after_a_record_that_was_never_put_is_refused(kinesis, stream) -> None:
    first = kinesis("PutRecord", StreamName=stream, **entry(0))["SequenceNumber"]
    second = kinesis("PutRecord", StreamName=stream, **entry(0), SequenceNumberForOrdering=first)
    assert int(second["SequenceNumber"]) > int(first)
    error = kinesis.error("PutRecord", StreamName=stream, **entry(0), SequenceNumberForOrdering="1")
    assert error.code == "InvalidArgumentException"


def test_an_arn_of_another_account_names_no_stream(kinesis, stream) -> None:
    arn = kinesis("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    parts = arn.split(":")
    other = ":".join([*parts[:4], "999999999999", *parts[5:]])
    assert kinesis.error("DescribeStreamSummary", StreamARN=other).status == 400


def test_a_deleted_stream_is_gone(kinesis, stream) -> None:
    kinesis("DeleteStream", StreamName=stream)
    assert kinesis.error("DescribeStreamSummary", StreamName=stream).code == "ResourceNotFoundException"


def test_a_name_can_be_used_once(kinesis, stream) -> None:
    error = kinesis.error("CreateStream", StreamName=stream, ShardCount=1)
    assert error.code == "ResourceInUseException"
