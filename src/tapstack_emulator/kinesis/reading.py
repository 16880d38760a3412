"""The part of `MemoryKinesis` that reads shards: iterators and pages of records."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from tapstack.ports import AwsError, Clock
from tapstack_emulator.aws_json import failure
from tapstack_emulator.kinesis import wire
from tapstack_emulator.kinesis.shards import GET_RECORDS_COUNT_MAX, Shard, record_bytes
from tapstack_emulator.kinesis.stream import Stream

ITERATOR_LIFE_MS = 300_000
"""How long an iterator may be used: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html"""

_BY_SEQUENCE = frozenset({"AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"})


class _Iterator(msgspec.Struct, array_like=True):
    """What an iterator holds; opaque to clients."""

    made_ms: int
    stream: str
    stream_made_ms: int
    shard_id: str
    position: str
    serial: int  # so that no two are alike, as on AWS


_DECODER = msgspec.json.Decoder(_Iterator)


class ShardReading:
    """GetShardIterator and GetRecords over streams found by the class that mixes this in."""

    clock: Clock
    _account: str
    _limited: bool
    _streams: dict[str, Stream]
    _iterators: int
    _of: Callable[[wire.OfStream], Stream]
    _rate_exceeded: Callable[[Shard, Stream], str]

    def _get_shard_iterator(self, request: wire.GetShardIterator) -> dict[str, str]:
        stream = self._of(request)
        self._check_combination(request)
        now_ms = self.clock.now_ms()
        stream.expire(now_ms)
        shard = self._shard(stream, request.shard_id)
        position = self._position(stream, shard, request)
        return {"ShardIterator": self._iterator(stream, shard, position, now_ms)}

    def _check_combination(self, request: wire.GetShardIterator) -> None:
        kind, number = request.shard_iterator_type, request.starting_sequence_number
        if kind == "AT_TIMESTAMP":
            self._check_timestamp(request.timestamp)
        elif (kind in _BY_SEQUENCE) != (number is not None):
            also = "no" if number is None else "also a"
            message = (
                "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and"
                " StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber."
                f" Request specified {kind} and {also} StartingSequenceNumber."
            )
            raise failure("InvalidArgumentException", message)

    def _check_timestamp(self, timestamp: float | None) -> None:
        if timestamp is None:
            message = "Must specify timestamp parameter for iterator of type AT_TIMESTAMP."
            raise failure("InvalidArgumentException", message)
        now_ms = self.clock.now_ms()
        if timestamp * 1000 > now_ms:
            message = (
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis."
                f" timestampInMillis: {timestamp * 1000:.0f}, currentTimestampInMillis: {now_ms}"
            )
            raise failure("InvalidArgumentException", message)

    def _position(self, stream: Stream, shard: Shard, request: wire.GetShardIterator) -> int:
        """Return the lowest sequence number the iterator may answer."""
        kind = request.shard_iterator_type
        if kind == "TRIM_HORIZON":
            return 0
        if kind == "LATEST":
            return shard.next_number
        if kind == "AT_TIMESTAMP":
            since_s = request.timestamp or 0.0
            for number, record in zip(shard.numbers, shard.records, strict=True):
                if record.approximate_arrival_timestamp >= since_s:
                    return number
            return shard.next_number
        number = self._starting_number(stream, shard, request.starting_sequence_number or "")
        return number if kind == "AT_SEQUENCE_NUMBER" else number + 1

    def _starting_number(self, stream: Stream, shard: Shard, text: str) -> int:
        where = (
            f"StartingSequenceNumber {text} used in GetShardIterator on shard {shard.shard_id} in stream"
            f" {stream.name} under account {self._account} is invalid"
        )
        number = int(text)
        index, created_s = (number >> 4) & 0xFFFF_FFFF, (number >> 148) & 0xF_FFFF_FFFF
        if index != shard.index:
            message = (
                f"Invalid StartingSequenceNumber. It encodes shardId-{index:012d}, while it was used in a"
                f" call to a shard with {shard.shard_id}"
            )
            raise failure("InvalidArgumentException", message)
        if created_s != shard.created_s:
            raise failure("InvalidArgumentException", f"{where} because it did not come from this stream.")
        return number

    def _get_records(self, request: wire.GetRecords) -> wire.GetRecordsAnswer:
        now_ms = self.clock.now_ms()
        iterator = self._opened(request.shard_iterator, now_ms)
        stream = self._streams.get(iterator.stream)
        if stream is None or stream.created_ms != iterator.stream_made_ms:
            raise self._no_shard(iterator.stream, iterator.shard_id)
        if request.stream_arn not in (None, stream.arn):
            raise failure("InvalidArgumentException", "StreamARN does not name the stream of ShardIterator.")
        stream.expire(now_ms)
        shard = self._shard(stream, iterator.shard_id)
        if self._limited and not shard.admit_read(now_ms):
            raise failure("ProvisionedThroughputExceededException", self._rate_exceeded(shard, stream))
        return self._page(
            stream, shard, int(iterator.position), request.limit or GET_RECORDS_COUNT_MAX, now_ms
        )

    def _page(
        self, stream: Stream, shard: Shard, position: int, limit: int, now_ms: int
    ) -> wire.GetRecordsAnswer:
        records, index = shard.read(position, limit)
        if self._limited:
            shard.charge_read(sum(map(record_bytes, records)), now_ms)
        more = index < len(shard.records)
        behind_ms = 0
        if more:
            arrived_s = (records[-1] if records else shard.records[index]).approximate_arrival_timestamp
            behind_ms = max(0, now_ms - round(arrived_s * 1000))
        if shard.closed_ms is not None and not more:
            return wire.GetRecordsAnswer(
                records=records,
                next_shard_iterator=None,
                millis_behind_latest=behind_ms,
                child_shards=shard.child_answers(),
            )
        following = shard.numbers[index - 1] + 1 if records else position
        return wire.GetRecordsAnswer(
            records=records,
            next_shard_iterator=self._iterator(stream, shard, following, now_ms),
            millis_behind_latest=behind_ms,
        )

    def _iterator(self, stream: Stream, shard: Shard, position: int, now_ms: int) -> str:
        self._iterators += 1
        state = _Iterator(
            now_ms, stream.name, stream.created_ms, shard.shard_id, str(position), self._iterators
        )
        return base64.b64encode(msgspec.json.encode(state)).decode()

    def _opened(self, text: str, now_ms: int) -> _Iterator:
        # AWS takes an iterator in quotes, as shells leave them: recorded by localstack/localstack,
        # test_get_records_shard_iterator_with_surrounding_quotes, 2022-08-25.
        try:
            iterator = _DECODER.decode(base64.b64decode(text.strip('"'), validate=True))
            int(iterator.position)
        except (ValueError, msgspec.MsgspecError):
            raise failure("InvalidArgumentException", "Invalid ShardIterator.") from None
        if now_ms - iterator.made_ms > ITERATOR_LIFE_MS:
            message = (
                f"Iterator expired. The iterator was created at time {_spelled(iterator.made_ms)} while right"
                f" now it is {_spelled(now_ms)} which is further in the future than the tolerated delay of"
                f" {ITERATOR_LIFE_MS} milliseconds."
            )
            raise failure("ExpiredIteratorException", message)
        return iterator

    def _shard(self, stream: Stream, shard_id: str) -> Shard:
        shard = stream.shards.get(shard_id)
        if shard is None:
            raise self._no_shard(stream.name, shard_id)
        return shard

    def _no_shard(self, stream: str, shard_id: str) -> AwsError:
        message = f"Shard {shard_id} in stream {stream} under account {self._account} does not exist"
        return failure("ResourceNotFoundException", message)


def _spelled(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
