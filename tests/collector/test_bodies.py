"""Splitting a request's body into events, without looking inside them."""

from __future__ import annotations

import gzip

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import BAD_VALUES, JSON_VALUES, broken_events
from tapstack.collector.bodies import EVENTS_MAX, NO_BATCH, split
from tapstack.errors import InvalidEvent


@given(st.lists(JSON_VALUES, min_size=1, max_size=5), st.sampled_from([b"", b" ", b"\r\n\t "]))
def test_an_array_is_split_into_its_values(values: list[object], space: bytes) -> None:
    parts = split(space + msgspec.json.encode(values) + space)
    assert [msgspec.json.decode(bytes(part)) for part in parts] == msgspec.json.decode(
        msgspec.json.encode(values)
    )


@given(st.lists(JSON_VALUES, max_size=4), st.lists(JSON_VALUES, max_size=4), broken_events())
def test_an_event_that_is_no_json_is_split_off_and_the_others_are_as_they_were(
    before: list[object], after: list[object], broken: bytes
) -> None:
    parts = [*map(msgspec.json.encode, before), broken, *map(msgspec.json.encode, after)]
    assert [bytes(part) for part in split(b" [ " + b" ,\n".join(parts) + b" ] ")] == parts


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_one_object_that_is_no_json_is_an_event_too(value: bytes) -> None:
    assert [bytes(part) for part in split(b' {"a": ' + value + b"} ")] == [b'{"a": ' + value + b"}"]


def test_one_object_is_a_batch_of_one() -> None:
    assert [bytes(part) for part in split(b' {"a": [1]} ')] == [b'{"a": [1]}']


def at(line: int, column: int, byte: int, what: str) -> str:
    return f"{NO_BATCH}; line {line}, column {column} (byte {byte}): {what}"


EARLY = "it ends too early"
NO_CHARACTER = "invalid character"
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", f"{NO_BATCH}; the body is empty"),
    "only space": (b" \n", f"{NO_BATCH}; the body is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf\r\n", f"{NO_BATCH}; the body is empty"),
    "a form": (b"event_type=page_view&user_id=u", f"{NO_BATCH}; the body looks like a form (name=value)"),
    "a form that holds JSON": (b"data=%7B%7D", f"{NO_BATCH}; the body looks like a form (name=value)"),
    "compressed twice": (
        gzip.compress(b"{}"),
        f"{NO_BATCH}; the body is compressed once more than Content-Encoding says",
    ),
    "UTF-16": ('[{"a": 1}]'.encode("utf-16"), f"{NO_BATCH}; the body is UTF-16, not UTF-8"),
    "cut off": (b'[{"a": 1}', at(1, 10, 9, EARLY)),
    "cut off in the third line": (b'[\n{"a": 1},\n{"b": "\xc3\xa9\xc3\xa9"', at(3, 11, 24, EARLY)),
    "two values": (b"{} []", at(1, 5, 4, "trailing characters")),
    "not JSON": (b"<xml/>", at(1, 1, 0, NO_CHARACTER)),
    "not JSON, after space and a byte order mark": (b"\xef\xbb\xbf\n <xml/>", at(2, 2, 5, NO_CHARACTER)),
    "lines, none of them an object": (b"a\nb", at(1, 1, 0, NO_CHARACTER)),
    "nested without end": (b"[" * 100_000, f"{NO_BATCH}; it is nested too deep"),
    "nested and cut off": (b'{"a":' * 20_000 + b"1" + b"}" * 19_999, f"{NO_BATCH}; it is nested too deep"),
    "no number": (b"NaN", at(1, 1, 0, NO_CHARACTER)),
    "half an emoji": (rb'"\ud83d"', at(1, 2, 1, "half of a surrogate pair (an emoji that was cut)")),
    "cut off in a string": (b'[{"a": 1}, {"b": "', at(1, 19, 18, EARLY)),
    "cut off in an escape": (b'[{"a": 1}, {"b": "\\', at(1, 20, 19, EARLY)),
    "a string that ends nowhere": (b'[{"a": 1}, {"b": "}]', at(1, 21, 20, EARLY)),
    "quotes without end": (b'["' + b'\\"' * 400_000, at(1, 800_003, 800_002, EARLY)),
    "a comma too many": (b'[{"a": 1},]', at(1, 11, 10, "trailing comma in array")),
    "two commas": (b'[{"a": 1},, {"a": 2}]', at(1, 11, 10, NO_CHARACTER)),
    "an array that a brace ends": (b'[{"a": 1}, NaN}', at(1, 12, 11, NO_CHARACTER)),
    "an object that a bracket ends": (b'{"a": 1]', at(1, 8, 7, "expected ',' or '}'")),
    "an array and more": (b'[{"a": NaN}] {"a": 1}', at(1, 8, 7, NO_CHARACTER)),
    "an object and more": (b'{"a": NaN}, {"a": 1}', at(1, 7, 6, NO_CHARACTER)),
    "more closed than opened": (b'[{"a": 1}}, {"a": 2}]', at(1, 10, 9, "expected ',' or ']'")),
    "an empty array": (b"[]", "expected at least one event"),
    "one too many": (
        b"[" + b"{}," * EVENTS_MAX + b"{}]",
        f"expected at most {EVENTS_MAX} events, got {EVENTS_MAX + 1}",
    ),
    "one too many, and no JSON": (
        b"[" + b"NaN," * EVENTS_MAX + b"{}]",
        f"expected at most {EVENTS_MAX} events, got {EVENTS_MAX + 1}",
    ),
    "a line too many": (
        b"{}\n" * (EVENTS_MAX + 1),
        f"expected at most {EVENTS_MAX} events, got {EVENTS_MAX + 1}",
    ),
}


@pytest.mark.parametrize(("body", "reason"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        split(body)
    assert (caught.value.field, caught.value.reason) == ("", reason)


SEPARATORS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n\t\n", b"\n\xef\xbb\xbf"])


@given(
    st.lists(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3), min_size=2, max_size=5),
    st.data(),
)
def test_one_object_a_line_is_split_into_its_lines(values: list[object], data: st.DataObject) -> None:
    lines = [msgspec.json.encode(value) for value in values]
    body = data.draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\n"]))
    for line in lines:
        body += line + data.draw(SEPARATORS)
    assert [bytes(part) for part in split(body)] == lines


@given(st.permutations([b'{"a": 1}', b'{"a": NaN}', b'{"b"', b"?", b'[{"c": 1}, 2]']))
def test_a_line_that_is_no_object_is_an_event_of_its_own(lines: list[bytes]) -> None:
    if lines[0][:1] != b"[":  # then it is an array, and more
        assert [bytes(part) for part in split(b"\n".join(lines))] == lines


def test_an_object_over_several_lines_is_one_event_though_a_line_of_it_is_an_object() -> None:
    body = b'{"items": [\n{"item_id": "a"}\n], "value": NaN}'
    assert [bytes(part) for part in split(body)] == [body]
    assert len(split(body.replace(b"NaN", b"1"))) == 1


@given(st.lists(JSON_VALUES, min_size=1, max_size=3))
def test_a_byte_order_mark_before_the_body_is_passed_over(values: list[object]) -> None:
    body = msgspec.json.encode(values)
    assert [bytes(part) for part in split(b"\xef\xbb\xbf" + body)] == [bytes(part) for part in split(body)]


def test_as_many_events_as_allowed_are_taken() -> None:
    assert len(split(b"[" + b",".join([b"{}"] * EVENTS_MAX) + b"]")) == EVENTS_MAX


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:1a ', max_size=40).map(str.encode))
def test_any_body_is_split_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        assert len(split(body)) >= 1
    except InvalidEvent as error:
        assert error.field == ""  # noqa: PT017 - either outcome is right
