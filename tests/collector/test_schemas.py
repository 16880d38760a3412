"""A shop's own schemas: who is held to them, what is said, and that nothing that breaks one is dropped."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from format_world import ask
from hypothesis import given
from hypothesis import strategies as st
from test_quarantine import REFUSED, SNOWPLOW

from collectors import failing_bucket
from event_strategies import client_event, client_event_dicts
from tapstack.collector.bodies import EVENTS_MAX
from tapstack.collector.formats import ROUTES
from tapstack.collector.intake import SCHEMA_NOTES_MAX
from tapstack.collector.schemas import Schema, Schemas, Strictness, Use
from tapstack.core.client_events import decode_client_event
from tapstack.core.events import EVENT_TYPES
from tapstack.errors import InvalidEvent

SECRET = "s3cret"
ANSWER_BYTES_MAX = 1_000_000


def schemas(document: dict[str, Any], strictness: Strictness = "quarantine", **use: Any) -> Schemas:
    return Schemas([Schema(name="own/1", use=Use(strictness=strictness, **use), document=document)])


def said(document: dict[str, Any], event: dict[str, Any]) -> str | None:
    """What a sender is told of an event that breaks a schema."""
    found = schemas(document, "warn").check(decode_client_event(json.dumps(event).encode()), None)
    return None if found is None else str(found.broken)


EVENT = client_event(
    event_type="purchase",
    value=9.5,
    user_id=SECRET,
    items=[{"item_id": "a", "price": 3, "quantity": 2}, {"item_id": SECRET, "price": 3.5}],
    properties={"coupon": SECRET, "deep": {"list": [1, SECRET, None, True]}, SECRET * 9: 1},
)
ITEMS = {"properties": {"items": {"items": {}}}}
PROPERTIES: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"coupon": {"type": "number"}}, "properties.coupon: expected a number, got a string"),
    "types": (
        {"deep": {"type": ["string", "null"]}},
        "properties.deep: expected null or a string, got an object",
    ),
    "object": ({"coupon": {"type": "object"}}, "properties.coupon: expected an object, got a string"),
    "enum": ({"coupon": {"enum": ["A", 2]}}, "properties.coupon: expected one of A, 2"),
    "const": ({"coupon": {"const": "A"}}, "properties.coupon: expected A"),
    "pattern": (
        {"coupon": {"pattern": "^[0-9]$"}},
        "properties.coupon: expected a string that matches ^[0-9]$",
    ),
    "format": ({"coupon": {"format": "date"}}, "properties.coupon: expected a string of the format date"),
    "minLength": ({"coupon": {"minLength": 20}}, "properties.coupon: expected at least 20 characters"),
    "maxLength": ({"coupon": {"maxLength": 2}}, "properties.coupon: expected at most 2 characters"),
    "items": (
        {"deep": {"properties": {"list": {"items": {"type": "integer"}}}}},
        "properties.deep.list[1]: expected a whole number, got a string",
    ),
    "maxItems": (
        {"deep": {"properties": {"list": {"maxItems": 1}}}},
        "properties.deep.list: expected at most 1 elements",
    ),
    "minItems": (
        {"deep": {"properties": {"list": {"minItems": 9}}}},
        "properties.deep.list: expected at least 9 elements",
    ),
    "contains": (
        {"deep": {"properties": {"list": {"contains": {"const": 7}}}}},
        "properties.deep.list: has no element as the schema wants one",
    ),
    "false": ({"coupon": False}, "properties.coupon: is not allowed"),
    "oneOf": (
        {"coupon": {"oneOf": [{"type": "null"}, {"const": 1}]}},
        "properties.coupon: breaks oneOf of the schema",
    ),
    "not": ({"coupon": {"not": {"type": "string"}}}, "properties.coupon: breaks not of the schema"),
    "minProperties": ({"deep": {"minProperties": 9}}, "properties.deep: expected at least 9 fields"),
    "additional": (
        {"deep": {"properties": {"a": True}, "additionalProperties": False}},
        "properties.deep.list: the schema does not name this field",
    ),
}
WHOLE: dict[str, tuple[dict[str, Any], str]] = {
    "required": ({"required": ["currency"]}, "currency: is required"),
    "minimum": ({"properties": {"value": {"minimum": 10}}}, "value: expected a number of at least 10"),
    "maximum": ({"properties": {"value": {"maximum": 1}}}, "value: expected a number of at most 1"),
    "above": ({"properties": {"value": {"exclusiveMinimum": 9.5}}}, "value: expected a number above 9.5"),
    "below": ({"properties": {"value": {"exclusiveMaximum": 9.5}}}, "value: expected a number below 9.5"),
    "multiple": ({"properties": {"value": {"multipleOf": 2}}}, "value: expected a multiple of 2"),
    "fraction": (
        {"properties": {"value": {"type": "integer"}}},
        "value: expected a whole number, got a fraction",
    ),
    "an item's": (
        {"properties": {"items": {"items": {"required": ["quantity"]}}}},
        "items[1].quantity: is required",
    ),
    "in $defs": (
        {"$defs": {"i": {"required": ["brand"]}}, "properties": {"items": {"items": {"$ref": "#/$defs/i"}}}},
        "items[0].brand: is required",
    ),
    "a sender's name": (
        {"properties": {"properties": {"properties": {"coupon": True}, "additionalProperties": False}}},
        "properties.deep: the schema does not name this field",
    ),
    "unevaluated": (
        {"properties": {"event_type": True}, "unevaluatedProperties": False},
        "event_id: the schema does not name this field",
    ),
}
WORDS = {
    **WHOLE,
    **{
        name: ({"properties": {"properties": {"properties": of}}}, text)
        for name, (of, text) in PROPERTIES.items()
    },
}


@pytest.mark.parametrize(("document", "words"), WORDS.values(), ids=WORDS)
def test_what_is_wrong_is_said_in_words_without_what_was_sent(document: dict[str, Any], words: str) -> None:
    assert said(document, EVENT) == words
    assert SECRET not in words


def test_an_event_that_keeps_to_a_schema_is_accepted() -> None:
    document = {
        "required": ["value", "items"],
        "properties": {"value": {"type": "number"}, "items": {"type": "array", "maxItems": 2}},
    }
    assert said(document, EVENT) is None


@given(client_event_dicts(), st.sampled_from(sorted(WORDS)))
def test_any_event_is_judged_and_the_two_strictnesses_agree(fields: dict[str, Any], name: str) -> None:
    document, event = WORDS[name][0], decode_client_event(json.dumps(fields).encode())
    found = schemas(document, "warn").check(event, None)
    assert schemas(document, "off").check(event, None) is None
    refused = None
    try:
        schemas(document).check(event, None)
    except InvalidEvent as error:
        refused = (error.field, error.reason, error.schema)
    assert refused == (None if found is None else (*found.broken, "own/1"))


@pytest.mark.parametrize("name", ["field", "name" * 500, '"\\\n\u2028é😀' * 40, "\x00"])
def test_names_are_cut(name: str) -> None:
    event = client_event(properties={"a": {name: {name: {name: 7}}}})
    deep = {"additionalProperties": {"additionalProperties": {"additionalProperties": {"type": "string"}}}}
    document = {"properties": {"properties": {"properties": {"a": deep}}}}
    assert len(json.dumps(json.dumps(said(document, event)))) < 400


# Whom a schema is for.

BROKEN = {"required": ["attribution_source"]}
USES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None, bool]] = {
    "all": ({}, {}, None, True),
    "its type": ({"event_types": ("share",)}, {"event_type": "share"}, None, True),
    "another type": ({"event_types": ("share",)}, {"event_type": "rate"}, None, False),
    "one of its names": ({"event_names": ("a", "b")}, {"event_name": "b"}, None, True),
    "no name": ({"event_names": ("a", "b")}, {}, None, False),
    "its source": ({"sources": ("web",)}, {}, "web", True),
    "another source": ({"sources": ("web",)}, {}, "app", False),
    "no source": ({"sources": ("web",)}, {}, None, False),
    "its type, another source": (
        {"event_types": ("share",), "sources": ("web",)},
        {"event_type": "share"},
        "app",
        False,
    ),
}


@pytest.mark.parametrize(("use", "fields", "source", "is_for"), USES.values(), ids=USES)
def test_a_schema_is_for_the_events_that_it_names(
    use: dict[str, Any], fields: dict[str, Any], source: str | None, *, is_for: bool
) -> None:
    event = decode_client_event(json.dumps(client_event(**fields)).encode())
    assert (schemas(BROKEN, "warn", **use).check(event, source) is not None) is is_for


def test_an_event_is_held_to_all_versions_and_a_refusal_goes_before_a_warning() -> None:
    def version(number: int, strictness: Strictness, field: str) -> Schema:
        return Schema(name=f"own/{number}", use=Use(strictness=strictness), document={"required": [field]})

    both = Schemas(
        [version(2, "warn", "query"), version(1, "quarantine", "session_id"), version(3, "off", "x")]
    )
    event = client_event()
    with pytest.raises(InvalidEvent, match=r"^session_id: is required$") as caught:
        both.check(decode_client_event(json.dumps(event).encode()), None)
    assert (caught.value.code, caught.value.schema) == ("breaks_schema", "own/1")
    found = both.check(decode_client_event(json.dumps({**event, "session_id": "s"}).encode()), None)
    assert found is not None
    assert found.note == "schema own/2: query: is required"


def test_every_type_may_be_named() -> None:
    assert msgspec.convert({"strictness": "off", "event_types": EVENT_TYPES}, Use).event_types == EVENT_TYPES


# What becomes of an event.


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_a_schema_is_kept_in_every_format_and_not_sent_again(name: str) -> None:
    path, body, _ = REFUSED[name]
    answer = ask("POST", path, body, check_schemas=schemas(BROKEN).check)
    assert answer.status == (200 if path == SNOWPLOW else 400)
    assert not answer.data
    broken = [letter for letter in answer.kept if letter.reason == "breaks_schema"]
    assert [letter.schema for letter in broken] == [each.schema for each in answer.results if each.schema]
    assert broken
    spoken = ROUTES.find(tuple(part for part in path.partition("?")[0].split("/") if part))
    assert spoken is not None
    for letter in broken:
        assert (letter.format, letter.detail) == (spoken.format.NAME, "attribution_source: is required")
        assert letter.data
        again = ask("POST", path, letter.data, check_schemas=schemas(BROKEN, "warn").check)
        assert [result.status for result in again.results] == ["ok"]


def test_only_what_breaks_it_is_refused() -> None:
    events = [client_event(event_id="a"), client_event(event_id="b", attribution_source="x")]
    answer = ask("POST", "/v1/events", events, check_schemas=schemas(BROKEN).check)
    assert answer.status == 200
    assert answer.json["results"] == [
        {"status": "invalid", "field": "attribution_source", "reason": "is required", "schema": "own/1"},
        {"status": "ok"},
    ]
    assert json.loads(answer.kept[0].data) == events[0]


def test_what_cannot_be_kept_is_to_be_sent_again() -> None:
    answer = ask(
        "POST", "/v1/events", [client_event()], check_schemas=schemas(BROKEN).check, bucket=failing_bucket()
    )
    assert (answer.status, answer.results[0].status) == (503, "retry")


def test_with_warn_an_event_is_accepted_with_a_note() -> None:
    event = client_event()
    answer = ask("POST", "/v1/events", [event, event], check_schemas=schemas(BROKEN, "warn").check)
    note = {"notes": ["schema own/1: attribution_source: is required"], "schema": "own/1"}
    assert answer.json["results"] == [{"status": "ok", **note}, {"status": "duplicate", **note}]
    assert len(answer.data) == 1
    assert not answer.kept


@pytest.mark.parametrize("strictness", ["warn", "quarantine"])
def test_an_answer_has_room_for_as_many_events_as_a_request_may_hold(strictness: Strictness) -> None:
    name = '"\\é😀語' * 8
    document = {
        "properties": {"properties": {"additionalProperties": {"enum": [name * 9]}}},
    }
    events = [
        {**client_event(event_id=str(n)), "currency": "QQQ", "session_id": "null", "properties": {name: 1}}
        for n in range(EVENTS_MAX)
    ]
    answer = ask("POST", "/v1/events", events, check_schemas=schemas(document, strictness).check)
    assert len(json.dumps(answer.body.decode())) < ANSWER_BYTES_MAX
    told = [result for result in answer.results if any(note.startswith("schema") for note in result.notes)]
    assert len(told) == (SCHEMA_NOTES_MAX if strictness == "warn" else 0)
    assert {result.schema for result in answer.results} == {"own/1"}
