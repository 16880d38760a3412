"""From other senders' words to ours: names, times, JSON as programs write it, ids, what does not fit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import JSON_VALUES, NOON
from tapstack.collector.intake import Result, Translated
from tapstack.collector.translation import names, times
from tapstack.collector.translation.event import MADE_UP, translate
from tapstack.collector.translation.reading import from_base64, read_json, read_object
from tapstack.collector.translation.replies import GIF, accepted, gif_reply, json_reply
from tapstack.core.events import EVENT_BYTES_MAX, EVENT_TYPES, ITEMS_MAX
from tapstack.errors import InvalidEvent

SPELLINGS = {
    "Product Viewed": "item_view", "product_viewed": "item_view", "productViewed": "item_view",
    "PRODUCT VIEWED": "item_view", " Product  Viewed ": "item_view", "AddToCart": "cart_add",
    "add-to-cart": "cart_add", "view_item": "item_view", "Purchase": "purchase", "$pageview": "page_view",
    "Viewed Product": "item_view", "Product Viewed Twice": "custom", "": "custom", "x" * 100_000: "custom",
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), SPELLINGS.items(), ids=lambda text: text[:20])
def test_a_name_is_known_in_any_spelling(name: str, kind: str) -> None:
    assert names.event_type(name) == kind


def test_our_own_names_are_known_and_each_name_is_folded() -> None:
    assert all(names.event_type(kind) == kind for kind in EVENT_TYPES)
    for vocabulary in (names.SEGMENT, names.GOOGLE, names.PERSONALIZE, names.POSTHOG):
        for name, kind in vocabulary.items():
            assert names.folded(name) == name
            assert kind in EVENT_TYPES


ISO = {
    "2026-03-10T12:00:00Z": NOON, "2026-03-10T12:00:00.000+00:00": NOON, "2026-03-10T13:00:00+01:00": NOON,
    "2026-03-10 12:00:00": NOON, "20260310T120000Z": NOON, "2026-03-10": NOON - timedelta(hours=12),
    "noon": None, "": None, "1773144000": None, "2026-03-10T25:00:00Z": None,
}  # fmt: skip
EPOCH = [
    (1_773_144_000, 1, NOON), ("1773144000", 1, NOON), (1_773_144_000.0, 1, NOON), ("1773144000.0", 1, NOON),
    ("1773144000000", 1_000, NOON), (1_773_144_000_000_000, 1_000_000, NOON),
    (True, 1, None), ("now", 1, None), (10**30, 1, None), (float("inf"), 1, None), (float("nan"), 1, None),
    ("9" * 18, 1, None), (None, 1, None), ([], 1, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "moment"), ISO.items())
def test_a_time_in_iso_8601_is_read(text: str, moment: datetime | None) -> None:
    assert times.iso(text) == moment


@pytest.mark.parametrize(("value", "per_second", "moment"), EPOCH, ids=str)
def test_a_time_in_numbers_is_read(value: object, per_second: int, moment: datetime | None) -> None:
    assert times.epoch(value, per_second) == moment


@given(JSON_VALUES)
def test_whatever_stands_for_a_time_is_a_time_or_none(value: object) -> None:
    for moment in (times.iso(value), *(times.epoch(value, unit) for unit in (1, 1_000, 1_000_000))):
        assert moment is None or moment.tzinfo is not None


LENIENT = {
    "half an emoji": (rb'{"a": "\ud83d"}', {"a": "\ufffd"}),
    "its other half": (rb'{"a": "x\uDE00x"}', {"a": "x\ufffdx"}),
    "a whole one beside": (rb'{"a": "\ud83d\ude00\ud83d"}', {"a": "😀\ufffd"}),
    "an escaped backslash before": (rb'{"a": "\\ud83d", "b": "\ud83d"}', {"a": r"\ud83d", "b": "\ufffd"}),
    "no numbers": (b'{"a": [NaN, Infinity, -Infinity], "b": "NaN"}', {"a": [None] * 3, "b": "NaN"}),
    "no UTF-8": (b'{"a": "\xff"}', {"a": "\ufffd"}),
    "a byte order mark": (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
}


@pytest.mark.parametrize(("text", "value"), LENIENT.values(), ids=LENIENT)
def test_json_as_programs_write_it_is_read(text: bytes, value: object) -> None:
    assert read_object(text) == value


NO_JSON = {
    "nothing": (b"", "expected JSON: it ends too early"),
    "no object": (b"[1]", "expected a JSON object"),
    "cut off": (b'{"a": ', "expected JSON: it ends too early"),
    "a word": (b'{"a": undefined}', "expected JSON: invalid character"),
    "a number of 400 digits": (b'{"a": 1e400}', "expected numbers that 64 bits hold"),
    "nested too deep": (b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", "expected at most 64 levels of nesting"),
    "nested without end": (b"[" * 100_000, "expected at most 64 levels of nesting"),
}


@pytest.mark.parametrize(("text", "reason"), NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_object_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        read_object(text)
    assert caught.value.reason == reason


@given(st.binary(max_size=80) | st.text(alphabet='\\"ud83e09NaInfity-[]{}:, ', max_size=60).map(str.encode))
def test_any_text_is_json_or_refused(text: bytes) -> None:
    for kind in (dict[str, Any], list[Any]):
        try:
            read_json(text, kind)
        except InvalidEvent as error:
            assert error.reason  # noqa: PT017 - either outcome is right


@given(st.binary(max_size=40), st.sampled_from(["", "="]), st.booleans())
def test_base64_is_read_in_both_alphabets_with_and_without_padding(
    data: bytes, padding: str, url: bool
) -> None:
    import base64

    text = (base64.urlsafe_b64encode if url else base64.b64encode)(data).decode()
    assert from_base64(text.rstrip("=") + padding) == data


def test_what_is_no_base64_is_refused() -> None:
    for text in ("%", "a", "é"):
        with pytest.raises(InvalidEvent):
            from_base64(text)


def translated(**event: Any) -> Translated | InvalidEvent:
    given = {"event_type": "page_view", "user_id": "ann", **event}
    return translate(given, protocol="test", bytes_said=10)


def taken(**event: Any) -> Translated:
    found = translated(**event)
    assert isinstance(found, Translated)
    return found


AT = "2026-03-10T12:00:00Z"


@given(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3))
def test_an_event_with_a_time_has_an_id_of_what_it_says(properties: dict[str, Any]) -> None:
    first = taken(occurred_at=AT, properties={**properties}).said
    again = taken(properties={**properties}, occurred_at=AT).said
    assert first.event.event_id == again.event.event_id
    others = [
        taken(occurred_at=AT, properties={**properties, "other": 1}),
        taken(occurred_at="2026-03-10T12:00:01Z", properties={**properties}),
        taken(occurred_at=AT, properties={**properties}, user_id="bob"),
    ]
    ids = {each.said.event.event_id for each in others}
    assert len(ids | {first.event.event_id}) == 4


@pytest.mark.parametrize(
    "sent", [("2026-03-10T12:00:01Z", "2026-03-10T12:00:02Z"), ("soon", "later"), (1, [2])]
)
def test_when_an_event_was_sent_is_not_part_of_its_id(sent: tuple[object, object]) -> None:
    ids = set()
    for sent_at in sent:
        given = {"event_type": "page_view", "user_id": "ann", "occurred_at": AT}
        found = translate(given, protocol="test", bytes_said=10, sent_at=sent_at)
        assert isinstance(found, Translated)
        ids.add(found.said.event.event_id)
    assert len(ids) == 1


@pytest.mark.parametrize("event_id", [None, "", " ", "null", "undefined", [], 1.5])
def test_two_events_without_id_and_time_are_two_events(event_id: object) -> None:
    first, second = (taken(event_id=event_id).said for _ in range(2))
    assert first.event.event_id != second.event.event_id
    assert first.notes == (MADE_UP,)


def test_an_id_that_is_too_long_is_shortened_to_the_same() -> None:
    first, again, other = (taken(event_id="x" * 200 + end).said.event.event_id for end in ("a", "a", "b"))
    assert first == again != other
    assert taken(event_id="x" * 100).said.event.event_id == "x" * 100
    assert taken(event_id=7).said.event.event_id == "7"


def test_a_time_that_cannot_be_read_is_kept_and_said() -> None:
    found = taken(occurred_at="noon", event_id="e").said
    assert found.event.occurred_at is None
    assert found.event.properties == {"unread": {"occurred_at": "noon"}}
    assert found.notes == ("occurred_at: no time that can be read; kept in properties.unread",)


UNFIT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a name": ({"event_name": "x" * 201}, {"event_name": "x" * 201}),
    "a value": ({"value": "9,90"}, {"value": "9,90"}),
    "a session": ({"session_id": {"id": 1}}, {"session_id": {"id": 1}}),
    "an anonymous id": ({"anonymous_id": "a\x00b"}, {"anonymous_id": "a\x00b"}),
    "items": ({"items": "mug"}, {"items": "mug"}),
    "some items": (
        {"items": ["mug", {"item_id": ""}, {"item_id": "lamp"}]},
        {"items[0]": "mug", "items[1]": {"item_id": ""}},
    ),
    "an item's price": ({"items": [{"item_id": "mug", "price": [1]}]}, {"items[0].price": [1]}),
    "context": ({"context": "web"}, {"context": "web"}),
    "traits": ({"traits": ["a"]}, {"traits": ["a"]}),
    "a user beside an anonymous id": ({"user_id": "x" * 300, "anonymous_id": "a"}, {"user_id": "x" * 300}),
}  # fmt: skip


@pytest.mark.parametrize(("event", "unread"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_its_field_is_kept_and_the_event_is_counted(
    event: dict[str, Any], unread: dict[str, Any]
) -> None:
    found = taken(event_id="e", **event).said
    assert found.event.properties is not None
    assert found.event.properties["unread"] == unread
    assert any(note.endswith("kept in properties.unread") for note in found.notes)


def test_properties_that_are_no_object_are_kept() -> None:
    assert taken(event_id="e", properties="text").said.event.properties == {"unread": {"properties": "text"}}


NOBODY = "user_id or anonymous_id is required"
REFUSED = {
    "nobody's": ({"user_id": None}, "user_id", NOBODY),
    "of a placeholder": (
        {"user_id": "undefined"}, "user_id",
        f"{NOBODY}; user_id: a placeholder is no id and counts as left out",
    ),
    "of a user who is too long": ({"user_id": "x" * 257}, "user_id", "expected at most 256 characters"),
    "of a user who is a fraction": (
        {"user_id": 7.5}, "user_id", "expected a string or null, got a number",
    ),
    "of a visitor with a line break": (
        {"user_id": None, "anonymous_id": "a\n"}, "anonymous_id",
        "expected an id without control characters and byte order marks",
    ),
    "with too many items": (
        {"items": [{"item_id": "a"}] * (ITEMS_MAX + 1)}, "items", f"expected at most {ITEMS_MAX} elements",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("event", "field", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_event_is_refused(event: dict[str, Any], field: str, reason: str) -> None:
    found = translated(event_id="e", **event)
    assert isinstance(found, InvalidEvent)
    assert (found.field, found.reason) == (field, reason)


def test_a_visitor_is_enough_beside_a_user_who_does_not_fit() -> None:
    event = taken(event_id="e", user_id="x" * 257, anonymous_id="a").said.event
    assert (event.user_id, event.anonymous_id) == (None, "a")


def test_an_id_that_was_no_utf_8_is_taken_and_named() -> None:
    found = taken(event_id="e", user_id="J\ufffdrgen", session_id="s").said
    assert (found.event.user_id, len(found.notes)) == ("J\ufffdrgen", 1)
    assert found.notes[0].startswith("user_id: it holds U+FFFD")


def test_an_event_that_is_too_large_is_refused_before_anything_is_computed() -> None:
    found = translate({}, protocol="test", bytes_said=EVENT_BYTES_MAX + 1)
    assert isinstance(found, InvalidEvent)


OK, INVALID, RETRY = Result("ok"), Result("invalid", "user_id", "is required"), Result("retry")
ANSWERS: dict[str, tuple[list[Result], int, int, int]] = {
    "nothing": ([], 200, 200, 200),
    "all stored": ([OK, OK], 200, 200, 200),
    "some refused": ([OK, INVALID], 200, 200, 200),
    "all refused": ([INVALID, INVALID], 400, 200, 200),
    "some to be sent again": ([OK, INVALID, RETRY], 503, 503, 503),
}


@pytest.mark.parametrize(("results", "in_json", "always", "pixel"), ANSWERS.values(), ids=ANSWERS)
def test_a_compatible_answer(results: list[Result], in_json: int, always: int, pixel: int) -> None:
    answer = json_reply(results, {"success": True})
    assert answer.status == in_json
    assert (b'"success":true' in answer.body) == (in_json == 200)
    assert accepted(results, {}).status == always
    image = gif_reply(results)
    assert image.status == pixel
    assert (image.body == GIF) == (pixel == 200)


def test_a_moment_is_kept_as_it_is() -> None:
    assert times.iso(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC)
