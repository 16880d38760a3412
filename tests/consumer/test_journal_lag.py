"""A lane that no projection folds for a week takes nothing more; whatever else happens, counting goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from consumer_world import NOON_S, TABLE, Pipeline, record

from tapstack.aws.dynamodb import DynamoTable
from tapstack.consumer.journal_lag import CHECKED_EVERY_S
from tapstack.core.journal import (
    LAG_MAX_S,
    Watermark,
    definition_projection,
    encode_watermark,
    watermark_key,
)
from tapstack.ports import Key, RowWrite
from tapstack_emulator import FaultScript

DAY_S = 86_400


def view_at(number: int, at_s: int):
    return record(number, {"event_id": f"e-{number}"}, at_s)


def after(days: float, pipeline: Pipeline) -> int:
    pipeline.clock.advance_ms(int(days * DAY_S * 1_000))
    return pipeline.clock.now_ms() // 1_000


BEHIND: dict[str, tuple[float, bool]] = {"a day": (1, False), "a week": (7, False), "longer": (7.01, True)}


@pytest.mark.parametrize(("days", "is_refused"), BEHIND.values(), ids=BEHIND)
def test_a_lane_that_is_not_folded_for_a_week_takes_nothing_more(days: float, is_refused: bool) -> None:
    pipeline = Pipeline()
    pipeline.run([view_at(1, NOON_S)])
    pipeline.clock.advance_ms(int(days * DAY_S * 1_000))
    report = pipeline.run([view_at(2, NOON_S)])
    assert (report.resume_from is not None) is is_refused
    if is_refused:
        assert "that the projector has not folded for more than 7 days" in str(report.reason)
        pipeline.project()
        pipeline.clock.advance_ms(CHECKED_EVERY_S * 1_000)
        assert pipeline.run([view_at(2, NOON_S)]).applied == 1


def test_the_projection_that_is_behind_is_named_and_a_retired_ones_row_can_be_deleted() -> None:
    pipeline = Pipeline()
    pipeline.run([view_at(1, NOON_S)])
    pipeline.project()
    key = Key(*watermark_key("retired"))
    row = RowWrite(key=key, version=1, state=encode_watermark(Watermark()), seen_version=0)
    DynamoTable(pipeline.dynamodb, TABLE).write_each([row])
    pipeline.clock.advance_ms(LAG_MAX_S * 1_000 + 1_000)
    assert "projection retired has not folded" in str(pipeline.run([view_at(2, NOON_S)]).reason)
    pipeline.dynamodb.call(
        "DeleteItem",
        msgspec.json.encode({"TableName": TABLE, "Key": {"pk": {"S": key.pk}, "sk": {"S": key.sk}}}),
    )
    assert pipeline.run([view_at(2, NOON_S)]).applied == 1


def test_attributes_that_are_declared_no_longer_hold_nobody_up() -> None:
    pipeline = Pipeline()
    pipeline.run([view_at(1, NOON_S)])
    pipeline.project()
    key = Key(*watermark_key(definition_projection("goods@1#00c0ffee")))
    row = RowWrite(key=key, version=1, state=encode_watermark(Watermark()), seen_version=0)
    DynamoTable(pipeline.dynamodb, TABLE).write_each([row])
    pipeline.clock.advance_ms(LAG_MAX_S * 1_000 + 1_000)
    assert pipeline.run([view_at(2, NOON_S)]).applied == 1


def test_what_is_folded_may_be_as_old_as_it_likes() -> None:
    pipeline = Pipeline()
    pipeline.run([view_at(1, NOON_S)])
    pipeline.project()
    pipeline.clock.advance_ms(3 * LAG_MAX_S * 1_000)
    assert pipeline.run([view_at(2, NOON_S)]).applied == 1


def test_an_entry_that_expired_unfolded_is_as_old_as_entries_become() -> None:
    pipeline = Pipeline()
    pipeline.run([view_at(1, NOON_S)])
    pipeline.clock.advance_ms(31 * DAY_S * 1_000)
    pipeline.dynamodb.sweep()
    assert pipeline.run([view_at(2, NOON_S + 31 * DAY_S)]).resume_from is not None


def test_an_entry_that_was_written_a_moment_ago_is_none_that_expired() -> None:
    pipeline = Pipeline()
    pipeline.run([view_at(1, NOON_S)])
    stale: Any = {("BatchGetItem", call): "stale_read" for call in range(2, 99)}  # after rows
    other = Pipeline(on_table_of=pipeline, faults=FaultScript(stale))
    assert other.run([view_at(2, NOON_S)]).resume_from is None


def test_it_is_asked_once_a_minute_and_lane() -> None:
    pipeline = Pipeline()
    queries: list[str] = []
    call: Callable[[str, bytes], bytes] = pipeline.watched.call

    def counted(operation: str, body: bytes) -> bytes:
        queries.append(operation)
        return call(operation, body)

    pipeline.watched.call = counted  # type: ignore[method-assign]
    for number in range(5):
        pipeline.run([view_at(number, NOON_S)])
    assert queries.count("Query") == 1
    pipeline.clock.advance_ms(CHECKED_EVERY_S * 1_000)
    pipeline.run([view_at(9, NOON_S)])
    assert queries.count("Query") == 2
