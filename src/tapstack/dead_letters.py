"""Dead letters: what came in and is not counted, stored with the reason; written and read here.

The collector stores the events that it refuses of a request in one object. The consumer stores the records
that it does not count of a batch in at most one object for each prefix. A letter is a line. Records may be
delivered again in other batches, so a letter may be in several objects: readers take each once, by its
coordinates. The format is in docs/reference/dead-letters.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from tapstack.ports import ObjectStore

LATE, QUARANTINE = "late", "quarantine"  # the prefixes of the keys


class Reason(NamedTuple):
    """What a reason code says.

    Parameters
    ----------
    prefix
        Where letters with this code are stored.
    meaning
        For people.
    """

    prefix: str
    meaning: str


REASONS: Mapping[str, Reason] = {
    "too_old": Reason(LATE, "the event is older than `event_age_max_days`: it may have been counted before"),
    "memory_full": Reason(LATE, "its user sent more events than are remembered: it may have been counted"),
    "too_large": Reason(LATE, "no transaction of DynamoDB can hold the rows that the event changes"),
    "not_json": Reason(QUARANTINE, "the record or event is not JSON"),
    "invalid_event": Reason(QUARANTINE, "the record or event breaks the schema of events"),
    "too_many_bytes": Reason(QUARANTINE, "the record or event has more bytes than an event may have"),
    "breaks_schema": Reason(QUARANTINE, "the event breaks a [schema](schemas.md) of yours"),
    "unreadable": Reason(QUARANTINE, "the request cannot be split into events"),
}


class Coordinates(NamedTuple):
    """The place of a record on the stream, or of an event in a request: unique for each dead letter."""

    origin: str  # the shard, or the request
    number: str  # the sequence number, or the position

    def __str__(self) -> str:
        """Return them in one word, for messages."""
        return f"{self.origin}/{self.number}"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, tag_field="stage", tag="consumer"):
    """A record that the consumer does not count.

    Parameters
    ----------
    reason
        A code of `REASONS`.
    detail
        What is wrong with the record, naming the field; empty if the code says everything.
    shard_id, sequence_number
        Its place on the stream.
    event_id
        The event's id, if it has one.
    arrived_at_s
        When the stream stored the record, Unix seconds.
    data
        The record's payload: what was not counted, whole.
    """

    reason: str
    detail: str = ""
    shard_id: str
    sequence_number: str
    event_id: str | None = None
    arrived_at_s: int
    data: bytes

    @property
    def coordinates(self) -> Coordinates:
        """Return its place on the stream, which is unique."""
        return Coordinates(self.shard_id, self.sequence_number)


class RefusedEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="stage", tag="collector"):
    """An event that the collector refused, or a request that it could not split into events.

    Parameters
    ----------
    reason
        A code of `REASONS`.
    detail
        What is wrong, as the sender was told it.
    request_id
        Of the request: our own, and no other request has it.
    index
        The event's position in the request, from 0; 0 also for a request that is kept whole.
    format
        The wire format that it came in.
    path
        Where to: the route, in which ``*`` stands for what the sender chose.
    arrived_at_s
        When the collector had the request, Unix seconds.
    data
        The event as it was sent, in a body that its path takes; a GET's is its query. Where fields have
        pseudonyms it has them too, and is empty if it cannot be read.
    source
        Who sent it, by its write key; None if keys are not checked.
    schema
        The operator's schema that it breaks, such as ``purchase/2``; None if it breaks none of those.
    """

    reason: str
    detail: str
    request_id: str
    index: int
    format: str
    path: str
    arrived_at_s: int
    data: bytes
    source: str | None = None
    schema: str | None = None

    @property
    def coordinates(self) -> Coordinates:
        """Return its place among all requests, which is unique."""
        return Coordinates(self.request_id, str(self.index))


AnyLetter = DeadLetter | RefusedEvent

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyLetter] = msgspec.json.Decoder(AnyLetter)


def object_key(prefix: str, letters: Sequence[DeadLetter]) -> str:
    """Return the key of the object for dead letters of one shard, in the order of the stream.

    It names the day on which the first one arrived, by UTC, the shard, and the first and the last record. An
    object holds every dead letter from its first to its last record, so replacing it under the same key loses
    nothing: a letter that is missing in the newer object has been counted meanwhile.
    """
    first, last = letters[0], letters[-1]
    day = datetime.fromtimestamp(first.arrived_at_s, UTC).date()
    return f"{prefix}/{day}/{first.shard_id}/{first.sequence_number}-{last.sequence_number}.ndjson"


def request_key(first: RefusedEvent) -> str:
    """Return the key of the object for what was refused of one request, given its first letter."""
    day = datetime.fromtimestamp(first.arrived_at_s, UTC).date()
    return f"{QUARANTINE}/{day}/collector/{first.request_id}.ndjson"


def encode(letters: Sequence[AnyLetter]) -> bytes:
    """Write an object: a line of JSON for each letter."""
    return _encoder.encode_lines(letters)


def decode(body: bytes) -> list[AnyLetter]:
    """Read an object.

    Raises
    ------
    msgspec.DecodeError
        If a line is not a dead letter.
    """
    try:
        return _decoder.decode_lines(body)
    except (UnicodeDecodeError, RecursionError) as error:  # a string that is no UTF-8; brackets in brackets
        raise msgspec.DecodeError(str(error)) from None


def distinct(letters: Iterable[AnyLetter]) -> Iterator[AnyLetter]:
    """Yield each letter once, by its coordinates."""
    seen: set[Coordinates] = set()
    for letter in letters:
        if letter.coordinates not in seen:
            seen.add(letter.coordinates)
            yield letter


def read_all(store: ObjectStore, prefix: str) -> Iterator[AnyLetter]:
    """Yield each dead letter of a bucket once, in the order of the keys.

    Parameters
    ----------
    store
        The bucket.
    prefix
        What the keys begin with, such as ``late/2026-11-29/``.

    Raises
    ------
    Unavailable
        If the bucket does not answer.
    ValueError
        If an object does not hold dead letters; names its key.
    """
    return distinct(letter for key in _keys(store, prefix) for letter in _letters(store, key))


def _keys(store: ObjectStore, prefix: str) -> Iterator[str]:
    page = store.list(prefix)
    while True:
        yield from page.keys
        if page.is_last:
            return
        page = store.list(prefix, after=page.keys[-1])


def _letters(store: ObjectStore, key: str) -> list[AnyLetter]:
    body = store.get(key)
    try:
        return [] if body is None else decode(body)  # None: it expired, or was deleted, meanwhile
    except msgspec.DecodeError as error:
        raise ValueError(f"{key}: expected dead letters, one a line: {error}") from None
