"""What the consumer reads off the stream: what the collector wrote, as far as it counts."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs

from event_strategies import (
    JSON_VALUES,
    NO_JSON_VALUES,
    NOON,
    client_event_dicts,
    stream_event_dict,
    stream_events,
)
from tapstack.collector.records import Records
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import CountedContext, CountedItem, Event, StreamEvent, decode_event
from tapstack.errors import InvalidEvent


def counted(event: StreamEvent) -> dict[str, Any]:
    """What the consumer shall read of it."""
    fields = {name: getattr(event, name) for name in Event.__struct_fields__}
    items = [{name: getattr(item, name) for name in CountedItem.__struct_fields__} for item in event.items]
    locale = (event.context or {}).get("locale")
    context = None if event.context is None else CountedContext(locale)
    return {**fields, "items": tuple(CountedItem(**item) for item in items), "context": context}


@given(client_event_dicts())
def test_the_consumer_reads_what_the_collector_wrote(said: dict[str, Any]) -> None:
    record = Records(NOON).record(decode_client_event(json.dumps(said).encode()))
    assert structs.asdict(decode_event(record)) == counted(msgspec.json.decode(record, type=StreamEvent))


@given(stream_events(), JSON_VALUES, st.sampled_from(["", "items", "context"]))
def test_fields_of_a_later_collector_are_passed_over(event: Event, value: Any, place: str) -> None:
    said = json.loads(msgspec.json.encode(event))
    assume(not place or said.get(place) is not None)
    inside = said[place] if place else said
    for holder in inside if isinstance(inside, list) else [inside]:
        holder["invented_later"] = value
    assert decode_event(json.dumps(said).encode()) == event


def test_a_later_schema_is_not_this_one() -> None:
    with pytest.raises(InvalidEvent, match="schema"):
        decode_event(json.dumps({**stream_event_dict(), "schema": "clickstream/2"}).encode())


@pytest.mark.parametrize("value", NO_JSON_VALUES.values(), ids=NO_JSON_VALUES)
def test_what_is_passed_over_is_json_all_the_same(value: bytes) -> None:
    said = json.dumps(stream_event_dict()).encode()
    with pytest.raises(InvalidEvent, match="JSON"):
        decode_event(said[:-1] + b',"properties":' + value + b"}")


@pytest.mark.parametrize("depth", [900, 2_000, 20_000, 170_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"":', "}")])
def test_what_one_python_reads_and_another_finds_too_deep_is_passed_over_or_poison(
    left: str, right: str, depth: int
) -> None:
    said = json.dumps(stream_event_dict()).encode()
    nested = (left * depth + "1" + right * depth).encode()
    with contextlib.suppress(InvalidEvent):
        assert decode_event(said[:-1] + b',"properties":' + nested + b"}") == decode_event(said)
