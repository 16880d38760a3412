"""Requests and answers of the Kinesis API, as they are on the wire (Kinesis_20131202, AWS JSON 1.1).

Read from https://docs.aws.amazon.com/kinesis/latest/APIReference/ on 2026-11-23.
"""

from __future__ import annotations

import msgspec


class Wire(msgspec.Struct, rename="pascal", kw_only=True, omit_defaults=True):
    """A structure whose members are spelled ``LikeThis``."""


class OfStream(Wire, kw_only=True):
    """A request that names its stream by name or by ARN."""

    stream_name: str | None = None
    stream_arn: str | None = msgspec.field(default=None, name="StreamARN")


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

    stream_mode: str


class CreateStream(Wire, kw_only=True):
    """A request."""

    stream_name: str
    shard_count: int | None = None
    stream_mode_details: StreamModeDetails | None = None


class DescribeStream(OfStream, kw_only=True):
    """A request."""

    limit: int = 100
    exclusive_start_shard_id: str | None = None


class Filter(Wire, kw_only=True):
    """Which shards ListShards answers."""

    type: str
    shard_id: str | None = None
    timestamp: float | None = None


class ListShards(OfStream, kw_only=True):
    """A request."""

    next_token: str | None = None
    exclusive_start_shard_id: str | None = None
    max_results: int = 1000
    shard_filter: Filter | None = None
    stream_creation_timestamp: float | None = None


class PutEntry(Wire, kw_only=True):
    """One entry of PutRecords."""

    data: bytes
    partition_key: str
    explicit_hash_key: str | None = None


class PutRecord(OfStream, kw_only=True):
    """A request."""

    data: bytes
    partition_key: str
    explicit_hash_key: str | None = None
    sequence_number_for_ordering: str | None = None


class PutRecords(OfStream, kw_only=True):
    """A request."""

    records: list[PutEntry]


class GetShardIterator(OfStream, kw_only=True):
    """A request."""

    shard_id: str
    shard_iterator_type: str
    starting_sequence_number: str | None = None
    timestamp: float | None = None


class GetRecords(Wire, kw_only=True):
    """A request."""

    shard_iterator: str
    limit: int = 10_000
    stream_arn: str | None = msgspec.field(default=None, name="StreamARN")


class SplitShard(OfStream, kw_only=True):
    """A request."""

    shard_to_split: str
    new_starting_hash_key: str


class MergeShards(OfStream, kw_only=True):
    """A request."""

    shard_to_merge: str
    adjacent_shard_to_merge: str


class UpdateShardCount(OfStream, kw_only=True):
    """A request."""

    target_shard_count: int
    scaling_type: str


class UpdateStreamMode(Wire, kw_only=True):
    """A request."""

    stream_arn: str = msgspec.field(name="StreamARN")
    stream_mode_details: StreamModeDetails


class RetentionPeriod(OfStream, kw_only=True):
    """A request to increase or decrease it."""

    retention_period_hours: int


class ListStreams(Wire, kw_only=True):
    """A request."""

    limit: int = 100
    exclusive_start_stream_name: str | None = None


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
