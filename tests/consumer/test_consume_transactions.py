"""How events are put into transactions: as many as fit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from consumer_world import LIMITS, NATIVE, VIEWS, Pipeline, counted, view

from tapstack.consumer.consume import shard_number
from tapstack.dead_letters import LATE


def test_a_chunk_fills_a_transaction_and_the_next_begins() -> None:
    pipeline = Pipeline()
    records = [
        view(number, user_id=f"u-{number}", items=[{"item_id": f"i-{number}"}]) for number in range(300)
    ]
    report = pipeline.run(records)
    assert report.applied == 300
    assert report.transactions == len(pipeline.watched.transactions) < 20
    assert report.rows_written == sum(map(len, pipeline.watched.transactions))
    counted(pipeline, records)


def test_a_chunk_of_large_rows_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Pipeline().run(VIEWS)
    monkeypatch.setattr("tapstack.consumer.consume.BYTES_MAX", 700)
    pipeline = Pipeline()
    report = pipeline.run(VIEWS)
    assert (report.applied, report.resume_from) == (len(VIEWS), None)
    assert usual.transactions < report.transactions < len(VIEWS)
    assert max(pipeline.watched.state_bytes) <= 700
    counted(pipeline, VIEWS)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_fits_alone_is_counted_however_few_are_too_large_together(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [view(number, user_id=f"u-{number}") for number in range(count)]
    alone = Pipeline()
    alone.run(records[:1])
    monkeypatch.setattr("tapstack.consumer.consume.BYTES_MAX", 2 * alone.watched.state_bytes[0])
    pipeline = Pipeline()
    report = pipeline.run(records)
    assert (report.applied, report.late, report.transactions) == (count, 0, count)


def test_an_event_whose_rows_no_transaction_holds_is_a_dead_letter_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tapstack.consumer.consume.BYTES_MAX", 1)
    pipeline = Pipeline()
    report = pipeline.run(VIEWS)
    assert (report.applied, report.late, report.resume_from) == (0, len(VIEWS), None)
    assert [each.reason for each in pipeline.letters(LATE)] == ["too_large"] * len(VIEWS)


def test_one_read_finds_all_that_a_batch_touches() -> None:
    pipeline = Pipeline()
    pipeline.run(VIEWS)
    assert len(pipeline.watched.reads) == 1
    assert {key for key in pipeline.watched.transactions[0] if key[0] != "J#0000"} == {
        *pipeline.watched.reads[0]
    }


def test_a_transaction_holds_an_entry_and_the_head_that_counts_it() -> None:
    pipeline = Pipeline()
    pipeline.run(VIEWS[:1])
    pipeline.run(VIEWS[1:2])
    assert [keys[1:] for keys in pipeline.watched.transactions] == [
        [("J#0000", f"{number:020d}"), ("L#", "0000")] for number in (1, 2)
    ]


def test_events_that_change_no_derived_row_write_no_entry() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1, event_type="page_view", items=[])])
    assert [pk for pk, _ in pipeline.watched.transactions[0]] == ["U#ann"]


def test_a_full_transaction_has_a_hundred_rows() -> None:
    pipeline = Pipeline()
    records = [view(number, user_id=f"u-{number}") for number in range(200)]
    pipeline.run(records)
    assert [len(keys) for keys in pipeline.watched.transactions] == [100, 100, 6]
    counted(pipeline, records)


SHARDS = {
    "shardId-000000000000": 0, "shardId-000000000011": 11, "a-shard-7": 7,
    "12": 12, "shardId-": 0, "shardId-7a": 0, "shardId-\u00b2": 0, "": 0,
}  # fmt: skip


@pytest.mark.parametrize(("shard_id", "number"), SHARDS.items())
def test_a_shard_has_the_lane_of_its_number(shard_id: str, number: int) -> None:
    assert shard_number(shard_id) == number
    pipeline = Pipeline()
    pipeline.run([msgspec.structs.replace(view(1), shard_id=shard_id)])
    assert pipeline.watched.transactions[0][-1] == ("L#", f"{number % LIMITS.lanes:04d}")


def test_a_shard_writes_its_own_lane_and_another_one_after_a_conflict() -> None:
    pipeline = Pipeline()
    other = Pipeline(on_table_of=pipeline)
    pipeline.watched.before_transaction[1] = lambda: other.run([view(1, user_id="bob")])
    pipeline.run([view(2, user_id="ann")])
    assert [keys[-1] for keys in pipeline.watched.transactions] == [("L#", "0000"), ("L#", "0001")]
    counted(pipeline, [view(1, user_id="bob"), view(2, user_id="ann")])


@pytest.mark.parametrize("event_type", ["item_view", "purchase", "item_list_view", "custom"])
@pytest.mark.parametrize("identity", [{}, NATIVE], ids=["id", "native"])
def test_an_event_of_500_items_is_one_transaction(event_type: str, identity: dict[str, Any]) -> None:
    pipeline = Pipeline()
    items = [{"item_id": f"i-{number:03}", "price": 2} for number in range(500)]
    before = [view(number, event_type=event_type, items=[{"item_id": f"b-{number}"}]) for number in range(9)]
    full = view(50, event_type=event_type, items=items, **identity)
    pipeline.run(before)
    report = pipeline.run([full])
    page = event_type != "item_list_view"  # of the user's history
    assert (report.applied, report.transactions, report.rows_written) == (1, 1, 3 + page)
    assert pipeline.run([full, full]).applied == 0
    counted(pipeline, [*before, full])


def test_an_entry_that_no_row_holds_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapstack.consumer.consume.ENTRY_BYTES_MAX", 400)
    pipeline = Pipeline()
    records = [view(number, user_id=f"u-{number}") for number in range(60)]
    report = pipeline.run(records)
    assert (report.applied, report.late) == (60, 0)
    assert report.transactions > 1
    counted(pipeline, records)
