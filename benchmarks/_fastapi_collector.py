"""The peer of `benchmarks.collector`: the same collector as one writes it with FastAPI and pydantic.

It validates the same schema, judges each event by itself, normalises what is not in our spelling, recognises
copies within a request, corrects times, and puts the same records under the same partition keys: the
benchmark compares them. Where pydantic has nothing of its own, such as for ids that are placeholders, it
calls the functions that ours calls. There are two ways to write it:

- as most would: a model for what is said and one for what is stored, validated and dumped event by event;
- tuned: pydantic's core reads the JSON of a whole request at once, and records are neither validated nor
  dumped to dictionaries.

Both read bodies themselves, as FastAPI advises for speed, answer through orjson, and leave out what ours has
besides: compressed bodies, one object a line, limits on an event's own bytes and nesting, retries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

import orjson
import pydantic
from fastapi import FastAPI, Request, Response

from tapstack.collector.bodies import EVENTS_MAX
from tapstack.core.currencies import Currency
from tapstack.core.events import (
    AMOUNT_MAX,
    COUNTER_MAX,
    ITEMS_MAX,
    ITEMS_REQUIRED,
    EventType,
    client_bytes_of,
)
from tapstack.core.normalisation import are_plain_ids, normalise
from tapstack.ports import StreamEntry, StreamWriter

FUTURE_MAX = timedelta(hours=24)
AGE_MAX = timedelta(days=30)
BODY_BYTES_MAX = 5 * 1024 * 1024
_MS = timedelta(milliseconds=1)

Id = Annotated[str, pydantic.Field(min_length=1, max_length=256)]
Short = Annotated[str, pydantic.Field(max_length=256)]
Amount = Annotated[float, pydantic.Field(ge=-AMOUNT_MAX, le=AMOUNT_MAX)]


class Item(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    item_id: Id
    name: Short | None = None
    price: Amount | None = None
    quantity: Annotated[int, pydantic.Field(ge=0, le=1_000_000)] | None = None
    currency: Currency | None = None
    category: Short | None = None
    brand: Short | None = None
    variant: Short | None = None
    position: int | None = None
    list_id: Short | None = None


class Event(pydantic.BaseModel):
    """What a sender may say."""

    model_config = pydantic.ConfigDict(extra="forbid")

    event_type: EventType
    event_id: Annotated[str, pydantic.Field(min_length=1, max_length=100)] | None = None
    client_id: Annotated[str, pydantic.Field(min_length=36, max_length=36)] | None = None
    n: Annotated[int, pydantic.Field(ge=0, le=COUNTER_MAX)] | None = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Annotated[str, pydantic.Field(min_length=1, max_length=128)] | None = None
    occurred_at: pydantic.AwareDatetime | None = None
    items: Annotated[list[Item], pydantic.Field(max_length=ITEMS_MAX)] | None = None
    value: Amount | None = None
    currency: Currency | None = None
    event_name: Annotated[str, pydantic.Field(max_length=200)] | None = None
    query: Annotated[str, pydantic.Field(max_length=1_000)] | None = None
    impressions: Annotated[list[Id], pydantic.Field(max_length=100)] | None = None
    recommendation_id: Annotated[str, pydantic.Field(max_length=64)] | None = None
    attribution_source: Annotated[str, pydantic.Field(max_length=1_024)] | None = None
    context: dict[str, Any] | None = None
    consent: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.user_id is None and self.anonymous_id is None:
            raise ValueError("user_id or anonymous_id is required")
        if (self.client_id is None) != (self.n is None):
            raise ValueError("client_id and n come together")
        if self.client_id is None and self.event_id is None:
            raise ValueError("event_id, or client_id and n, is required")
        if self.client_id is not None and client_bytes_of[self.client_id] is None:
            raise ValueError("client_id: expected a UUIDv7 in lower-case hexadecimal")
        if not self.items and self.event_type in ITEMS_REQUIRED:
            raise ValueError("items: at least one is needed")
        if self.event_type == "purchase" and _amount(self.items or ()) > AMOUNT_MAX:
            raise ValueError("items: prices times quantities are too much")
        if not are_plain_ids(self._ids()):
            raise ValueError("an id is blank or a placeholder")
        return self

    def _ids(self) -> list[str]:
        ids = [self.event_id, self.user_id, self.anonymous_id, self.session_id, self.recommendation_id]
        for item in self.items or ():
            ids += item.item_id, item.list_id
        return [*(each for each in ids if each is not None), *(self.impressions or ())]


class Record(Event):
    """What the stream holds."""

    received_at: datetime
    clock_skew_ms: int | None = None


def _amount(items: Sequence[Item]) -> float:
    return sum([abs(item.price or 0.0) * (1 if item.quantity is None else item.quantity) for item in items])


ToRecord = Callable[[Event, datetime], bytes]
_events = pydantic.TypeAdapter(list[Event])
_to_json = Record.__pydantic_serializer__.to_json


def application(stream: StreamWriter, *, is_tuned: bool) -> FastAPI:
    """Return the collector."""
    app = FastAPI()
    read, record = (_read_at_once, _record_unchecked) if is_tuned else (_read_each, _record)

    @app.post("/v1/events")
    async def post(request: Request) -> Response:
        body = await request.body()
        if len(body) > BODY_BYTES_MAX:
            return _answer(400, {"code": "invalid_request", "message": "the body is too large"})
        try:
            events = read(body)
        except ValueError as error:
            return _answer(400, {"code": "invalid_request", "message": str(error)})
        if not 1 <= len(events) <= EVENTS_MAX:
            return _answer(400, {"code": "invalid_request", "message": f"expected 1 to {EVENTS_MAX} events"})
        results = _collect(events, stream, record)
        statuses = {result["status"] for result in results}
        status = 503 if "retry" in statuses else 400 if statuses == {"invalid"} else 200
        return _answer(status, {"results": results})

    return app


def _answer(status: int, body: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def _read_each(body: bytes) -> Sequence[Event | pydantic.ValidationError]:
    said = orjson.loads(body)
    return [_read_one(each) for each in (said if isinstance(said, list) else [said])]


def _read_at_once(body: bytes) -> Sequence[Event | pydantic.ValidationError]:
    try:
        return _events.validate_json(body)
    except pydantic.ValidationError:
        return _read_each(body)


def _read_one(said: Any) -> Event | pydantic.ValidationError:
    try:
        return Event.model_validate(said)
    except pydantic.ValidationError as error:
        if not isinstance(said, dict):
            return error
    try:
        return Event.model_validate(normalise(said, []))
    except pydantic.ValidationError as error:
        return error


def _collect(
    events: Sequence[Event | pydantic.ValidationError], stream: StreamWriter, record: ToRecord
) -> list[dict[str, Any]]:
    received_at = datetime.now(UTC)
    results: list[dict[str, Any]] = [{"status": "retry"} for _ in events]
    entries: dict[int, StreamEntry] = {}
    first: dict[tuple[Any, ...], int] = {}
    twins: dict[int, int] = {}
    for position, event in enumerate(events):
        if isinstance(event, pydantic.ValidationError):
            results[position] = {"status": "invalid", "reason": event.errors(include_url=False)[0]["msg"]}
            continue
        if event.occurred_at is not None and event.occurred_at < received_at - AGE_MAX:
            results[position]["notes"] = ["too_old"]
        name = event.event_id if event.client_id is None else (event.client_id, event.n)
        earlier = first.setdefault((event.user_id, event.anonymous_id, name), position)
        if earlier != position:
            twins[position] = earlier
            continue
        key = event.user_id if event.user_id is not None else event.anonymous_id
        entries[position] = StreamEntry(partition_key=key or "", data=record(event, received_at))
    positions = list(entries)
    for start in range(0, len(positions), 500):
        part = positions[start : start + 500]
        for position, is_stored in zip(part, stream.put([entries[each] for each in part]), strict=True):
            results[position]["status"] = "ok" if is_stored else "retry"
    for position, earlier in twins.items():
        results[position]["status"] = "duplicate" if results[earlier]["status"] == "ok" else "retry"
    return results


def _corrected(said: datetime | None, received_at: datetime) -> tuple[datetime, int | None]:
    if said is None:
        return received_at, None
    said = said.astimezone(UTC)
    said = said.replace(microsecond=said.microsecond // 1000 * 1000)
    latest = received_at + FUTURE_MAX
    return min(said, latest), min(0, (latest - said) // _MS)


def _record(event: Event, received_at: datetime) -> bytes:
    fields = event.model_dump(exclude_none=True)
    fields["occurred_at"], skew_ms = _corrected(event.occurred_at, received_at)
    record = Record(**fields, received_at=received_at, clock_skew_ms=skew_ms)
    return record.model_dump_json(exclude_none=True).encode()


def _record_unchecked(event: Event, received_at: datetime) -> bytes:
    fields = dict(event.__dict__)
    fields["occurred_at"], skew_ms = _corrected(event.occurred_at, received_at)
    fields |= {"received_at": received_at, "clock_skew_ms": skew_ms}
    return _to_json(Record.model_construct(**fields), exclude_none=True)
