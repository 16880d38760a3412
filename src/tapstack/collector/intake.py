"""The recipe: judge each event by itself, put the good ones on the stream, keep the others, answer each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

import msgspec

from tapstack.collector.enrichment.consent import REFUSED
from tapstack.collector.enrichment.order import Arrival, Enriched
from tapstack.collector.publish import Dependencies, publish
from tapstack.collector.records import FUTURE_MAX, Records
from tapstack.core.client_events import Said, read_client_event
from tapstack.core.events import MOMENT_MIN, ClientEvent
from tapstack.core.identity import EPOCH, partition_key_of
from tapstack.core.sources import Source
from tapstack.core.together import read_client_events
from tapstack.errors import InvalidEvent
from tapstack.ports import StreamEntry

RETRY_AFTER_MS = 1_000
AHEAD = "occurred_at: more than 24 hours in the future, set to 24 hours after receipt"
TOO_OLD = "too_old"  # what the note begins with of an event that will not be counted for its age
SCHEMA_NOTES_MAX = 100  # of a request: with one for each event an answer would not fit the load balancer
_MS = timedelta(milliseconds=1)

Status = Literal["ok", "duplicate", "invalid", "denied", "retry"]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one event.

    Parameters
    ----------
    status
        Its fate.
    field, reason
        Why it is invalid, or will be, if it is to be sent again.
    notes
        What of an event that is not invalid was not taken as it was said, or why it will not be counted.
    schema
        The operator's schema that it breaks, such as ``purchase/2``.
    """

    status: Status
    field: str | None = None
    reason: str | None = None
    notes: Sequence[str] = ()
    schema: str | None = None


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """An event that came in another wire format, in our words.

    Parameters
    ----------
    said
        The event, and notes on what of it was not understood.
    bytes_said
        How long it was as the sender wrote it.
    protocol
        The name of the format.
    sent_at
        When the client sent it, by the client's clock.
    is_id_derived
        Whether its id is a hash of what it says.
    """

    said: Said
    bytes_said: int
    protocol: str
    sent_at: datetime | None = None
    is_id_derived: bool = False


_OK, _RETRY = Result("ok"), Result("retry")  # most answers have nothing but a status
Incoming = bytes | msgspec.Raw | Said | Translated | InvalidEvent
Spill = Callable[[Mapping[int, StreamEntry]], bool]  # see `tapstack.collector.objects.put_spilled`
Keep = Callable[[Mapping[int, InvalidEvent], int], bool]  # see `tapstack.collector.quarantine`
Enrich = Callable[[ClientEvent, Arrival], Enriched | None]  # see `tapstack.collector.enrichment.order`


class Breach(Protocol):
    """A schema that an event breaks and may break; see `tapstack.collector.schemas.Found`."""

    @property
    def schema(self) -> str:
        """Return its name."""

    @property
    def note(self) -> str:
        """Return what is wrong, in words for the sender."""


CheckSchemas = Callable[[ClientEvent, str | None], Breach | None]  # see `Schemas.check`


def collect(
    events: Sequence[Incoming],
    dependencies: Dependencies,
    *,
    event_bytes_max: int,
    event_age_max: timedelta | None = None,
    spill: Spill | None = None,
    keep: Keep | None = None,
    source: Source | None = None,
    check_schemas: CheckSchemas | None = None,
    enrich: Enrich | None = None,
) -> list[Result]:
    """Take events.

    Parameters
    ----------
    events
        Each as JSON, read, translated, or the error of one that its wire format could not translate.
    dependencies
        The stream and time.
    event_bytes_max
        How large one may be.
    event_age_max
        How old one may be and still be counted: an older one is stored all the same, with a note; None if
        that is not known.
    spill
        Stores records that the stream does not take, by position; returns whether they are known to be
        stored. None where there is nothing but the stream.
    keep
        Stores what is refused, given why, by position, and how many events there are; returns whether it is
        known to be stored. None where the caller has them still.
    source
        Who sent them; None if write keys are not checked.
    check_schemas
        Holds an event to the operator's schemas; None if there are none.
    enrich
        Returns an event as it is to be stored, or that nothing of it may be; None if all stay as they are.

    Returns
    -------
    list[Result]
        Aligned with `events`. ``ok`` means that the stream or the spill bucket holds it; ``duplicate``
        that the same event stands earlier in this request, and fares as that one; ``invalid`` that it is
        refused for good, and kept; ``denied`` that its user denied consent, and nothing of it is kept;
        ``retry`` that it has to be sent again, unchanged.
    """
    received_at = _moment(dependencies.clock.now_ms())
    oldest = MOMENT_MIN if event_age_max is None else received_at - event_age_max
    latest = received_at + FUTURE_MAX
    records = Records(received_at, _id_of(source))
    judge = _judge(source, received_at, check_schemas)
    results: list[Result] = []
    refused: dict[int, InvalidEvent] = {}
    entries: dict[int, StreamEntry] = {}
    first: dict[tuple[object, ...], int] = {}
    twins: dict[int, int] = {}
    breaches = 0
    for position, (data, said) in enumerate(zip(events, _read(events, event_bytes_max), strict=True)):
        try:
            if isinstance(said, InvalidEvent):
                raise said
            breach = None if judge is None else judge(said.event)
        except InvalidEvent as error:
            refused[position] = error
            results.append(Result("retry", error.field or None, error.reason, schema=error.schema or None))
            continue
        event, notes, enriched = said.event, said.notes, None
        if enrich is not None:
            enriched = enrich(event, _arrival(data, received_at))
            if enriched is None:
                results.append(Result("denied", notes=(REFUSED,)))
                continue
            event, notes = enriched.event, enriched.notes or notes
        if breach is not None:
            breaches += 1
            notes = (breach.note, *notes) if breaches <= SCHEMA_NOTES_MAX else notes
        if event.occurred_at is not None and not oldest <= event.occurred_at <= latest:
            notes = (*_on_time(event.occurred_at, oldest, received_at, enriched), *notes)
        schema = None if breach is None else breach.schema
        results.append(Result("retry", notes=notes, schema=schema) if notes or schema else _RETRY)
        name = event.event_id if event.client_id is None else event.n
        identity = event.user_id, event.anonymous_id, event.client_id, name
        earlier = first.setdefault(identity, position)
        if earlier != position:
            twins[position] = earlier
        else:
            is_plain = enriched is None and not isinstance(data, Translated)  # the usual case
            record = records.plain(event) if is_plain else _record(data, event, records, enriched)
            key = partition_key_of(event.user_id, event.anonymous_id)
            entries[position] = StreamEntry(partition_key=key, data=record)
    _note_stored(results, _stored(entries, dependencies, spill), twins)
    if refused and (keep is None or keep(refused, len(events))):
        _note_kept(results, refused)
    return results


def _note_kept(results: list[Result], refused: Collection[int]) -> None:
    for position in refused:
        results[position] = msgspec.structs.replace(results[position], status="invalid")


def _note_stored(results: list[Result], stored: Collection[int], twins: Mapping[int, int]) -> None:
    for position in stored:
        result = results[position]
        results[position] = _OK if result is _RETRY else msgspec.structs.replace(result, status="ok")
    for position, earlier in twins.items():
        if earlier in stored:
            results[position] = msgspec.structs.replace(results[position], status="duplicate")


def is_too_old(result: Result) -> bool:
    """Return whether an answer says that the event is older than what is counted."""
    return any(note.startswith(TOO_OLD) for note in result.notes)


def _on_time(
    moment: datetime, oldest: datetime, received_at: datetime, enriched: Enriched | None
) -> Sequence[str]:
    """Return the note on a time that the consumer will find too old, or that is set to another."""
    if moment < oldest:
        what = f"occurred_at is more than {(received_at - oldest).days} days ago"
        return (f"{TOO_OLD}: {what}; the event is stored as a dead letter and not counted",)
    return () if enriched is not None and enriched.shift_ms else (AHEAD,)  # a wrong clock is set right


def _stored(entries: Mapping[int, StreamEntry], dependencies: Dependencies, spill: Spill | None) -> set[int]:
    """Put records on the stream, else into the spill bucket; return the positions of what is stored."""
    stored = publish(entries, dependencies)
    if len(stored) == len(entries):
        return stored
    left = {position: entry for position, entry in entries.items() if position not in stored}
    if left and spill is not None and spill(left):
        stored |= left.keys()
    return stored


def _arrival(data: Incoming, received_at: datetime) -> Arrival:
    if isinstance(data, Translated):
        return Arrival(received_at, data.sent_at, data.is_id_derived)
    return Arrival(received_at)


def _record(data: Incoming, event: ClientEvent, records: Records, enriched: Enriched | None) -> bytes:
    protocol, sent_at = (data.protocol, data.sent_at) if isinstance(data, Translated) else (None, None)
    if enriched is None:
        return records.record(event, protocol, sent_at)
    if enriched.is_of_nobody:
        sent_at = None
    return records.record(event, protocol, sent_at, enriched.shift_ms, enriched.found)


def _id_of(source: Source | None) -> str | None:
    return None if source is None else source.id


def _judge(
    source: Source | None, received_at: datetime, check_schemas: CheckSchemas | None
) -> Callable[[ClientEvent], Breach | None] | None:
    """Return what refuses an event that the source may not send, or that breaks a schema.

    It returns a schema that the event may break. None if events are neither held to a source nor to schemas.
    """
    if source is None:
        return None if check_schemas is None else lambda event: check_schemas(event, None)

    def judge(event: ClientEvent) -> Breach | None:
        source.check(event, received_at)
        return None if check_schemas is None else check_schemas(event, source.id)

    return judge


def _read(events: Sequence[Incoming], event_bytes_max: int) -> Sequence[Said | InvalidEvent]:
    """Return what each event says, or what is wrong with it."""
    read = [data for data in events if isinstance(data, (Said, InvalidEvent))]
    if len(read) == len(events):
        return read
    texts = [data for data in events if isinstance(data, (bytes, msgspec.Raw))]
    if len(texts) == len(events) and max(map(len, texts), default=0) <= event_bytes_max:
        return read_client_events(texts)
    return [_parse(data, event_bytes_max) for data in events]


def _parse(data: Incoming, event_bytes_max: int) -> Said | InvalidEvent:
    if isinstance(data, (Said, InvalidEvent)):
        return data
    size = data.bytes_said if isinstance(data, Translated) else len(data)
    if size > event_bytes_max:
        return InvalidEvent("", f"expected at most {event_bytes_max} bytes, got {size}", "too_many_bytes")
    if isinstance(data, Translated):
        return data.said
    try:
        return read_client_event(data)
    except InvalidEvent as error:
        return error


def _moment(now_ms: int) -> datetime:
    return EPOCH + now_ms * _MS
