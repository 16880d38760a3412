"""How events are put into transactions: as many as fit, and a long event in several."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

import pytest
from consumer_world import LIMITS, NATIVE, VIEWS, Pipeline, counted, view

from event_strategies import NOON_S
from tapstack.core.rows import ItemState, encode_state, item_partition, lane_sort_key
from tapstack.dead_letters import LATE
from tapstack.ports import Key, RowWrite
from tapstack_emulator import FaultScript


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


def test_an_event_whose_rows_no_transaction_holds_is_a_dead_letter_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tapstack.consumer.consume.BYTES_MAX", 1)
    pipeline = Pipeline()
    report = pipeline.run(VIEWS)
    assert (report.applied, report.late, report.resume_from) == (0, len(VIEWS), None)
    assert [each.reason for each in pipeline.letters(LATE)] == ["too_large"] * len(VIEWS)


@pytest.mark.parametrize("event_type", ["item_view", "purchase"])
def test_two_reads_find_all_that_an_event_touches(event_type: str) -> None:
    pipeline = Pipeline()
    records = [
        view(number, event_type=event_type, user_id="ann", items=[{"item_id": f"i{number}"}])
        for number in range(3)
    ]
    pipeline.run(records[:2])
    pipeline.watched.reads.clear()
    pipeline.run(records[2:])
    user, derived = pipeline.watched.reads
    assert user == [("U#ann", "-")]
    assert {*user, *derived} == set(pipeline.watched.transactions[-1])
    assert {f"I#i{number}" for number in range(3)} < {pk for pk, _ in derived}
    counted(pipeline, records)


def test_rows_of_more_than_a_transaction_admits_are_written_in_several() -> None:
    pipeline = Pipeline()
    names = [f"i{number}" for number in range(90)]
    seen = {f"{number:05d}" * 200: 1 for number in range(50)}  # 50 KB, as no row should be
    large = encode_state(ItemState(viewed_with=seen))
    for lane in range(LIMITS.lanes):
        for start in range(0, len(names), 45):
            pipeline.world.table.commit(
                [
                    RowWrite(
                        key=Key(item_partition(name), lane_sort_key(lane)),
                        version=1, state=large, expires_at_s=NOON_S + 86_400, seen_version=0,
                    )
                    for name in names[start : start + 45]
                ]
            )  # fmt: skip
    records = [
        view(number, user_id="ann", items=[{"item_id": name} for name in names[number * 45 :][:45]])
        for number in range(2)
    ]
    report = pipeline.run(records)
    assert (report.applied, report.transactions, report.resume_from) == (2, 2, None)
    counted(pipeline, records)


@pytest.mark.parametrize("event_type", ["item_view", "purchase", "item_list_view", "custom"])
@pytest.mark.parametrize("identity", [{}, NATIVE], ids=["id", "native"])
def test_an_event_of_a_hundred_items_is_applied_whole_and_once(
    event_type: str, identity: dict[str, Any]
) -> None:
    pipeline = Pipeline()
    items = [{"item_id": f"i-{number:03}", "price": 2} for number in range(100)]
    before = [view(number, event_type=event_type, items=[{"item_id": f"b-{number}"}]) for number in range(9)]
    full = view(50, event_type=event_type, items=items, **identity)
    pipeline.run(before)
    report = pipeline.run([full])
    assert (report.applied, report.transactions) == (2, 2)  # two parts
    assert pipeline.run([full, full]).applied == 0
    counted(pipeline, [*before, full])


def test_when_only_the_first_part_is_committed_the_record_is_not_done() -> None:
    items = [{"item_id": f"i-{number:03}"} for number in range(100)]
    full = view(1, items=items)
    pipeline = Pipeline(faults=FaultScript({("TransactWriteItems", n): "throttle_api" for n in range(2, 99)}))
    report = pipeline.run([full])
    assert (report.applied, report.resume_from) == (1, full.sequence_number)
    again = Pipeline(on_table_of=pipeline)
    assert again.run([full]).applied == 1
    counted(pipeline, [full])


def test_users_of_one_item_and_lane_share_its_transactions() -> None:
    pipeline = Pipeline()
    records = [view(number, user_id=f"u-{number}", items=[{"item_id": "hot"}]) for number in range(150)]
    pipeline.run(records)
    touched = Counter(chain.from_iterable(pipeline.watched.transactions))
    hot = {key: count for key, count in touched.items() if key[0] == "I#hot"}
    assert sum(hot.values()) <= len(pipeline.watched.transactions) + LIMITS.lanes
