"""Parsing an event: msgspec beside pydantic doing the same, and beside JSON alone without any checks.

``events_per_cpu_s`` is the schema of what stands on the stream, as pydantic has it here too;
``consumer_events_per_cpu_s`` the consumer's reading: what it counts, and the checks across fields.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import orjson
import pydantic

from benchmarks._report import finish, options, progress
from benchmarks._traffic import stream
from tapstack.core.currencies import Currency
from tapstack.core.events import EventType, StreamEvent, decode_event

EVENTS = 5_000
ROUNDS = 5

Id = Annotated[str, pydantic.Field(min_length=1, max_length=256)]
Short = Annotated[str, pydantic.Field(max_length=256)]
Amount = Annotated[float, pydantic.Field(ge=-1e12, le=1e12)]


class _Item(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

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


class _Event(pydantic.BaseModel):
    """The same schema, for pydantic."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    event_type: EventType
    event_id: Annotated[str, pydantic.Field(min_length=1, max_length=100)] | None = None
    client_id: Annotated[str, pydantic.Field(min_length=36, max_length=36)] | None = None
    n: Annotated[int, pydantic.Field(ge=0)] | None = None
    event_name: Short | None = None
    occurred_at: pydantic.AwareDatetime
    received_at: pydantic.AwareDatetime
    sent_at: datetime | None = None
    clock_skew_ms: int | None = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Short | None = None
    items: Annotated[tuple[_Item, ...], pydantic.Field(max_length=100)] = ()
    value: Amount | None = None
    currency: Currency | None = None
    query: str | None = None
    impressions: tuple[Id, ...] = ()
    recommendation_id: str | None = None
    attribution_source: str | None = None
    context: dict[str, Any] | None = None
    consent: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None


def events_per_cpu_s(parse: Callable[[bytes], object], events: Sequence[bytes]) -> float:
    """Return the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for event in events:
            parse(event)
        best = min(best, time.process_time() - start)
    return len(events) / best


def main() -> None:
    """Measure."""
    as_json = options("parsing", __doc__).parse_args().json
    progress(f"parsing {EVENTS:,} events of the default traffic")
    events = [entry.data for _, entry in stream(EVENTS)]
    ours = events_per_cpu_s(msgspec.json.Decoder(StreamEvent).decode, events)
    counted = events_per_cpu_s(decode_event, events)
    peers = {
        "pydantic": events_per_cpu_s(_Event.model_validate_json, events),
        "orjson_unchecked": events_per_cpu_s(orjson.loads, events),
        "json_unchecked": events_per_cpu_s(json.loads, events),
    }
    finish(
        "parsing",
        {
            "events_per_cpu_s": ours,
            "consumer_events_per_cpu_s": counted,
            "mean_bytes": sum(map(len, events)) / len(events),
        },
        {name: {"events_per_cpu_s": figure} for name, figure in peers.items()},
        {f"times_{name}": ours / figure for name, figure in peers.items()},
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
