"""Requests and answers of the Kinesis API, as they are on the wire (Kinesis_20131202, AWS JSON 1.1).

Read from https://docs.aws.amazon.com/kinesis/latest/APIReference/ on 2026-11-23.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tapstack_emulator.aws_request import Wire, matching

_NAME = "[a-zA-Z0-9_.-]+"
StreamName = Annotated[str, matching(_NAME, min_length=1, max_length=128)]
ShardId = Annotated[str, matching(_NAME, min_length=1, max_length=128)]
StreamArn = Annotated[str, matching(r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+", min_length=1, max_length=2048)]
HashKey = Annotated[str, matching(r"0|([1-9]\d{0,38})")]
SequenceNumber = Annotated[str, matching(r"0|([1-9]\d{0,128})")]
PartitionKey = Annotated[str, Meta(min_length=1, max_length=256)]
Token = Annotated[str, Meta(min_length=1, max_length=1_048_576)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
ShardCount = Annotated[int, Meta(ge=1)]
StreamMode = Literal["PROVISIONED", "ON_DEMAND"]
IteratorType = Literal[
    "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"
]
FilterType = Literal[
    "AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP"
]


class OfStream(Wire, kw_only=True):
    """A request that names its stream by name or by ARN."""

    stream_name: StreamName | None = None
    stream_arn: StreamArn | None = msgspec.field(default=None, name="StreamARN")


class KinesisRecord(msgspec.Struct, rename="pascal", kw_only=True, frozen=True):
    """A record as GetRecords answers it.

    Parameters
    ----------
    sequence_number
        56 digits.
    approximate_arrival_timestamp
        Unix time in seconds, with milliseconds.
    data
        The payload (base64 on the wire).
    partition_key
        1 to 256 characters.
    """

    sequence_number: str
    approximate_arrival_timestamp: float
    data: bytes
    partition_key: str


class StreamModeDetails(Wire, kw_only=True):
    """PROVISIONED or ON_DEMAND."""

    stream_mode: StreamMode


class CreateStream(Wire, kw_only=True):
    """A request."""

    stream_name: StreamName
    shard_count: ShardCount | None = None
    stream_mode_details: StreamModeDetails | None = None


class DeleteStream(OfStream, kw_only=True):
    """A request; without enhanced fan-out there are no consumers to enforce anything on."""

    enforce_consumer_deletion: bool | None = None


class DescribeStream(OfStream, kw_only=True):
    """A request."""

    limit: Count | None = None
    exclusive_start_shard_id: ShardId | None = None


class Filter(Wire, kw_only=True):
    """Which shards ListShards answers."""

    type: FilterType
    shard_id: ShardId | None = None
    timestamp: float | None = None


class ListShards(OfStream, kw_only=True):
    """A request."""

    next_token: Token | None = None
    exclusive_start_shard_id: ShardId | None = None
    max_results: Count | None = None
    shard_filter: Filter | None = None
    stream_creation_timestamp: float | None = None


class PutEntry(Wire, kw_only=True):
    """One entry of PutRecords."""

    data: bytes
    partition_key: PartitionKey
    explicit_hash_key: HashKey | None = None


class PutRecord(OfStream, kw_only=True):
    """A request."""

    data: bytes
    partition_key: PartitionKey
    explicit_hash_key: HashKey | None = None
    sequence_number_for_ordering: SequenceNumber | None = None


class PutRecords(OfStream, kw_only=True):
    """A request."""

    records: Annotated[list[PutEntry], Meta(min_length=1, max_length=500)]


class GetShardIterator(OfStream, kw_only=True):
    """A request."""

    shard_id: ShardId
    shard_iterator_type: IteratorType
    starting_sequence_number: SequenceNumber | None = None
    timestamp: float | None = None


class GetRecords(Wire, kw_only=True):
    """A request."""

    shard_iterator: Annotated[str, Meta(min_length=1, max_length=512)]
    limit: Count | None = None
    stream_arn: StreamArn | None = msgspec.field(default=None, name="StreamARN")


class SplitShard(OfStream, kw_only=True):
    """A request."""

    shard_to_split: ShardId
    new_starting_hash_key: HashKey


class MergeShards(OfStream, kw_only=True):
    """A request."""

    shard_to_merge: ShardId
    adjacent_shard_to_merge: ShardId


class UpdateShardCount(OfStream, kw_only=True):
    """A request."""

    target_shard_count: ShardCount
    scaling_type: Literal["UNIFORM_SCALING"]


class UpdateStreamMode(Wire, kw_only=True):
    """A request."""

    stream_arn: StreamArn = msgspec.field(name="StreamARN")
    stream_mode_details: StreamModeDetails


class RetentionPeriod(OfStream, kw_only=True):
    """A request to increase or decrease it."""

    retention_period_hours: int


class ListStreams(Wire, kw_only=True):
    """A request."""

    limit: Count | None = None
    exclusive_start_stream_name: StreamName | None = None
    next_token: Token | None = None


class PutAnswer(Wire, kw_only=True):
    """What became of one record."""

    sequence_number: str | None = None
    shard_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None


class PutRecordsAnswer(msgspec.Struct, rename="pascal", kw_only=True):
    """Aligned with the request."""

    failed_record_count: int
    records: list[PutAnswer]


class HashKeyRange(Wire, kw_only=True):
    """Both ends inclusive, decimal."""

    starting_hash_key: str
    ending_hash_key: str


class SequenceNumberRange(Wire, kw_only=True):
    """Open while the shard is."""

    starting_sequence_number: str
    ending_sequence_number: str | None = None


class ShardAnswer(Wire, kw_only=True):
    """A shard as ListShards and DescribeStream answer it."""

    shard_id: str
    parent_shard_id: str | None = None
    adjacent_parent_shard_id: str | None = None
    hash_key_range: HashKeyRange
    sequence_number_range: SequenceNumberRange


class ChildShard(Wire, kw_only=True):
    """A shard that goes on where a closed one ended."""

    shard_id: str
    parent_shards: list[str]
    hash_key_range: HashKeyRange


class GetRecordsAnswer(msgspec.Struct, rename="pascal", kw_only=True):
    """``NextShardIterator`` is null at the end of a closed shard, and only then are there children."""

    records: list[KinesisRecord]
    next_shard_iterator: str | None
    millis_behind_latest: int
    child_shards: list[ChildShard] | msgspec.UnsetType = msgspec.UNSET
