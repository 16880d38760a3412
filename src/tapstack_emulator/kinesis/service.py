"""An in-memory Kinesis that speaks the service's own JSON."""

from __future__ import annotations

import base64
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tapstack.ports import Clock
from tapstack_emulator.aws_json import constraint, failure
from tapstack_emulator.aws_request import KINESIS, Wire, decode
from tapstack_emulator.clock import ManualClock
from tapstack_emulator.kinesis import wire
from tapstack_emulator.kinesis.reading import ShardReading
from tapstack_emulator.kinesis.resharding import Resharding
from tapstack_emulator.kinesis.shards import HASH_KEYS, Shard, hash_key
from tapstack_emulator.kinesis.stream import RETENTION_HOURS_MIN, Stream
from tapstack_emulator.kinesis.wire import KinesisRecord

# Limits: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html, read 2026-11-23.
PUT_RECORDS_BYTES_MAX = 10 * 1024 * 1024  # keys included
# Data before base64 and key: a stream's MaxRecordSize unless it was raised, API_PutRecord, read 2026-11-29.
RECORD_BYTES_MAX = 1024 * 1024
PARTITION_KEY_CHARS_MAX = 256  # as Java counts them: UTF-16 units
RETENTION_HOURS_MAX = 8760
# Recorded on AWS: localstack/localstack, test_create_stream_without_shard_count, 2022-08-26.
ON_DEMAND_SHARD_COUNT = 4
LIST_STREAMS_COUNT = 100  # API_ListStreams, read 2026-11-29

_ENCODE = msgspec.json.Encoder().encode


class MemoryKinesis(ShardReading, Resharding):
    """Kinesis Data Streams behind `tapstack.ports.AwsApi`: real shapes in, real shapes out.

    Every call is atomic; calls from several threads take turns.

    Parameters
    ----------
    clock
        Time of arrival, retention, expiry of iterators and limits; a `ManualClock` unless given.
    limited
        Whether shards refuse what exceeds their limits: 1,000 records/s and 1 MiB/s written, 5 calls/s
        and 2 MiB/s read.
    shuffle
        Stores the entries of each PutRecords in the order this generator chooses, since AWS
        promises none; None stores them as they came.
    gaps
        Skips sequence numbers as this generator chooses; None leaves no gap.
    transition_ms
        How long a stream is CREATING or UPDATING after it was told to change.
    region, account
        Appear in ARNs and messages.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        limited: bool = False,
        shuffle: random.Random | None = None,
        gaps: random.Random | None = None,
        transition_ms: int = 0,
        region: str = "us-east-1",
        account: str = "123456789012",
    ) -> None:
        self.clock: Clock = clock or ManualClock()
        self.calls: dict[str, int] = {}
        self._limited = limited
        self._shuffle = shuffle
        self._gaps = gaps
        self._transition_ms = transition_ms
        self._prefix = f"arn:aws:kinesis:{region}:{account}:stream/"
        self._account = account
        self._streams: dict[str, Stream] = {}
        self._iterators = 0
        self._lock = threading.RLock()
        self._operations = self._table()

    def call(self, operation: str, body: bytes) -> bytes:
        """Answer one operation of the API.

        Raises
        ------
        AwsError
            As the service would.
        """
        with self._lock:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            known = self._operations.get(operation)
            if known is None:
                message = f"The operation {operation} is not implemented by tapstack_emulator"
                raise failure("UnknownOperationException", message)
            decoder, perform = known
            answer = perform(decode(decoder, body, KINESIS))
            return b"{}" if answer is None else _ENCODE(answer)

    # What checkers and set-ups use instead of the wire.

    def create_stream(self, name: str, shard_count: int = 1) -> None:
        """Create a stream of `shard_count` shards of equal range.

        Raises
        ------
        AwsError
            If the name is taken.
        """
        self._create_stream(wire.CreateStream(stream_name=name, shard_count=shard_count))

    def put(self, stream: str, partition_key: str, data: bytes) -> str:
        """Store one record and return its sequence number.

        Raises
        ------
        AwsError
            As PutRecord does.
        """
        with self._lock:
            request = wire.PutRecord(stream_name=stream, partition_key=partition_key, data=data)
            return self._put_record(request)["SequenceNumber"]

    def shard_ids(self, stream: str, *, open_only: bool = False) -> list[str]:
        """List the shards of a stream, oldest first, closed ones included unless `open_only`."""
        with self._lock:
            found = self._stream(stream)
            found.expire(self.clock.now_ms())
            return [key for key, shard in found.shards.items() if not open_only or shard.closed_ms is None]

    def shards(self, stream: str) -> list[wire.ShardAnswer]:
        """List the shards of a stream, closed ones included, as ListShards would."""
        with self._lock:
            return [shard.answer() for shard in self._stream(stream).shards.values()]

    def records(self, stream: str, shard_id: str | None = None) -> list[KinesisRecord]:
        """List the records retained by one shard in order, or by all shards, oldest shard first."""
        with self._lock:
            found = self._stream(stream)
            found.expire(self.clock.now_ms())
            shards = found.shards.values() if shard_id is None else [found.shards[shard_id]]
            return [record for shard in shards for record in shard.records]

    def record_count(self, stream: str) -> int:
        """Count the records that are retained."""
        with self._lock:
            return sum(len(shard.records) for shard in self._stream(stream).shards.values())

    def forget(self, stream: str, shard_id: str, through: str) -> None:
        """Forget a shard's records up to a sequence number, as if they had expired.

        For long runs in bounded memory: the caller must know that no reader comes back to them.

        Parameters
        ----------
        stream
            The stream's name.
        shard_id
            The shard; one that is not there any more has nothing to forget.
        through
            The last sequence number to forget.
        """
        with self._lock:
            shard = self._stream(stream).shards.get(shard_id)
            if shard is not None:
                shard.forget(int(through))

    # The operations.

    def _table(self) -> Mapping[str, tuple[msgspec.json.Decoder[Any], Callable[[Any], object]]]:
        operations: dict[str, tuple[type[Wire], Callable[[Any], object]]] = {
            "PutRecord": (wire.PutRecord, self._put_record),
            "PutRecords": (wire.PutRecords, self._put_records),
            "GetShardIterator": (wire.GetShardIterator, self._get_shard_iterator),
            "GetRecords": (wire.GetRecords, self._get_records),
            "ListShards": (wire.ListShards, self._list_shards),
            "SplitShard": (wire.SplitShard, self._split_shard),
            "MergeShards": (wire.MergeShards, self._merge_shards),
            "UpdateShardCount": (wire.UpdateShardCount, self._update_shard_count),
            "UpdateStreamMode": (wire.UpdateStreamMode, self._update_stream_mode),
            "CreateStream": (wire.CreateStream, self._create_stream),
            "DeleteStream": (wire.DeleteStream, self._delete_stream),
            "DescribeStream": (wire.DescribeStream, self._describe_stream),
            "DescribeStreamSummary": (wire.OfStream, self._describe_stream_summary),
            "ListStreams": (wire.ListStreams, self._list_streams),
            "IncreaseStreamRetentionPeriod": (wire.RetentionPeriod, self._increase_retention),
            "DecreaseStreamRetentionPeriod": (wire.RetentionPeriod, self._decrease_retention),
        }
        return {name: (msgspec.json.Decoder(kind), perform) for name, (kind, perform) in operations.items()}

    def _put_record(self, request: wire.PutRecord) -> dict[str, str]:
        entry = wire.PutEntry(
            data=request.data,
            partition_key=request.partition_key,
            explicit_hash_key=request.explicit_hash_key,
        )
        self._check_entry(entry, "")
        stream = self._writable(request)
        self._check_ordering(stream, request)
        answer = self._store(stream, entry, self.clock.now_ms())
        if answer.sequence_number is None or answer.shard_id is None:
            raise failure("ProvisionedThroughputExceededException", answer.error_message or "")
        return {"ShardId": answer.shard_id, "SequenceNumber": answer.sequence_number}

    def _check_ordering(self, stream: Stream, request: wire.PutRecord) -> None:
        """Refuse to order a record after one that was never put; each comes after all others anyway."""
        after = request.sequence_number_for_ordering
        if after is not None and not any(shard.gave(int(after)) for shard in stream.shards.values()):
            message = (
                f"ExclusiveMinimumSequenceNumber {after} used in PutRecord on stream {stream.name} under"
                f" account {self._account} is invalid."
            )
            raise failure("InvalidArgumentException", message)

    def _put_records(self, request: wire.PutRecords) -> wire.PutRecordsAnswer:
        entries = request.records
        sizes = [self._check_entry(entry, index) for index, entry in enumerate(entries)]
        if sum(sizes) > PUT_RECORDS_BYTES_MAX:
            raise failure("InvalidArgumentException", "Records size exceeds 10 MB limit")
        stream = self._writable(request)
        now_ms = self.clock.now_ms()
        order = range(len(entries))
        if self._shuffle is None:
            answers = [self._store(stream, entry, now_ms) for entry in entries]
        else:
            chosen = self._shuffle.sample(order, len(entries))
            stored = {index: self._store(stream, entries[index], now_ms) for index in chosen}
            answers = [stored[index] for index in order]
        failed = sum(answer.error_code is not None for answer in answers)
        return wire.PutRecordsAnswer(failed_record_count=failed, records=answers)

    def _check_entry(self, entry: wire.PutEntry, index: int | str) -> int:
        """Raise what AWS raises for an entry out of bounds; else count its bytes."""
        at = f"records.{index + 1}.member." if isinstance(index, int) else ""
        key = entry.partition_key
        if len(key) > PARTITION_KEY_CHARS_MAX // 2 and _utf_16_units(key) > PARTITION_KEY_CHARS_MAX:
            must = "Member must have length less than or equal to 256"
            raise constraint(key, f"{at}partitionKey", must)
        size = entry_bytes(entry)
        if len(entry.data) > RECORD_BYTES_MAX:
            must = f"Member must have length less than or equal to {RECORD_BYTES_MAX}"
            shown = f"java.nio.HeapByteBuffer[pos=0 lim={len(entry.data)} cap={len(entry.data)}]"
            raise constraint(shown, f"{at}data", must)
        if size > RECORD_BYTES_MAX:
            message = f"The data and the partition key have {size} bytes, more than {RECORD_BYTES_MAX}"
            raise failure("InvalidArgumentException", message)
        if entry.explicit_hash_key is not None:
            self._hash_key(entry.explicit_hash_key, "ExplicitHashKey")
        return size

    def _hash_key(self, text: str, name: str) -> int:
        if int(text) >= HASH_KEYS:
            message = f"Invalid {name}. {name} must be in the range: [0, 2^128-1]. Specified value was {text}"
            raise failure("InvalidArgumentException", message)
        return int(text)

    def _store(self, stream: Stream, entry: wire.PutEntry, now_ms: int) -> wire.PutAnswer:
        explicit = entry.explicit_hash_key
        shard = stream.shard_for(hash_key(entry.partition_key) if explicit is None else int(explicit))
        if self._limited and not shard.admit_write(entry_bytes(entry), now_ms):
            return wire.PutAnswer(
                error_code="ProvisionedThroughputExceededException",
                error_message=self._rate_exceeded(shard, stream),
            )
        gap = self._gaps.randrange(1000) if self._gaps else 0
        number = shard.append(entry.data, entry.partition_key, now_ms, gap)
        return wire.PutAnswer(sequence_number=number, shard_id=shard.shard_id)

    def _create_stream(self, request: wire.CreateStream) -> None:
        name = request.stream_name
        if name in self._streams:
            message = f"Stream {name} under account {self._account} already exists."
            raise failure("ResourceInUseException", message)
        count, details = request.shard_count, request.stream_mode_details
        mode = details.stream_mode if details else "ON_DEMAND" if count is None else "PROVISIONED"
        if mode == "ON_DEMAND" and count is not None:
            raise failure("ValidationException", "ShardCount must not be specified in ON_DEMAND mode")
        if mode == "PROVISIONED" and count is None:
            raise failure("ValidationException", "ShardCount must be specified in PROVISIONED mode")
        now_ms = self.clock.now_ms()
        stream = Stream(name, self._prefix + name, count or ON_DEMAND_SHARD_COUNT, now_ms, mode)
        stream.change(now_ms, self._transition_ms)
        self._streams[name] = stream

    def _delete_stream(self, request: wire.OfStream) -> None:
        del self._streams[self._of(request).name]

    def _list_streams(self, request: wire.ListStreams) -> dict[str, object]:
        after = request.exclusive_start_stream_name or ""
        if request.next_token is not None:
            after = self._list_streams_token(request.next_token)
        limit = request.limit or LIST_STREAMS_COUNT
        found = [self._streams[name] for name in sorted(self._streams) if name > after]
        page, now_ms = found[:limit], self.clock.now_ms()
        answer: dict[str, object] = {
            "StreamNames": [stream.name for stream in page],
            "HasMoreStreams": len(found) > limit,
            "StreamSummaries": [stream.summary(now_ms) for stream in page],
        }
        if len(found) > limit:
            answer["NextToken"] = base64.b64encode(page[-1].name.encode()).decode()
        return answer

    def _list_streams_token(self, token: str) -> str:
        try:
            return base64.b64decode(token, validate=True).decode()
        except ValueError:
            raise failure("InvalidArgumentException", "Invalid NextToken.") from None

    def _increase_retention(self, request: wire.RetentionPeriod) -> None:
        self._set_retention(request, larger=True)

    def _decrease_retention(self, request: wire.RetentionPeriod) -> None:
        self._set_retention(request, larger=False)

    def _set_retention(self, request: wire.RetentionPeriod, *, larger: bool) -> None:
        """Change the retention period; the sentences are AWS's but for the number of hours that are most.

        Recorded by mhart/kinesalite, actions/increaseStreamRetentionPeriod.js and its test (2013 to 2020,
        when 168 hours were most), read 2026-11-29.
        """
        hours = request.retention_period_hours
        asked = f"Requested retention period ({hours} hours)"
        if hours < RETENTION_HOURS_MIN:
            message = (
                f"Minimum allowed retention period is {RETENTION_HOURS_MIN} hours. {asked} is too short."
            )
            raise failure("InvalidArgumentException", message)
        if hours > RETENTION_HOURS_MAX:
            message = f"Maximum allowed retention period is {RETENTION_HOURS_MAX} hours. {asked} is too long."
            raise failure("InvalidArgumentException", message)
        stream = self._active(request)
        if hours != stream.retention_hours and (hours < stream.retention_hours) == larger:
            side = "shorter" if larger else "longer"
            message = (
                f"{asked} for stream {stream.name} can not be {side} than"
                f" existing retention period ({stream.retention_hours} hours)."
            )
            raise failure("InvalidArgumentException", message)
        stream.expire(self.clock.now_ms())
        stream.retention_hours = hours

    # Finding streams and shards.

    def _stream(self, name: str) -> Stream:
        if name not in self._streams:
            message = f"Stream {name} under account {self._account} not found."
            raise failure("ResourceNotFoundException", message)
        return self._streams[name]

    def _of(self, request: wire.OfStream) -> Stream:
        name, arn = request.stream_name, request.stream_arn
        if arn is None:
            if name is None:
                message = "Either StreamName or StreamARN must be provided."
                raise failure("InvalidArgumentException", message)
            return self._stream(name)
        stream = self._stream(arn.rpartition("/")[2])
        if arn != stream.arn or name not in (None, stream.name):
            message = f"StreamARN {arn} does not name the stream {name or stream.arn}."
            raise failure("InvalidArgumentException", message)
        return stream

    def _writable(self, request: wire.OfStream) -> Stream:
        stream = self._of(request)
        if stream.status(self.clock.now_ms()) == "CREATING":
            message = f"Stream {stream.name} under account {self._account} not found."
            raise failure("ResourceNotFoundException", message)
        return stream

    def _active(self, request: wire.OfStream) -> Stream:
        stream = self._of(request)
        status = stream.status(self.clock.now_ms())
        if status != "ACTIVE":
            message = (
                f"Stream {stream.name} under account {self._account} not ACTIVE, instead in state {status}"
            )
            raise failure("ResourceInUseException", message)
        return stream

    def _rate_exceeded(self, shard: Shard, stream: Stream) -> str:
        return (
            f"Rate exceeded for shard {shard.shard_id} in stream {stream.name} under account {self._account}."
        )


def entry_bytes(entry: wire.PutEntry) -> int:
    """Count the bytes of a record to be put: its data and its partition key."""
    return len(entry.data) + len(entry.partition_key.encode())


def _utf_16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
