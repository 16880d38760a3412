"""Shards: hash ranges, sequence numbers, retention and limits; no wire format, no errors of the API."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections import deque

from tapstack_emulator.kinesis.wire import (
    ChildShard,
    HashKeyRange,
    KinesisRecord,
    SequenceNumberRange,
    ShardAnswer,
)

# Limits: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html, read 2026-11-23.
HASH_KEYS = 2**128
SHARD_WRITE_RECORDS_PER_S = 1000
SHARD_WRITE_BYTES_PER_S = 1024 * 1024
SHARD_READ_BYTES_PER_S = 2 * 1024 * 1024
SHARD_READ_CALLS_PER_S = 5
GET_RECORDS_BYTES_MAX = 10 * 1024 * 1024
GET_RECORDS_COUNT_MAX = 10_000

_LAST_INDEX = 0x7FFF_FFFF_FFFF_FFFF


def hash_key(partition_key: str) -> int:
    """Return the MD5 of the key as Kinesis maps it to a shard: 128 bits, big endian."""
    digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest, "big")


def record_bytes(record: KinesisRecord) -> int:
    """Count a record as limits do: data before base64, and its partition key."""
    return len(record.data) + len(record.partition_key.encode())


class Shard:
    """One shard, open or closed, with the records its stream's retention left.

    Sequence numbers are laid out as observed on AWS (and written down by kinesalite): 47
    hexadecimal digits starting with 2, holding when the shard was made, the shard's index, the
    record's index and the second of arrival; printed in decimal they have 56 digits.

    Parameters
    ----------
    index
        Its position among all shards the stream ever had.
    start, end
        Its hash range, both inclusive.
    opened_ms
        When it was made.
    created_s
        The second its sequence numbers carry; later than any sequence number of its parents.
    parents
        Ids of the shards it continues: none, one (split) or two (merge).
    """

    def __init__(
        self,
        index: int,
        start: int,
        end: int,
        *,
        opened_ms: int,
        created_s: int,
        parents: tuple[str, ...] = (),
    ) -> None:
        self.index = index
        self.shard_id = f"shardId-{index:012d}"
        self.start = start
        self.end = end
        self.parents = parents
        self.children: list[Shard] = []
        self.opened_ms = opened_ms
        self.closed_ms: int | None = None
        self.created_s = created_s
        self.numbers: list[int] = []
        self.records: list[KinesisRecord] = []
        self.ending_number: int | None = None
        self._head = (2 << 184) | (created_s << 148) | ((index & 15) << 144)
        self._tail = (index << 4) | 2
        self._next_index = 0
        self._second = -1
        self._second_records = 0
        self._second_bytes = 0
        self._read_calls: deque[int] = deque()
        self._read_ready_ms = 0

    def number(self, index: int, second: int) -> int:
        """Compose the sequence number of the record with this index, arrived in this second."""
        return self._head | (index << 80) | ((second & 0xFF_FFFF_FFFF) << 36) | self._tail

    @property
    def starting_number(self) -> int:
        """The sequence number before any record's."""
        return self._head | self._tail

    @property
    def next_number(self) -> int:
        """A lower bound of every sequence number still to come, above every one given."""
        return self._head | (self._next_index << 80)

    def gave(self, number: int) -> bool:
        """Return whether a sequence number may be one that this shard has given."""
        return self.starting_number <= number < self.next_number

    def append(self, data: bytes, partition_key: str, now_ms: int, gap: int = 0) -> str:
        """Store a record and return its sequence number, having skipped `gap` of them."""
        self._next_index += gap
        number = self.number(self._next_index, now_ms // 1000)
        self._next_index += 1
        text = str(number)
        self.numbers.append(number)
        self.records.append(
            KinesisRecord(
                sequence_number=text,
                approximate_arrival_timestamp=now_ms / 1000,
                data=data,
                partition_key=partition_key,
            )
        )
        return text

    def close(self, now_ms: int) -> None:
        """Accept no further record."""
        self.closed_ms = now_ms
        self.ending_number = self.number(_LAST_INDEX, now_ms // 1000)

    def trim(self, horizon_ms: int) -> None:
        """Forget the records that arrived before `horizon_ms`."""
        horizon_s = horizon_ms / 1000
        count = 0
        for record in self.records:
            if record.approximate_arrival_timestamp >= horizon_s:
                break
            count += 1
        if count:
            del self.records[:count], self.numbers[:count]

    def forget(self, through: int) -> None:
        """Forget the records up to a sequence number, that one included."""
        count = bisect_right(self.numbers, through)
        del self.records[:count], self.numbers[:count]

    def read(self, position: int, limit: int) -> tuple[list[KinesisRecord], int]:
        """Return up to `limit` records and 10 MiB from `position` on, and the index after them."""
        start = bisect_left(self.numbers, position)
        page = self.records[start : start + limit]
        size = 0
        for count, record in enumerate(page):
            size += record_bytes(record)
            if size > GET_RECORDS_BYTES_MAX and count:
                page = page[:count]
                break
        return page, start + len(page)

    def admit_write(self, size: int, now_ms: int) -> bool:
        """Count a write against this second's limits; False if it does not fit."""
        second = now_ms // 1000
        if second != self._second:
            self._second, self._second_records, self._second_bytes = second, 0, 0
        if (
            self._second_records + 1 > SHARD_WRITE_RECORDS_PER_S
            or self._second_bytes + size > SHARD_WRITE_BYTES_PER_S
        ):
            return False
        self._second_records += 1
        self._second_bytes += size
        return True

    def admit_read(self, now_ms: int) -> bool:
        """Count a read against 5 a second and the debt of earlier reads; False if it does not fit."""
        while self._read_calls and now_ms - self._read_calls[0] >= 1000:
            self._read_calls.popleft()
        if now_ms < self._read_ready_ms or len(self._read_calls) >= SHARD_READ_CALLS_PER_S:
            return False
        self._read_calls.append(now_ms)
        return True

    def charge_read(self, size: int, now_ms: int) -> None:
        """Let a read above 2 MiB hold up the next ones: 10 MiB for five seconds, as documented."""
        if size > SHARD_READ_BYTES_PER_S:
            self._read_ready_ms = now_ms + size * 1000 // SHARD_READ_BYTES_PER_S

    def hash_key_range(self) -> HashKeyRange:
        """Its range on the wire."""
        return HashKeyRange(starting_hash_key=str(self.start), ending_hash_key=str(self.end))

    def answer(self) -> ShardAnswer:
        """Itself on the wire."""
        ending = None if self.ending_number is None else str(self.ending_number)
        return ShardAnswer(
            shard_id=self.shard_id,
            parent_shard_id=self.parents[0] if self.parents else None,
            adjacent_parent_shard_id=self.parents[1] if len(self.parents) > 1 else None,
            hash_key_range=self.hash_key_range(),
            sequence_number_range=SequenceNumberRange(
                starting_sequence_number=str(self.starting_number), ending_sequence_number=ending
            ),
        )

    def child_answers(self) -> list[ChildShard]:
        """Its children on the wire."""
        return [
            ChildShard(
                shard_id=child.shard_id,
                parent_shards=list(child.parents),
                hash_key_range=child.hash_key_range(),
            )
            for child in self.children
        ]
