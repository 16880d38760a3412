"""Spilled records: accepted while Kinesis took none, stored in S3 until it does; written and read here.

The collector stores those of a request in one object, and answers once it is stored. The drainer puts them on
the stream in the order of the keys, and deletes an object when the stream holds all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from tapstack.ports import StreamEntry

PREFIX = "spill/"
KEY_CHARS_MAX = 256  # of a partition key, as Kinesis has it (API_PutRecordsRequestEntry, from knowledge)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(StreamEntry)
_TIME_CHARS = len("20260310T115959.123Z")


def object_key(at_ms: int, unique: str) -> str:
    """Return the key of a request's object: keys stand in the order of time, and no two are alike.

    Parameters
    ----------
    at_ms
        When the request was spilled, Unix milliseconds.
    unique
        Letters and digits that no other request has: an object must never replace another one.
    """
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{PREFIX}{at:%Y%m%dT%H%M%S}.{at_ms % 1000:03}Z-{unique}.ndjson"


def spilled_at_ms(key: str) -> int:
    """Return when the object under a key was spilled, Unix milliseconds.

    Raises
    ------
    ValueError
        If the key is none of `object_key`.
    """
    at = datetime.fromisoformat(key.removeprefix(PREFIX)[:_TIME_CHARS])
    return round(at.timestamp() * 1000)


def encode(entries: Iterable[StreamEntry]) -> bytes:
    """Write an object: a line of JSON for each record."""
    return _encoder.encode_lines(entries)


def decode(body: bytes) -> list[StreamEntry]:
    """Read an object.

    Raises
    ------
    msgspec.DecodeError
        If a line is no record, or one that Kinesis would never take: in one call with others, these would
        wait with it.
    """
    try:
        entries = _decoder.decode_lines(body)
    except (UnicodeDecodeError, RecursionError) as error:  # a string that is no UTF-8; brackets in brackets
        raise msgspec.DecodeError(str(error)) from None
    if not all(0 < len(entry.partition_key) <= KEY_CHARS_MAX for entry in entries):
        raise msgspec.DecodeError(f"expected partition keys of 1 to {KEY_CHARS_MAX} characters")
    return entries
