"""What counts as left out, what is read as meant, and what is refused in words of JSON."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import client_event, client_event_dicts
from tapstack.core.client_events import NOTES_MAX, decode_client_event, read_client_event, read_client_object
from tapstack.core.currencies import CURRENCIES
from tapstack.core.events import SERVER_SET, ClientEvent, Item
from tapstack.core.normalisation import PLACEHOLDERS
from tapstack.errors import InvalidEvent

EVENT_FIELDS = ClientEvent.__struct_fields__
ITEM_FIELDS = Item.__struct_fields__
IDS = ("event_id", "client_id", "user_id", "anonymous_id", "session_id", "recommendation_id")
ITEM_IDS = ("item_id", "list_id")
UUID7 = "01890a5d-ac96-774b-bcce-b302099a8057"


def read(event: dict[str, Any]) -> ClientEvent:
    return decode_client_event(json.dumps(event).encode())


def refused(event: dict[str, Any]) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        read(event)
    return caught.value


def item(**fields: Any) -> dict[str, Any]:
    return client_event(items=[{"item_id": "a", **fields}])


# What counts as left out.

ABSENT = st.sampled_from(["null", "blank"])
BLANKS = st.sampled_from(["", " ", "\t\r\n", "\u00a0", "\u200b", "\ufeff", "\x00", " \x00\ufeff"])


@given(client_event_dicts(), st.data())
def test_null_is_left_out_at_every_level_of_the_schema(said: dict[str, Any], data: st.DataObject) -> None:
    nulls = dict(said)
    for name in data.draw(st.sets(st.sampled_from([*EVENT_FIELDS, *SERVER_SET, "anything"]))):
        nulls.setdefault(name, None)
    if "items" in said:
        nulls["items"] = [dict(each) for each in said["items"]]
        for each in nulls["items"]:
            for name in data.draw(st.sets(st.sampled_from([*ITEM_FIELDS, "anything"]))):
                each.setdefault(name, None)
        nulls["items"].insert(data.draw(st.integers(0, len(said["items"]))), None)
    assert read(nulls) == read(said)


@given(client_event_dicts(), st.data())
def test_a_blank_id_is_left_out(said: dict[str, Any], data: st.DataObject) -> None:
    blank = dict(said)
    for name in data.draw(st.sets(st.sampled_from([*IDS, "currency", "value", "n", "occurred_at"]))):
        blank.setdefault(name, data.draw(BLANKS if name in IDS else st.sampled_from(["", " "])))
    blank["impressions"] = data.draw(st.lists(BLANKS, max_size=3))
    assert read(blank) == read(said)


@pytest.mark.parametrize("field", EVENT_FIELDS)
def test_null_in_a_field_that_is_needed_says_so(field: str) -> None:
    event = client_event(client_id=UUID7, n=1, event_id=None, user_id="ann")
    needed = {"event_type": "is required", "client_id": "client_id and n come together"}
    needed |= {"n": "client_id and n come together", "user_id": "user_id or anonymous_id is required"}
    needed |= {"items": "item_view needs at least one item"}
    if field in needed:
        assert (refused({**event, field: None}).field, refused({**event, field: None}).reason) == (
            field,
            needed[field],
        )
    else:
        read({**event, field: None})


@pytest.mark.parametrize("placeholder", sorted(PLACEHOLDERS))
def test_a_placeholder_is_nobody(placeholder: str) -> None:
    event = client_event(user_id=placeholder, anonymous_id="visitor")
    assert (read(event).user_id, read(event).anonymous_id) == (None, "visitor")
    assert refused(client_event(user_id=placeholder)).reason == (
        "user_id or anonymous_id is required; user_id: a placeholder is no id and counts as left out"
    )
    assert refused(client_event(event_id=placeholder)).field == "event_id"
    assert refused(item(item_id=placeholder)).reason.startswith("is required; items[].item_id: a placeholder")
    assert read(client_event(session_id=placeholder)).session_id is None


@pytest.mark.parametrize(
    "name", ["Nan", "Null", "NIL", "undefined ", "none", "0", "false", " ann ", "Zoë", "👩‍🚀"]
)
def test_an_id_that_is_none_of_them_is_kept_as_it_is(name: str) -> None:
    assert read(client_event(user_id=name)).user_id == name


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\n", "\x7f", "\x85", "\ufeff"], ids=ascii)
@pytest.mark.parametrize("place", ["{}ann", "an{}n", "ann{}"])
def test_an_id_holds_no_control_character_and_no_byte_order_mark(character: str, place: str) -> None:
    name = place.format(character)
    events = [
        (client_event(anonymous_id="visitor") | {field: name}, field) for field in IDS if field != "client_id"
    ]
    events += [(item(**{field: name}), f"items[0].{field}") for field in ITEM_IDS]
    events.append((client_event(impressions=["a", name]), "impressions[1]"))
    for event, field in events:
        assert (refused(event).field, refused(event).reason) == (
            field,
            "expected an id without control characters and byte order marks",
        )


# What is read as meant.

NUMBERS: dict[str, tuple[object, float]] = {
    "a number": (9.9, 9.9),
    "a text": ("9.90", 9.9),
    "a whole number as a text": ("2", 2),
    "a text with spaces": (" 2.0 ", 2),
    "a negative one": ("-0.5", -0.5),
    "an exponent": ("1.5e3", 1_500),
    "rials": ("1590000000", 1_590_000_000),
}
WHOLE: dict[str, tuple[object, int]] = {
    "a whole number": (2, 2),
    "a float": (2.0, 2),
    "a text": ("2", 2),
    "a float as a text": ("2.0", 2),
    "an exponent": ("2e3", 2_000),
}
NO_NUMBERS = [
    "9,90",
    "1 000",
    "1_000",
    "+5",
    ".5",
    "5.",
    "0x10",
    "NaN",
    "Infinity",
    "€5",
    "12abc",
    "٣",
    "--1",
    "1e",
]


@pytest.mark.parametrize(("said", "meant"), NUMBERS.values(), ids=NUMBERS)
def test_a_number_is_read_from_a_text_that_spells_it(said: object, meant: float) -> None:
    assert read(client_event(value=said)).value == meant
    assert read(item(price=said)).items[0].price == meant


@pytest.mark.parametrize(("said", "meant"), WHOLE.values(), ids=WHOLE)
def test_a_whole_number_is_read_from_a_float_or_a_text(said: object, meant: int) -> None:
    found = read(item(quantity=said, position=said) | {"client_id": UUID7, "n": said})
    assert (found.n, found.items[0].quantity, found.items[0].position) == (meant, meant, meant)
    assert b'"quantity":%d,' % meant in msgspec.json.encode(found)


def test_a_counter_keeps_all_its_digits_as_a_text() -> None:
    assert read(client_event(client_id=UUID7, n=str(2**53 - 1))).n == 2**53 - 1


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("field", ["price", "quantity", "position"])
def test_a_text_that_spells_no_number_plainly_is_refused(text: str, field: str) -> None:
    error = refused(item(**{field: text}))
    kind = "a number" if field == "price" else "a whole number"
    assert (error.field, error.reason) == (f"items[0].{field}", f"expected {kind} or null, got a string")


CURRENCY: dict[str, tuple[str, str | None]] = {
    "as it is": ("EUR", "EUR"),
    "in small letters": ("eur", "EUR"),
    "with spaces": (" Usd\n", "USD"),
    "none": ("XXX", "XXX"),
    "blank": (" ", None),
    "three letters that are none": ("ABC", "XXX"),
    "a sign": ("€", "XXX"),
    "a coin": ("USDT", "XXX"),
    "a number": ("978", "XXX"),
    "a placeholder": ("undefined", "XXX"),
}


@pytest.mark.parametrize(("said", "meant"), CURRENCY.values(), ids=CURRENCY)
def test_a_currency_exists_or_is_none(said: str, meant: str | None) -> None:
    outside = read_client_event(json.dumps(client_event(currency=said, value=1)).encode())
    assert outside.event.currency == meant
    assert outside.notes == (("currency: not in ISO 4217, counted as XXX",) if meant == "XXX" != said else ())
    inside = read_client_event(json.dumps(item(currency=said)).encode())
    note = "items[].currency: not in ISO 4217, counted as XXX"
    assert inside.event.items[0].currency == meant
    assert inside.notes == ((note,) if meant == "XXX" != said else ())


@given(st.text(max_size=5))
def test_no_sender_brings_a_currency_that_does_not_exist(said: str) -> None:
    found = read(client_event(currency=said) | item(currency=said))
    assert {found.currency, found.items[0].currency} <= CURRENCIES | {None}


def test_currencies_are_those_of_iso_4217() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert {"EUR", "IRR", "VND", "ZWG", "XCG", "XXX", "BGN"} <= CURRENCIES
    assert CURRENCIES.isdisjoint({"XTS", "ABC", "BTC", "DEM"})


# What is not read.

WRONG: dict[str, tuple[object, str]] = {
    "a string": ("x", "a string"),
    "a number": (5, "a number"),
    "a fraction": (2.5, "a number"),
    "a boolean": (True, "a boolean"),
    "an array": ([1], "an array"),
    "an object": ({"a": 1}, "an object"),
}
STRINGS = (
    *IDS, "event_type", "event_name", "query", "attribution_source", "currency",
    "items[0].item_id", "items[0].list_id", "items[0].name", "items[0].category", "items[0].brand",
    "items[0].variant", "items[0].currency", "impressions[0]",
)  # fmt: skip
REQUIRED = ("event_type", "items[0].item_id", "impressions[0]")
OBJECTS = ("context", "consent", "properties", "traits")
KINDS: dict[str, tuple[str, set[str]]] = {  # field -> what it expects, and what is right there
    **{name: ("a string" if name in REQUIRED else "a string or null", {"a string"}) for name in STRINGS},
    **{name: ("an object or null", {"an object"}) for name in OBJECTS},
    "value": ("a number or null", {"a number", "a fraction"}),
    "items[0].price": ("a number or null", {"a number", "a fraction"}),
    "n": ("a whole number or null", {"a number", "a fraction"}),
    "items[0].quantity": ("a whole number or null", {"a number", "a fraction"}),
    "items[0].position": ("a whole number or null", {"a number", "a fraction"}),
    "items": ("an array", {"an array"}),
    "items[0]": ("an object", {"an object"}),
    "impressions": ("an array", {"an array"}),
    "occurred_at": ("an RFC 3339 time or null", {"a string"}),
}


def with_value(field: str, value: object) -> dict[str, Any]:
    head, _, tail = field.partition(".")
    if tail:
        return item(**{tail: value})
    return client_event(**{head.removesuffix("[0]"): [value] if head.endswith("[0]") else value})


@pytest.mark.parametrize(("field", "kind"), list(product(KINDS, WRONG)))
def test_a_value_of_another_kind_is_refused_in_words_of_json(field: str, kind: str) -> None:
    expected, right = KINDS[field]
    value, got = WRONG[kind]
    if kind not in right:
        error = refused(with_value(field, value))
        assert (error.field, error.reason) == (field, f"expected {expected}, got {got}")


def test_every_field_is_in_the_table() -> None:
    fields = {*EVENT_FIELDS, *(f"items[0].{name}" for name in ITEM_FIELDS), "items[0]", "impressions[0]"}
    assert fields == KINDS.keys()


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.lists(st.integers(), max_size=101) | st.dictionaries(st.text(), st.text())
)  # fmt: skip


@given(client_event_dicts(), st.sampled_from([*KINDS, "x"]), VALUES)
def test_no_reason_speaks_of_types_or_patterns(said: dict[str, Any], field: str, value: object) -> None:
    try:
        read(said | with_value(field, value))
    except InvalidEvent as error:
        reason = error.reason
    else:
        reason = ""
    assert "`" not in reason
    assert {"regex", "str", "int", "float", "datetime", "struct"}.isdisjoint(reason.split())


# Notes.

LONG = "x" * 65
TRAITS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "as kept": ({"a": "x" * 64, "b": 1, "c": 2.5, "d": True, "e" * 64: "", "f": None}, []),
    "a long value": ({"a": LONG}, ["traits: names and values are cut to 64 characters"]),
    "a long name": ({LONG: 1}, ["traits: names and values are cut to 64 characters"]),
    "an object": ({"address": {"city": "x"}}, ["traits: objects and arrays are not kept"]),
    "many": ({f"t{n}": n for n in range(30)}, ["traits: a user keeps 16, here are 30"]),
    "all of it": (
        {f"t{n}": LONG for n in range(30)} | {"a": []},
        [
            "traits: objects and arrays are not kept",
            "traits: a user keeps 16, here are 30",
            "traits: names and values are cut to 64 characters",
        ],
    ),
}


@pytest.mark.parametrize(("traits", "notes"), TRAITS.values(), ids=TRAITS)
def test_a_note_says_what_of_traits_is_not_kept(traits: dict[str, Any], notes: list[str]) -> None:
    event = client_event(traits=traits)
    said = read_client_event(json.dumps(event).encode())
    assert said.event.traits == traits
    assert list(said.notes) == notes
    assert read_client_object(event) == said


def test_an_event_has_a_few_notes_at_most() -> None:
    event = client_event(
        currency="ABC", session_id="null", traits={LONG: 1, "a": [], **{f"t{n}": n for n in range(20)}}
    )
    said = read_client_event(json.dumps(event).encode())
    assert len(said.notes) == NOTES_MAX
    assert read_client_object(event) == said


@given(client_event_dicts())
def test_an_event_in_our_spelling_has_no_notes(said: dict[str, Any]) -> None:
    said.pop("traits", None)
    assert read_client_event(json.dumps(said).encode()).notes == ()
