"""The journal's files as bytes: a head, then records; pure.

A segment begins with its format, the position of its first record and the tag of the last record before it.
A record is its length, a checksum of the rest, its tag and its data. Integers are big-endian.
"""

from __future__ import annotations

import struct
import zlib
from typing import Literal, NamedTuple

from tapstack.core.events import EVENT_BYTES_MAX
from tapstack.producer.queues import Entry

FORMAT = b"tapjrnl1"
_HEAD = struct.Struct(">8sQQ")
_RECORD = struct.Struct(">IIQ")
HEAD_BYTES = _HEAD.size
RECORD_BYTES = _RECORD.size  # beside the data


class Head(NamedTuple):
    """What a segment begins with.

    Parameters
    ----------
    first
        The position of its first record.
    last_tag
        The tag of the record before; 0 if there is none.
    """

    first: int
    last_tag: int


class Scanned(NamedTuple):
    """What of a segment is whole.

    Parameters
    ----------
    entries
        Its records in order.
    end_bytes
        Where the last whole record ends.
    rest
        What follows: nothing; the beginning of a record whose writing did not end; or what no journal wrote.
    """

    entries: list[Entry]
    end_bytes: int
    rest: Literal["nothing", "torn", "damaged"]


def write_head(head: Head) -> bytes:
    """Return a segment's head."""
    return _HEAD.pack(FORMAT, *head)


def read_head(data: bytes) -> Head | None:
    """Return a segment's head; None if it is not one."""
    if len(data) < HEAD_BYTES:
        return None
    form, first, last_tag = _HEAD.unpack_from(data)
    return Head(first, last_tag) if form == FORMAT else None


def write_record(data: bytes, tag: int) -> bytes:
    """Return a record."""
    return _RECORD.pack(len(data), _checksum(data, tag), tag) + data


def read_records(data: bytes, at: int, first: int) -> Scanned:
    """Read records up to the end, or to what is none.

    Parameters
    ----------
    data
        Of a segment.
    at
        Where the first record begins.
    first
        Its position.
    """
    entries: list[Entry] = []
    while at < len(data):
        if at + RECORD_BYTES > len(data):
            return Scanned(entries, at, "torn")
        length, checksum, tag = _RECORD.unpack_from(data, at)
        end = at + RECORD_BYTES + length
        # A length that no event has is not one: what follows it cannot be found.
        if not 0 < length <= EVENT_BYTES_MAX:
            return Scanned(entries, at, "damaged")
        if end > len(data):
            return Scanned(entries, at, "torn")
        event = data[at + RECORD_BYTES : end]
        if _checksum(event, tag) != checksum:
            return Scanned(entries, at, "damaged")
        entries.append(Entry(first + len(entries), tag, event))
        at = end
    return Scanned(entries, at, "nothing")


def _checksum(data: bytes, tag: int) -> int:
    return zlib.crc32(data, tag & 0xFFFF_FFFF)
