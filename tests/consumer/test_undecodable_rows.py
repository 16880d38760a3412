"""A row that nobody of ours wrote stops its shard until a person looks at it: it is never begun anew.

A row taken for an empty one would count again whatever it had counted, and lose what it held.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from consumer_world import TABLE, VIEWS, Pipeline, counted, view
from hypothesis import given
from hypothesis import strategies as st

from tapstack.errors import UndecodableRow

USER = "U#ann"


def pipeline_with(row: str, spoil: Callable[[dict[str, Any]], object]) -> Pipeline:
    """A pipeline that has counted an event, and one of whose rows was changed behind its back."""
    pipeline = Pipeline()
    pipeline.run([view(1)])
    (item,) = [each for each in pipeline.dynamodb.items(TABLE) if each["pk"]["S"].startswith(row)]
    spoil(item)
    put(pipeline, item)
    return pipeline


def put(pipeline: Pipeline, item: dict[str, Any]) -> None:
    write = {"Put": {"TableName": TABLE, "Item": item}}
    pipeline.dynamodb.call("TransactWriteItems", msgspec.json.encode({"TransactItems": [write]}))


def state(content: bytes) -> Callable[[dict[str, Any]], object]:
    return lambda item: item.update(s={"B": base64.b64encode(content).decode()})


def cut(item: dict[str, Any]) -> None:
    state(base64.b64decode(item["s"]["B"])[:-1])(item)


SPOILT: dict[str, Callable[[dict[str, Any]], object]] = {
    "an empty state": state(b""),
    "a state cut off": cut,
    "more than a state": lambda item: state(base64.b64decode(item["s"]["B"]) + b"\x00")(item),
    "a state of JSON": state(b'{"seen":{}}'),
    "a nil": state(b"\xc0"),
    "text that is no UTF-8": state(b"\xa1\xff"),
    "another type": state(msgspec.msgpack.encode("secret-user")),
    "no state": lambda item: item.pop("s"),
    "a state of text": lambda item: item.update(s={"S": "secret-user"}),
    "no version": lambda item: item.pop("v"),
    "a version of text": lambda item: item.update(v={"S": "secret-user"}),
    "a version and a half": lambda item: item.update(v={"N": "1.5"}),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_the_invocation_fails_and_the_row_stays_as_it_is(spoil: Callable[[dict[str, Any]], object]) -> None:
    pipeline = pipeline_with(USER, spoil)
    before = pipeline.dynamodb.items(TABLE)
    for number in (2, 1):
        with pytest.raises(UndecodableRow) as caught:
            pipeline.run([view(number)])
        assert "secret" not in str(caught.value)
        assert "ann" not in str(caught.value)
    assert pipeline.dynamodb.items(TABLE) == before
    assert (pipeline.late.objects, pipeline.quarantine.objects) == ({}, {})


EMPTY: dict[str, bytes] = {
    "a user's": msgspec.msgpack.encode([]),
    "a user's memory": msgspec.msgpack.encode([[], [], {}, [], [], 0]),
}


@pytest.mark.parametrize("content", EMPTY.values(), ids=EMPTY)
def test_an_array_that_ends_early_is_not_taken_for_one_that_has_seen_nothing(content: bytes) -> None:
    pipeline = pipeline_with(USER, state(content))
    with pytest.raises(UndecodableRow, match=r"end too early$"):
        pipeline.run([view(2)])


def test_who_shares_no_row_with_it_is_counted_once_it_is_alone_in_its_batch() -> None:
    # As the mapping does after a failure: it halves the batch until the record is alone.
    pipeline = pipeline_with(USER, state(b""))
    others = [each for each in VIEWS if b'"ann"' not in each.data]
    assert pipeline.run(others).resume_from is None
    with pytest.raises(UndecodableRow):
        pipeline.run([*VIEWS, view(99)])


@given(st.binary(max_size=12))
def test_no_bytes_make_a_row_that_has_forgotten(content: bytes) -> None:
    pipeline = pipeline_with(USER, state(content))
    with pytest.raises(UndecodableRow):
        pipeline.run([view(1)])


def test_a_row_of_a_later_release_is_read() -> None:
    def append(item: dict[str, Any]) -> None:
        fields = msgspec.msgpack.decode(base64.b64decode(item["s"]["B"]), strict=False)
        state(msgspec.msgpack.encode([*fields, "new"]))(item)

    pipeline = pipeline_with(USER, append)
    assert pipeline.run([view(1)]).duplicates == 1
    counted(pipeline, [view(1)])
