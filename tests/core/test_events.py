"""The canonical event: what is accepted, what is refused, and in which words."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from event_strategies import (
    client_event,
    client_event_dicts,
)
from tapstack.core.client_events import NESTING_MAX, decode_client_event
from tapstack.core.events import (
    EVENT_BYTES_MAX,
    EVENT_TYPES,
    ITEMS_REQUIRED,
    SERVER_SET,
    TYPE_CODE,
    StreamEvent,
    client_bytes_of,
    decode_event,
)
from tapstack.errors import InvalidEvent

UUID7 = "01890a5d-ac96-774b-bcce-b302099a8057"
UUID4 = "919108f7-52d1-4320-9bac-f847db4148a8"


def refused(event: dict[str, Any]) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        decode_client_event(json.dumps(event).encode())
    return caught.value


def item(**fields: Any) -> dict[str, Any]:
    return {"items": [{"item_id": "a"}, {"item_id": "b", **fields}]}


TYPE_EXPECTED = (
    "expected one of page_view, item_view, item_click, item_list_view, search, cart_add, cart_remove, "
    "cart_view, wishlist_add, checkout_start, purchase, refund, rate, share, identify, custom"
)
TIME_EXPECTED = "expected an RFC 3339 time with a zone, such as 2026-03-10T12:00:00Z"
LIMITS: dict[str, tuple[dict[str, Any], str, str]] = {
    "type left out": ({"event_type": None}, "event_type", "is required"),
    "type unknown": ({"event_type": "click"}, "event_type", TYPE_EXPECTED),
    "type with the end of a message in it": ({"event_type": "x - at `$.y`"}, "event_type", TYPE_EXPECTED),
    "type with half the end of one": ({"event_type": "x - at `$.y"}, "event_type", TYPE_EXPECTED),
    "event id empty": ({"event_id": ""}, "event_id", "event_id, or client_id and n, is required"),
    "event id too long": ({"event_id": "e" * 101}, "event_id", "expected at most 100 characters"),
    "event id a number": ({"event_id": 1}, "event_id", "expected a string or null, got a number"),
    "no identity": ({"event_id": None}, "event_id", "event_id, or client_id and n, is required"),
    "n alone": ({"n": 1}, "client_id", "client_id and n come together"),
    "client alone": ({"client_id": UUID7}, "n", "client_id and n come together"),
    "client a UUIDv4": (
        {"client_id": UUID4, "n": 0},
        "client_id",
        "expected a UUIDv7 in lower-case hexadecimal",
    ),
    "client in capitals": (
        {"client_id": UUID7.upper(), "n": 0},
        "client_id",
        "expected a UUIDv7 in lower-case hexadecimal",
    ),
    "client too short": ({"client_id": "x", "n": 0}, "client_id", "expected at least 36 characters"),
    "client too long": ({"client_id": UUID7 + "0", "n": 0}, "client_id", "expected at most 36 characters"),
    "n negative": ({"client_id": UUID7, "n": -1}, "n", "expected a whole number of at least 0"),
    "n beyond exact": (
        {"client_id": UUID7, "n": 2**53},
        "n",
        "expected a whole number of at most 9007199254740991",
    ),
    "n a fraction": ({"client_id": UUID7, "n": 0.5}, "n", "expected a whole number or null, got a fraction"),
    "nobody": ({"user_id": None}, "user_id", "user_id or anonymous_id is required"),
    "user empty": ({"user_id": ""}, "user_id", "user_id or anonymous_id is required"),
    "user too long": ({"user_id": "u" * 257}, "user_id", "expected at most 256 characters"),
    "visitor too long": ({"anonymous_id": "u" * 257}, "anonymous_id", "expected at most 256 characters"),
    "session too long": ({"session_id": "s" * 129}, "session_id", "expected at most 128 characters"),
    "event name too long": ({"event_name": "n" * 201}, "event_name", "expected at most 200 characters"),
    "query too long": ({"query": "q" * 1_001}, "query", "expected at most 1000 characters"),
    "501 items": ({"items": [{"item_id": "a"}] * 501}, "items", "expected at most 500 elements"),
    "no items": ({"items": []}, "items", "item_view needs at least one item"),
    "item without id": ({"items": [{"name": "a"}]}, "items[0].item_id", "is required"),
    "item id empty": (item(item_id=""), "items[1].item_id", "is required"),
    "item id too long": (item(item_id="i" * 257), "items[1].item_id", "expected at most 256 characters"),
    "item's unknown field": (
        item(colour="red"),
        "items[1].colour",
        "unknown field; put what the schema does not name into the event's properties",
    ),
    "quantity negative": (item(quantity=-1), "items[1].quantity", "expected a whole number of at least 0"),
    "quantity too large": (
        item(quantity=1_000_001),
        "items[1].quantity",
        "expected a whole number of at most 1000000",
    ),
    "quantity a fraction": (
        item(quantity=1.5),
        "items[1].quantity",
        "expected a whole number or null, got a fraction",
    ),
    "price a text that spells no number": (
        item(price="9,99"),
        "items[1].price",
        "expected a number or null, got a string",
    ),
    "price too large": (
        item(price=1.1e12),
        "items[1].price",
        "expected a number of at most 1000000000000",
    ),
    "price too large, as a text": (
        item(price="1e400"),
        "items[1].price",
        "expected a number of at most 1000000000000",
    ),
    "value too small": (
        {"value": -1.1e12},
        "value",
        "expected a number of at least -1000000000000",
    ),
    "101 impressions": ({"impressions": ["a"] * 101}, "impressions", "expected at most 100 elements"),
    "recommendation too long": (
        {"recommendation_id": "r" * 65},
        "recommendation_id",
        "expected at most 64 characters",
    ),
    "attribution too long": (
        {"attribution_source": "r" * 1_025},
        "attribution_source",
        "expected at most 1024 characters",
    ),
    "context a list": ({"context": []}, "context", "expected an object or null, got an array"),
    "time without zone": (
        {"occurred_at": "2026-01-01T00:00:00"},
        "occurred_at",
        TIME_EXPECTED,
    ),
    "time no time": ({"occurred_at": "yesterday"}, "occurred_at", TIME_EXPECTED),
    "time a number": (
        {"occurred_at": 1767225600},
        "occurred_at",
        "expected an RFC 3339 time or null, got a number",
    ),
    "time in year 0 by UTC": (
        {"occurred_at": "0001-01-01T00:00:00+00:01"},
        "occurred_at",
        "expected a time from year 1 to 9999 by UTC",
    ),
    "time in year 10000 by UTC": (
        {"occurred_at": "9999-12-31T23:59:59-00:01"},
        "occurred_at",
        "expected a time from year 1 to 9999 by UTC",
    ),
    "unknown field": (
        {"colour": "red"},
        "colour",
        "unknown field; put what the schema does not name into the event's properties",
    ),
    "unknown field with a misleading name": (
        {"required": True},
        "required",
        "unknown field; put what the schema does not name into the event's properties",
    ),
    "unknown field with ticks": (
        {"a`b": True},
        "a`b",
        "unknown field; put what the schema does not name into the event's properties",
    ),
    "unknown field with the end of a message in it": (
        {"a - at `$.b`": True},
        "a - at `$.b`",
        "unknown field; put what the schema does not name into the event's properties",
    ),
    "unknown field of any length, with what JSON and screens escape": (
        {'"\\\n\x00😀é' * 900: True},
        "?????é" * 5 + "??...",
        "unknown field; put what the schema does not name into the event's properties",
    ),
    "unknown field with half the end of one": (
        {"a - at `$.b": True},
        "a - at `$.b",
        "unknown field; put what the schema does not name into the event's properties",
    ),
    "item's unknown field with the end of a message in it": (
        item(**{"a - at `$.b": True}),
        "items[1].a - at `$.b",
        "unknown field; put what the schema does not name into the event's properties",
    ),
    "a purchase beyond counting": (
        {"event_type": "purchase", "items": [{"item_id": "a", "price": 1e12, "quantity": 1_000_000}]},
        "items",
        "expected prices times quantities of at most 1000000000000 in all",
    ),
    "a purchase beyond counting, in small parts": (
        {"event_type": "purchase", "items": [{"item_id": "a", "price": 2e10}] * 51},
        "items",
        "expected prices times quantities of at most 1000000000000 in all",
    ),
}


@pytest.mark.parametrize(("change", "field", "reason"), LIMITS.values(), ids=LIMITS)
def test_what_breaks_a_limit_is_refused_with_its_field_and_reason(
    change: dict[str, Any], field: str, reason: str
) -> None:
    error = refused(client_event(**change))
    assert (error.field, error.reason) == (field, reason)
    assert str(error) == f"{field}: {reason}"


# In units of UTF-16, of which a partition key has 256: an emoji has two.
NAMES: dict[str, tuple[str, bool]] = {
    "256 letters": ("u" * 256, True),
    "256 of two bytes in UTF-8": ("é" * 256, True),
    "256 of three bytes in UTF-8": ("語" * 256, True),
    "128 of two units": ("😀" * 128, True),
    "129 of two units": ("😀" * 129, False),
    "256 of two units": ("😀" * 256, False),
    "254 letters and one of two units": ("u" * 254 + "😀", True),
    "255 letters and one of two units": ("u" * 255 + "😀", False),
}


@pytest.mark.parametrize(("name", "fits"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(
    "fields", [("user_id",), ("anonymous_id",), ("user_id", "anonymous_id")], ids="+".join
)
def test_a_users_name_has_at_most_256_units_of_utf_16(fields: tuple[str, ...], name: str, fits: bool) -> None:
    event = client_event(**{"user_id": None, **dict.fromkeys(fields, name)})
    if fits:
        decode_client_event(json.dumps(event).encode())
    else:
        error = refused(event)
        assert (error.field, error.reason) == (
            "user_id",
            "user_id and anonymous_id have at most 256 UTF-16 units",
        )


WITHIN: dict[str, dict[str, Any]] = {
    "longest ids": {"event_id": "e" * 100, "user_id": "u" * 256, "session_id": "s" * 128},
    "largest n": {"event_id": None, "client_id": UUID7, "n": 2**53 - 1},
    "100 items": {"items": [{"item_id": "i" * 256}] * 100},
    "largest amounts": {"value": 1e12, **item(price=-1e12, quantity=1_000_000, currency="EUR")},
    "largest purchase": {
        "event_type": "purchase",
        "items": [{"item_id": "a", "price": 1e6, "quantity": 1_000_000}],
    },
    "null where a field is optional": {"anonymous_id": None, "context": {}},
    "the first moment": {"occurred_at": "0001-01-01T00:00:00Z"},
    "the last moment": {"occurred_at": "9999-12-31T23:59:59.999999Z"},
    "the first moment by UTC": {"occurred_at": "0001-01-01T00:01:00+00:01"},
    "the last moment by UTC": {"occurred_at": "9999-12-31T23:58:59.999999-00:01"},
    "a local time": {"occurred_at": "2026-01-01T00:00:00+05:30"},
}


@pytest.mark.parametrize("change", WITHIN.values(), ids=WITHIN)
def test_what_stays_within_its_limits_is_accepted(change: dict[str, Any]) -> None:
    decode_client_event(json.dumps(client_event(**change)).encode())


def test_null_counts_as_left_out() -> None:
    text = json.dumps(client_event(user_id="ann") | {"anonymous_id": None, "value": None}).encode()
    assert decode_client_event(text).anonymous_id is None


@pytest.mark.parametrize("field", sorted(SERVER_SET))
def test_what_the_collector_sets_is_refused_from_senders(field: str) -> None:
    error = refused(client_event(**{field: "x"}))
    assert (error.field, error.reason) == (field, "is set by the collector and not accepted from senders")


@pytest.mark.parametrize("field", ["received_at", "sent_at", "schema"])
def test_a_server_set_name_inside_an_item_is_merely_unknown(field: str) -> None:
    error = refused(client_event(**item(**{field: "x"})))
    assert error.field == f"items[1].{field}"
    assert error.reason.startswith("unknown field")


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_only_types_that_are_about_items_need_them(event_type: str) -> None:
    event = client_event(event_type=event_type, items=None)
    if event_type in ITEMS_REQUIRED:
        assert refused(event).reason == f"{event_type} needs at least one item"
    else:
        decode_client_event(json.dumps(event).encode())


def test_type_codes_are_what_rows_already_store() -> None:
    # Appending is fine; any other change of this list would give stored counters another meaning.
    assert list(TYPE_CODE)[:16] == [
        "page_view", "item_view", "item_click", "item_list_view", "search", "cart_add", "cart_remove",
        "cart_view", "wishlist_add", "checkout_start", "purchase", "refund", "rate", "share", "identify",
        "custom",
    ]  # fmt: skip
    assert list(TYPE_CODE.values()) == list(range(len(EVENT_TYPES)))


def test_an_event_may_have_exactly_the_largest_size() -> None:
    empty = json.dumps(client_event(properties={"pad": ""})).encode()
    full = json.dumps(client_event(properties={"pad": "x" * (EVENT_BYTES_MAX - len(empty))})).encode()
    assert len(full) == EVENT_BYTES_MAX
    decode_client_event(full)
    with pytest.raises(InvalidEvent, match=r"^expected at most 32768 bytes, got 32769$"):
        decode_client_event(full + b" ")


@pytest.mark.parametrize("depth", [1, NESTING_MAX - 2, NESTING_MAX - 1, 200, 990, 5_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_nesting_is_limited_by_its_depth_not_by_the_stack_of_the_moment(
    depth: int, left: str, right: str
) -> None:
    nested = left * depth + "1" + right * depth
    event = json.dumps(client_event(properties={"a": 0})).replace('"a": 0', f'"a": {nested}').encode()
    if depth + 2 <= NESTING_MAX:
        decode_client_event(event)
    else:
        with pytest.raises(InvalidEvent, match=r"nesting|bytes"):
            decode_client_event(event)


def test_many_values_beside_each_other_are_no_nesting() -> None:
    beside: dict[str, Any] = {"a": [[]] * 200, "b": [{}] * 200}
    event = decode_client_event(json.dumps(client_event(properties=beside)).encode())
    assert event.properties == beside


def test_brackets_inside_texts_are_no_nesting() -> None:
    tricky = ["[" * 100, '"{' * 50, "\\" + "[" * 70, '\\"[[[' * 30]
    event = decode_client_event(json.dumps(client_event(properties={"a": tricky})).encode())
    assert event.properties == {"a": tricky}


@given(client_event_dicts())
def test_what_a_sender_says_is_kept_word_for_word(said: dict[str, Any]) -> None:
    event = decode_client_event(msgspec.json.encode(said))
    kept = msgspec.json.decode(msgspec.json.encode(event))
    for name, value in said.items():
        if name == "occurred_at":
            assert datetime.fromisoformat(kept[name]) == datetime.fromisoformat(value)
        else:
            assert kept[name] == value


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"event_type":"page_view","event_id":"e","user_id":"\\ud800"}')
@example(b'{"event_type":"page_view","event_id":"e","user_id":"u","value":1e999}')
@example(b'{"event_type":"page_view","event_id":"e","user_id":"u","\xff":1}')
@example(b'{"event_type":"page_view","event_id":"e","user_id":"u","n":' + b"9" * 5_000 + b"}")
@pytest.mark.parametrize("decode", [decode_client_event, decode_event])
def test_bytes_are_an_event_or_invalid_and_nothing_else(decode: Any, data: bytes) -> None:
    with suppress(InvalidEvent):
        decode(data)


@st.composite
def spoilt_events(draw: st.DrawFn) -> bytes:
    """A valid event with one value replaced by any other, or with bytes knocked out of it."""
    event = draw(client_event_dicts())
    names = [*StreamEvent.__struct_fields__, "x"]
    event[draw(st.sampled_from(names))] = draw(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        )
    )
    text = json.dumps(event).encode()  # escapes lone surrogates, as some senders do
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        return text[:at] + draw(st.binary(max_size=3)) + text[at + draw(st.integers(0, 5)) :]
    return text


def fault_of(data: bytes) -> InvalidEvent | None:
    try:
        decode_client_event(data)
    except InvalidEvent as error:
        return error
    return None


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ('"value":1e999', "value"),
        ('"properties":{"a":{"b":[1,{"c":1e999}]}}', "properties[...][...][1][...]"),
        ('"traits":{"a":1e999}', "traits[...]"),
        ('"items":[{"item_id":"a"},{"item_id":"b","price":1e999}]', "items[1].price"),
    ],
)
def test_a_number_out_of_range_is_found_wherever_it_is(said: str, field: str) -> None:
    data = f'{{"event_type":"page_view","event_id":"e","user_id":"u",{said}}}'
    error = fault_of(data.encode())
    assert error is not None
    assert (error.field, error.reason) == (field, "expected a number that 64 bits hold")


SECRET = "hunter2"
HIDDEN = st.sampled_from(
    [
        SECRET,
        f"{SECRET} - at `$.x",
        f"{SECRET} - at `$.x`",
        f"x` - at `$.{SECRET}",
        f"x' - at `$.event_type` {SECRET}",
        f"- at `$.{SECRET}`\n",
        SECRET * 60,
    ]
)


@given(client_event_dicts(), st.data())
def test_no_reason_holds_what_the_sender_wrote(said: dict[str, Any], data: st.DataObject) -> None:
    secret = data.draw(HIDDEN)
    values: list[Any] = [secret, [secret], {secret: secret}, [{"item_id": secret, "price": secret}]]
    values.append([{"item_id": secret, "currency": secret}])
    fields = sorted(type(decode_client_event(msgspec.json.encode(client_event()))).__struct_fields__)
    said[data.draw(st.sampled_from([*fields, "x"]))] = data.draw(st.sampled_from(values))
    error = fault_of(msgspec.json.encode(said))
    if error is not None:
        assert SECRET not in error.reason
        assert SECRET not in error.field or "unknown field" in error.reason


@given(spoilt_events())
@pytest.mark.parametrize("decode", [decode_client_event, decode_event])
def test_a_spoilt_event_is_an_event_or_invalid_and_nothing_else(decode: Any, data: bytes) -> None:
    with suppress(InvalidEvent):
        decode(data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UUID7, True),
        (UUID4, False),
        (UUID7.upper(), False),
        (UUID7.replace("-", ""), False),
        (UUID7 + "\n", False),
        (UUID7.replace("-b", "-c"), False),  # the variant bits
        ("", False),
    ],
)
def test_only_a_spelled_out_lower_case_uuid7_is_one(text: str, expected: bool) -> None:
    assert (client_bytes_of[text] is not None) is expected
