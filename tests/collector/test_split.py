"""Splitting a request's body into events, without looking inside them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import BAD_VALUES, JSON_VALUES, broken_events
from tapstack.collector.collect import EVENTS_MAX, split
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


NO_BODY = "expected a JSON object, or an array of objects"
BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", NO_BODY),
    "only space": (b" \n", NO_BODY),
    "cut off": (b'[{"a": 1}', NO_BODY),
    "two values": (b"{} {}", NO_BODY),
    "not JSON": (b"<xml/>", NO_BODY),
    "nested without end": (b"[" * 100_000, NO_BODY),
    "nested and cut off": (b'{"a":' * 20_000 + b"1" + b"}" * 19_999, NO_BODY),
    "no number": (b"NaN", NO_BODY),
    "a string": (rb'"\ud83d"', NO_BODY),
    "cut off in a string": (b'[{"a": 1}, {"b": "', NO_BODY),
    "cut off in an escape": (b'[{"a": 1}, {"b": "\\', NO_BODY),
    "a string that ends nowhere": (b'[{"a": 1}, {"b": "}]', NO_BODY),
    "quotes without end": (b'["' + b'\\"' * 400_000, NO_BODY),
    "a comma too many": (b'[{"a": 1},]', NO_BODY),
    "two commas": (b'[{"a": 1},, {"a": 2}]', NO_BODY),
    "an array that a brace ends": (b'[{"a": 1}, NaN}', NO_BODY),
    "an object that a bracket ends": (b'{"a": 1]', NO_BODY),
    "an array and more": (b'[{"a": NaN}] {"a": 1}', NO_BODY),
    "an object and more": (b'{"a": NaN}, {"a": 1}', NO_BODY),
    "more closed than opened": (b'[{"a": 1}}, {"a": 2}]', NO_BODY),
    "an empty array": (b"[]", "expected at least one event"),
    "one too many": (
        b"[" + b"{}," * EVENTS_MAX + b"{}]",
        f"expected at most {EVENTS_MAX} events, got {EVENTS_MAX + 1}",
    ),
    "one too many, and no JSON": (
        b"[" + b"NaN," * EVENTS_MAX + b"{}]",
        f"expected at most {EVENTS_MAX} events, got {EVENTS_MAX + 1}",
    ),
}


@pytest.mark.parametrize(("body", "reason"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        split(body)
    assert (caught.value.field, caught.value.reason) == ("", reason)


def test_as_many_events_as_allowed_are_taken() -> None:
    assert len(split(b"[" + b",".join([b"{}"] * EVENTS_MAX) + b"]")) == EVENTS_MAX


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:1a ', max_size=40).map(str.encode))
def test_any_body_is_split_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        assert len(split(body)) >= 1
    except InvalidEvent as error:
        assert error.field == ""  # noqa: PT017 - either outcome is right
