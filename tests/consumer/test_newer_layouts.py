"""A row that a later release wrote is read, and never written again by this one."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from consumer_world import TABLE, Pipeline, view

from event_strategies import NOON_S
from tapstack.aws.table_reader import TableReader
from tapstack.errors import NewerLayout
from tapstack.http import Request
from tapstack.insights.respond import respond
from tapstack.ports import LAYOUT


def rewritten(pipeline: Pipeline, pk: str, layout: int = LAYOUT + 1) -> dict[str, Any]:
    """Let a later release write the rows of a partition, with a field that this one does not know."""
    found = {}
    for item in pipeline.dynamodb.items(TABLE):
        if item["pk"]["S"] != pk:
            continue
        state = msgspec.msgpack.decode(base64.b64decode(item["s"]["B"]), strict=False)
        later = msgspec.msgpack.encode([*state, {"of": "tomorrow"}])
        found = {**item, "s": {"B": base64.b64encode(later).decode()}, "l": {"N": str(layout)}}
        put = {"Put": {"TableName": TABLE, "Item": found}}
        pipeline.dynamodb.call("TransactWriteItems", msgspec.json.encode({"TransactItems": [put]}))
    assert found
    return found


def rows(pipeline: Pipeline, pk: str) -> list[dict[str, Any]]:
    return [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"] == pk]


@pytest.mark.parametrize("pk", ["U#ann", "L#"])
def test_the_consumer_refuses_to_write_it_and_names_both_layouts(pk: str) -> None:
    pipeline = Pipeline()
    pipeline.run([view(1, user_id="ann")])
    later = rewritten(pipeline, pk)
    message = f"its layout is {LAYOUT + 1}, this release knows layouts up to {LAYOUT}"
    with pytest.raises(NewerLayout, match=message):
        pipeline.run([view(2, user_id="ann")])
    assert rows(pipeline, pk) == [later]


def test_others_rows_are_written_meanwhile() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1, user_id="ann")])
    rewritten(pipeline, "U#ann")
    assert pipeline.run([view(2, user_id="bob")]).resume_from is None


def test_a_row_that_becomes_newer_while_it_is_being_written_is_refused_as_well() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1, user_id="ann")])

    def meanwhile() -> None:
        other = Pipeline(on_table_of=pipeline)
        other.run([view(2, user_id="ann")])
        rewritten(pipeline, "U#ann")

    pipeline.watched.before_transaction[2] = meanwhile
    with pytest.raises(NewerLayout):
        pipeline.run([view(3, user_id="ann")])


def test_a_page_of_memory_that_a_later_release_wrote_is_not_relied_on() -> None:
    pipeline = Pipeline()
    burst = [view(number, user_id="ann") for number in range(70)]  # of the same second
    pipeline.run(burst)
    [page] = [item for item in rows(pipeline, "U#ann") if item["sk"]["S"].startswith("seen#")]
    write = {"Put": {"TableName": TABLE, "Item": {**page, "l": {"N": str(LAYOUT + 1)}}}}
    pipeline.dynamodb.call("TransactWriteItems", msgspec.json.encode({"TransactItems": [write]}))
    with pytest.raises(NewerLayout):
        pipeline.run(burst[:1])


@pytest.mark.parametrize("pk", ["I#item-1", "J#0000", "W#"])
def test_the_projector_neither_writes_nor_passes_over_it(pk: str) -> None:
    pipeline = Pipeline()
    pipeline.run([view(1, user_id="ann", items=[{"item_id": "item-1"}])])
    if pk != "J#0000":
        pipeline.project()
        pipeline.run([view(2, user_id="ann", items=[{"item_id": "item-1"}])])
    later = rewritten(pipeline, pk)
    marks, items = rows(pipeline, "W#"), rows(pipeline, "I#item-1")
    with pytest.raises(NewerLayout):
        pipeline.project()
    assert rows(pipeline, pk)[-1] == later
    assert rows(pipeline, "I#item-1") == items
    if pk == "I#item-1":
        assert rows(pipeline, "W#") == marks


def test_readers_read_it() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1, user_id="ann", items=[{"item_id": "item-1"}])])
    pipeline.project()
    for pk in ("U#ann", "I#item-1", "W#", "L#"):
        rewritten(pipeline, pk)
    table = TableReader(pipeline.dynamodb, TABLE, pipeline.clock, lambda: 0.5)
    for path in (("users", "ann"), ("items", "item-1")):
        request = Request(method="GET", path=("v1", *path))
        assert b'"item_view":1' in respond(request, table, NOON_S).body


def test_a_row_without_a_layout_is_of_the_first() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1, user_id="ann")])
    [item] = rows(pipeline, "U#ann")
    del item["l"]
    put = {"Put": {"TableName": TABLE, "Item": item}}
    pipeline.dynamodb.call("TransactWriteItems", msgspec.json.encode({"TransactItems": [put]}))
    assert pipeline.run([view(2, user_id="ann")]).applied == 1
    assert rows(pipeline, "U#ann")[0]["l"] == {"N": str(LAYOUT)}
