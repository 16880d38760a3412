"""The recipe: parse each event by itself, put the good ones on the stream, answer one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from tapstack.core.backoff import backoff_ms
from tapstack.core.events import ClientEvent, Said, StreamEvent, encode_event, read_client_event
from tapstack.core.identity import partition_key
from tapstack.errors import InvalidEvent, Unavailable
from tapstack.ports import Clock, StreamEntry, StreamWriter

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html, read 2026-11-23
PUT_RECORDS_MAX = 500
PUT_BYTES_MAX = 4 * 1024 * 1024  # below the 5 MiB that regions without large records still have
ATTEMPTS_MAX = 5
PATIENCE_MS = 8_000  # then the sender is asked to send again; the function has 30 s
FUTURE_MAX = timedelta(hours=24)
RETRY_AFTER_MS = 1_000

Status = Literal["ok", "duplicate", "invalid", "retry"]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one event.

    Parameters
    ----------
    status
        Its fate.
    field, reason
        Why it is invalid.
    notes
        What of an event that is not invalid was not taken as it was said.
    """

    status: Status
    field: str | None = None
    reason: str | None = None
    notes: Sequence[str] = ()


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What the collector works with."""

    stream: StreamWriter
    clock: Clock
    jitter: Callable[[], float]


def collect(
    events: Sequence[bytes | msgspec.Raw | InvalidEvent], world: World, *, event_bytes_max: int
) -> list[Result]:
    """Take events.

    Parameters
    ----------
    events
        Each as JSON, or the error of one that its wire format could not translate.
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
    notes: dict[int, Sequence[str]] = {}
    for position, data in enumerate(events):
        try:
            event, notes[position] = _parse(data, event_bytes_max)
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
        results[position] = Result("ok" if position in stored else "retry", notes=notes[position])
    for position, earlier in twins.items():
        results[position] = Result("duplicate" if earlier in stored else "retry", notes=notes[position])
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


def _parse(data: bytes | msgspec.Raw | InvalidEvent, event_bytes_max: int) -> Said:
    if isinstance(data, InvalidEvent):
        raise data
    size = len(bytes(data))
    if size > event_bytes_max:
        raise InvalidEvent("", f"expected at most {event_bytes_max} bytes, got {size}")
    return read_client_event(data)


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
