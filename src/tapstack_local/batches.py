"""Requests as they are sent: encoded, named for reports, within the collector's limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

import msgspec

from tapstack_local.traffic import NOT_JSON, Payload, Request

REQUEST_EVENTS_MAX = 2_500  # docs/reference/events.md
REQUEST_BYTES_MAX = 1_000_000  # the collector's TAPSTACK_REQUEST_BYTES_MAX, unless deployed otherwise
MERGED_EVENTS_MAX = 50  # of one request at full speed
_FRAME_BYTES = 1  # the brackets of a JSON array are two, and its commas one fewer than its events

_encoder = msgspec.json.Encoder()


class Entry(NamedTuple):
    """One event of a request.

    Parameters
    ----------
    payload
        The event; bytes if it is invalid on purpose.
    data
        As it is sent.
    where
        Names it for a person without saying what is in it: ``line 7`` of a recording, or ``event 7`` of those
        sent.
    """

    payload: Payload
    data: bytes
    where: str


Batch = list[Entry]


def batches(
    requests: Iterable[Request], *, merged_events_max: int = 0, request_bytes_max: int = REQUEST_BYTES_MAX
) -> Iterator[Batch]:
    """Cut requests that are too large for the collector, and put small ones together.

    Parameters
    ----------
    requests
        In order. `NOT_JSON` stays alone, since it would spoil the request's body.
    merged_events_max
        Up to how many events are put together; 0 leaves every request by itself.
    request_bytes_max
        How large a body may be. An event that is larger is sent alone, for the collector to refuse.

    Yields
    ------
    Batch
        Of 1 to `REQUEST_EVENTS_MAX` events.
    """
    batch = Batch()
    numbers = count(1)
    for request in requests:
        entries = [_entry(request, place, next(numbers)) for place in range(len(request.events))]
        for piece in _cut(entries, request_bytes_max):
            together = batch + piece
            if batch and (
                len(together) > merged_events_max
                or _body_bytes(together) > request_bytes_max
                or any(entry.payload == NOT_JSON for entry in together)
            ):
                yield batch
                together = piece
            batch = together
    if batch:
        yield batch


def body_of(batch: Iterable[Entry]) -> bytes:
    """Return a request's body: a JSON array, except where it is deliberately not JSON."""
    return b"[" + b",".join(entry.data for entry in batch) + b"]"


def _cut(entries: Batch, request_bytes_max: int) -> Iterator[Batch]:
    """Cut a request's events into as few requests as the collector takes."""
    piece, size = Batch(), _FRAME_BYTES
    for entry in entries:
        if piece and (len(piece) == REQUEST_EVENTS_MAX or size + len(entry.data) + 1 > request_bytes_max):
            yield piece
            piece, size = Batch(), _FRAME_BYTES
        piece.append(entry)
        size += len(entry.data) + 1
    if piece:
        yield piece


def _body_bytes(batch: Batch) -> int:
    return _FRAME_BYTES + sum(len(entry.data) + 1 for entry in batch)


def _entry(request: Request, place: int, number: int) -> Entry:
    payload = request.events[place]
    data = payload if isinstance(payload, bytes) else _encoder.encode(payload)
    where = f"line {request.lines[place]}" if request.lines else f"event {number}"
    return Entry(payload, data, where)
