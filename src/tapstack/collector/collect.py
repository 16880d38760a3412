"""The recipe: parse each event by itself, put the good ones on the stream, answer one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import msgspec

from tapstack.core.backoff import backoff_ms
from tapstack.core.events import ClientEvent, StreamEvent, decode_client_event, encode_event
from tapstack.core.identity import partition_key
from tapstack.errors import InvalidEvent, Unavailable
from tapstack.ports import Clock, StreamEntry, StreamWriter

EVENTS_MAX = 2_500  # of one request
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html, read 2026-11-23
PUT_RECORDS_MAX = 500
PUT_BYTES_MAX = 4 * 1024 * 1024  # below the 5 MiB that regions without large records still have
ATTEMPTS_MAX = 5
PATIENCE_MS = 8_000  # then the sender is asked to send again; the function has 30 s
FUTURE_MAX = timedelta(hours=24)
RETRY_AFTER_MS = 1_000
NO_BATCH = "expected a JSON object, or an array of objects"

Status = Literal["ok", "duplicate", "invalid", "retry"]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one event."""

    status: Status
    field: str | None = None
    reason: str | None = None


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What the collector works with."""

    stream: StreamWriter
    clock: Clock
    jitter: Callable[[], float]


def split(body: bytes) -> list[msgspec.Raw]:
    """Split a request's body into its events: a JSON array of them, or one object.

    An event that is no JSON is split off like any other, so that it alone is refused: what
    JavaScript makes of half an emoji, for one, is an escape that JSON readers do not take.

    Raises
    ------
    InvalidEvent
        If the body is neither; nothing of it was taken.
    """
    text = body.lstrip()
    try:
        if text[:1] != b"[":
            return [msgspec.json.decode(text, type=msgspec.Raw)]
        events = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        events = _cut(text)
    if not events:
        raise InvalidEvent("", "expected at least one event")
    if len(events) > EVENTS_MAX:
        raise InvalidEvent("", f"expected at most {EVENTS_MAX} events, got {len(events)}")
    return events


# A string, perhaps without its end, or what gives JSON its structure. Possessive: no backtracking.
_MARKS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?P<quote>"?)|[][{},]', re.DOTALL)


def _cut(text: bytes) -> list[msgspec.Raw]:
    """Cut a body that does not parse: an array at its own commas, by brackets and strings alone.

    The parts may be anything: each is parsed strictly by itself later, and only the bad ones are refused.
    """
    mark, kind, depth = None, b"", 0
    cuts = [0]
    for mark in _MARKS.finditer(text) if text[:1] in {b"[", b"{"} else ():
        kind = mark[0][:1]
        depth += (kind in b"[{") - (kind in b"]}")
        if depth == 0 or (kind == b'"' and not mark["quote"]):
            break
        if depth == 1 and kind == b",":
            cuts.append(mark.start())
    if mark is None or depth or text[mark.end() :].strip() or text[:1] + kind not in {b"[]", b"{}"}:
        raise InvalidEvent("", NO_BATCH)
    if kind == b"}":
        return [msgspec.Raw(text[: mark.end()])]
    parts = [text[start + 1 : end].strip() for start, end in pairwise([*cuts, mark.start()])]
    if not all(parts):  # a comma too many
        raise InvalidEvent("", NO_BATCH)
    return [msgspec.Raw(part) for part in parts]


def collect(events: Sequence[bytes | msgspec.Raw], world: World, *, event_bytes_max: int) -> list[Result]:
    """Take events.

    Parameters
    ----------
    events
        Each as JSON.
    world
        The stream and time.
    event_bytes_max
        How large one may be.

    Returns
    -------
    list[Result]
        Aligned with `events`. ``ok`` means that the stream holds it; ``duplicate`` that the same
        event stands earlier in this request, and fares as that one; ``retry`` that it has to be
        sent again, unchanged.
    """
    received_at = _moment(world.clock.now_ms())
    results: dict[int, Result] = {}
    entries: dict[int, StreamEntry] = {}
    first: dict[tuple[object, ...], int] = {}
    twins: dict[int, int] = {}
    for position, data in enumerate(events):
        try:
            event = _parse(data, event_bytes_max)
        except InvalidEvent as error:
            results[position] = Result("invalid", error.field or None, error.reason)
            continue
        earlier = first.setdefault(_identity(event), position)
        if earlier != position:
            twins[position] = earlier
        else:
            entries[position] = StreamEntry(
                partition_key=partition_key(event), data=encode_event(canonical(event, received_at))
            )
    stored = _put_all(entries, world)
    for position in entries:
        results[position] = Result("ok") if position in stored else Result("retry")
    for position, earlier in twins.items():
        results[position] = Result("duplicate") if earlier in stored else Result("retry")
    return [results[position] for position in range(len(events))]


def canonical(event: ClientEvent, received_at: datetime) -> StreamEvent:
    """Add what the collector knows: when it came, and a time if the client gave none or a wild one."""
    occurred_at = event.occurred_at
    skew_ms: int | None = None
    if occurred_at is not None:
        # UTC and whole milliseconds: the skew must be exact, or copies of an event differ in its time.
        occurred_at = occurred_at.astimezone(UTC)
        occurred_at = occurred_at.replace(microsecond=occurred_at.microsecond // 1000 * 1000)
        latest = received_at + FUTURE_MAX
        skew_ms = min(0, (latest - occurred_at) // timedelta(milliseconds=1))
        occurred_at = min(occurred_at, latest)
    fields = {name: getattr(event, name) for name in ClientEvent.__struct_fields__}
    fields["occurred_at"] = occurred_at or received_at
    return StreamEvent(**fields, received_at=received_at, clock_skew_ms=skew_ms)


def _parse(data: bytes | msgspec.Raw, event_bytes_max: int) -> ClientEvent:
    size = len(bytes(data))
    if size > event_bytes_max:
        raise InvalidEvent("", f"expected at most {event_bytes_max} bytes, got {size}")
    return decode_client_event(data)


def _identity(event: ClientEvent) -> tuple[object, ...]:
    name = (event.event_id,) if event.client_id is None else (event.client_id, event.n)
    return event.user_id, event.anonymous_id, *name


def _put_all(entries: dict[int, StreamEntry], world: World) -> set[int]:
    """Put entries, the refused ones again, and tell which ones the stream confirmed."""
    stored: set[int] = set()
    pending = list(entries)
    until_ms = world.clock.now_ms() + PATIENCE_MS
    for attempt in range(ATTEMPTS_MAX):
        if attempt and world.clock.now_ms() > until_ms:
            break
        if attempt:
            world.clock.sleep_ms(backoff_ms(attempt - 1, world.jitter()))
        refused: list[int] = []
        for positions in _calls(pending, entries):
            confirmed = _put([entries[position] for position in positions], world.stream)
            for position, is_stored in zip(positions, confirmed, strict=True):
                (stored.add if is_stored else refused.append)(position)
        pending = refused
        if not pending:
            break
    return stored


def _put(entries: Sequence[StreamEntry], stream: StreamWriter) -> Sequence[bool]:
    try:
        return stream.put(entries)
    except Unavailable:
        # If they were stored after all, the consumer recognises the second copies.
        return [False] * len(entries)


def _calls(positions: Sequence[int], entries: dict[int, StreamEntry]) -> list[list[int]]:
    """Cut entries into calls that PutRecords admits."""
    calls: list[list[int]] = []
    size = 0
    for position in positions:
        entry_bytes = len(entries[position].data) + len(entries[position].partition_key.encode())
        if not calls or len(calls[-1]) == PUT_RECORDS_MAX or size + entry_bytes > PUT_BYTES_MAX:
            calls.append([])
            size = 0
        calls[-1].append(position)
        size += entry_bytes
    return calls


def _moment(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms // 1000, tz=UTC).replace(microsecond=now_ms % 1000 * 1000)
