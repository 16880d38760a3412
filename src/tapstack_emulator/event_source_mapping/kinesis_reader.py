"""Reads shards for the runner: the machine's fetches as calls of the Kinesis API, answers as its inputs."""

from __future__ import annotations

from typing import Any

import msgspec

from tapstack.errors import Unavailable
from tapstack.ports import AwsApi, AwsError
from tapstack_emulator.event_source_mapping.model import (
    Fetch,
    FetchFailed,
    FetchTrouble,
    ListFailed,
    Position,
    RecordsFetched,
    ShardInfo,
    ShardsListed,
)
from tapstack_emulator.event_source_mapping.payload import Record

# Error codes of GetShardIterator and GetRecords: docs.aws.amazon.com/kinesis/latest/APIReference/
# API_GetRecords.html, read 2026-11-23. What is not listed may pass: ``unavailable``.
_TROUBLES: dict[str, FetchTrouble] = {
    "ExpiredIteratorException": "expired_iterator",
    "LimitExceededException": "throttled",
    "ProvisionedThroughputExceededException": "throttled",
    "ResourceNotFoundException": "gone",
    "ThrottlingException": "throttled",
}


class _Wire(msgspec.Struct, rename="pascal", frozen=True):
    pass


class _Record(_Wire, frozen=True):
    sequence_number: str
    partition_key: str
    data: str
    approximate_arrival_timestamp: float


class _Child(_Wire, frozen=True):
    shard_id: str
    parent_shards: list[str] = []


class _Page(_Wire, frozen=True):
    records: list[_Record]
    millis_behind_latest: int = 0
    next_shard_iterator: str | None = None
    child_shards: list[_Child] | None = None


class _Range(_Wire, frozen=True):
    ending_sequence_number: str | None = None


class _Shard(_Wire, frozen=True):
    shard_id: str
    parent_shard_id: str | None = None
    adjacent_parent_shard_id: str | None = None
    sequence_number_range: _Range = _Range()


class _Listing(_Wire, frozen=True):
    shards: list[_Shard]
    next_token: str | None = None


class _Iterator(_Wire, frozen=True):
    shard_iterator: str


_PAGE = msgspec.json.Decoder(_Page)
_LISTING = msgspec.json.Decoder(_Listing)
_ITERATOR = msgspec.json.Decoder(_Iterator)
_ENCODE = msgspec.json.Encoder().encode


class KinesisReader:
    """Answers the fetches of one mapping.

    Parameters
    ----------
    kinesis
        The service.
    stream_name
        The stream.
    """

    def __init__(self, kinesis: AwsApi, stream_name: str) -> None:
        self._kinesis = kinesis
        self._stream_name = stream_name

    def list_shards(self, now_ms: int) -> ShardsListed | ListFailed:
        """List every shard, page by page."""
        found: list[ShardInfo] = []
        request: dict[str, Any] = {"StreamName": self._stream_name}
        try:
            while True:
                page = _LISTING.decode(self._kinesis.call("ListShards", _ENCODE(request)))
                found.extend(map(_info, page.shards))
                if not page.next_token:
                    return ShardsListed(now_ms, tuple(found))
                request = {"NextToken": page.next_token}
        except (AwsError, Unavailable):
            return ListFailed(now_ms)

    def fetch(self, fetch: Fetch, now_ms: int) -> RecordsFetched | FetchFailed:
        """Get a page from a new iterator or from where the last page ended."""
        try:
            iterator = fetch.iterator
            if fetch.position is not None:
                iterator = self._iterator(fetch.shard_id, fetch.position)
            request = {"ShardIterator": iterator, "Limit": fetch.limit}
            page = _PAGE.decode(self._kinesis.call("GetRecords", _ENCODE(request)))
        except AwsError as error:
            return self._failed(fetch, now_ms, _TROUBLES.get(error.code, "unavailable"))
        except Unavailable:
            return self._failed(fetch, now_ms, "unavailable")
        return RecordsFetched(
            now_ms=now_ms,
            shard_id=fetch.shard_id,
            fetch_id=fetch.fetch_id,
            records=tuple(map(_record, page.records)),
            millis_behind=page.millis_behind_latest,
            next_iterator=page.next_shard_iterator,
            children=tuple(
                ShardInfo(shard_id=child.shard_id, parents=tuple(child.parent_shards))
                for child in page.child_shards or ()
            ),
        )

    def _iterator(self, shard_id: str, position: Position) -> str:
        request: dict[str, Any] = {
            "StreamName": self._stream_name,
            "ShardId": shard_id,
            "ShardIteratorType": position.kind,
        }
        if position.sequence_number is not None:
            request["StartingSequenceNumber"] = position.sequence_number
        if position.timestamp_ms is not None:
            request["Timestamp"] = position.timestamp_ms / 1000
        return _ITERATOR.decode(self._kinesis.call("GetShardIterator", _ENCODE(request))).shard_iterator

    @staticmethod
    def _failed(fetch: Fetch, now_ms: int, trouble: FetchTrouble) -> FetchFailed:
        return FetchFailed(now_ms=now_ms, shard_id=fetch.shard_id, fetch_id=fetch.fetch_id, trouble=trouble)


def _record(record: _Record) -> Record:
    return Record(
        sequence_number=record.sequence_number,
        partition_key=record.partition_key,
        data=record.data,
        arrival_ms=round(record.approximate_arrival_timestamp * 1000),
    )


def _info(shard: _Shard) -> ShardInfo:
    parents = (shard.parent_shard_id, shard.adjacent_parent_shard_id)
    return ShardInfo(
        shard_id=shard.shard_id,
        parents=tuple(parent for parent in parents if parent),
        closed=shard.sequence_number_range.ending_sequence_number is not None,
    )
