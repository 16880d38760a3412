"""A user's history through the consumer and the API: nothing lost, nothing twice, pages beside their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from consumer_world import LIMITS, SHARD, TABLE, Pipeline, drain, view
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON_S
from tapstack.aws.table_reader import TableReader
from tapstack.consumer.consume import Limits
from tapstack.consumer.records import StreamRecord
from tapstack.consumer.transaction import ROWS_MAX, ROWS_OF_AN_EVENT_MAX
from tapstack.core.history import HistoryBounds
from tapstack.core.memory import Bounds
from tapstack.http import Request
from tapstack.insights.respond import respond
from tapstack_emulator import Crash, RandomFaults
from tapstack_emulator.faults.policy import Fault

SMALL = HistoryBounds(interactions=30, days=29, page=3)
FAULTS: dict[Fault, float] = {
    "stale_read": 0.1,
    "lost_request": 0.05,
    "lost_response": 0.1,
    "transaction_conflict": 0.1,
    "crash_before": 0.03,
    "crash_after": 0.05,
}
HOT = Bounds(keep_days=20, hot_ids=1_000)


def limits(history: HistoryBounds = SMALL) -> Limits:
    return msgspec.structs.replace(LIMITS, history=history, bounds=HOT)


def views(count: int, who: str = "ann", items: int = 1) -> list[StreamRecord]:
    return [
        view(
            number,
            event_id=f"{who}-{number}",
            user_id=who,
            occurred_at=f"2026-03-10T11:{number // 60:02}:{number % 60:02}Z",
            items=[{"item_id": f"i{number}-{item}"} for item in range(items)],
        )
        for number in range(count)
    ]


def walk(pipeline: Pipeline, history: HistoryBounds, who: str = "ann", n: int = 7) -> list[str]:
    """Read a whole history, part by part, and return its items."""
    reader = TableReader(pipeline.dynamodb, TABLE, pipeline.clock, lambda: 0.5)
    found: list[str] = []
    cursor = ""
    while True:
        query = (("n", str(n)), *([("cursor", cursor)] if cursor else []))
        request = Request(method="GET", path=("v1", "users", who, "history"), query=query)
        answer: dict[str, Any] = msgspec.json.decode(respond(request, reader, NOON_S, history=history).body)
        assert answer["since"] is None
        found += [item["item_id"] for item in answer["items"]]
        if answer["next_cursor"] is None:
            return found
        cursor = answer["next_cursor"]


def pages(pipeline: Pipeline) -> list[tuple[str, str]]:
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in pipeline.dynamodb.items(TABLE)]
    return [key for key in keys if key[1].startswith("hist#")]


def test_a_page_goes_with_its_user_s_row_however_long_history_may_be_kept() -> None:
    pipeline = Pipeline(limits=limits(HistoryBounds(interactions=30, days=90, page=3)))
    pipeline.run(views(40))
    rows = [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"] == "U#ann"]
    expiry = {item["sk"]["S"]: int(item["ttl"]["N"]) for item in rows}
    assert pages(pipeline)
    assert set(expiry.values()) == {NOON_S + LIMITS.row_ttl_s}


@given(st.permutations(range(70)), st.integers(1, 30))
def test_the_newest_are_kept_whatever_order_and_batches_they_come_in(order: list[int], size: int) -> None:
    everything = views(70)
    history = HistoryBounds(interactions=60, days=29, page=7)
    pipeline = Pipeline(limits=limits(history))
    for start in range(0, 70, size):
        pipeline.run([everything[number] for number in order[start : start + size]])
    assert walk(pipeline, history) == [f"i{number}-0" for number in range(69, 9, -1)]


@pytest.mark.parametrize("seed", range(6))
def test_faults_crashes_and_redeliveries_lose_and_double_no_interaction(seed: int) -> None:
    everything = views(90)
    pipeline = Pipeline(faults=RandomFaults(seed, FAULTS), limits=limits(), seed=seed)
    for start in range(0, 90, 15):
        drain(pipeline, everything[start : start + 15])
    drain(pipeline, everything)  # all of it once more
    assert walk(pipeline, SMALL) == [f"i{number}-0" for number in range(89, 59, -1)]


def test_a_zombie_writes_no_page_over_one_of_a_later_row() -> None:
    everything = views(60)
    pipeline = Pipeline(limits=limits())
    pipeline.run(everything[:22])

    def overtake() -> None:
        other = Pipeline(limits=limits(), on_table_of=pipeline)
        other.run(everything[22:60])

    pipeline.watched.before_transaction[2] = overtake
    pipeline.run(everything[22:40])
    assert walk(pipeline, SMALL) == [f"i{number}-0" for number in range(59, 29, -1)]


@pytest.mark.parametrize("others", [0, 1])  # with one row each, where the rest have two
def test_pages_are_counted_among_the_rows_of_a_transaction(others: int) -> None:
    users = [f"user-{number:02}" for number in range(70)]
    history = HistoryBounds(interactions=100, page=2)
    pipeline = Pipeline(limits=limits(history))
    pipeline.run([record for who in users for record in views(21, who)])  # of which one waits for a page
    count = len(pipeline.watched.transactions)
    more: Sequence[StreamRecord] = [views(22, who)[21] for who in users]
    pipeline.run([*views(others, "other"), *more])
    sizes = [len(keys) for keys in pipeline.watched.transactions[count:]]
    full = ROWS_MAX - others  # an even number is left for the rest
    assert sizes == [full + 2, 2 * len(users) + others - full + 2]
    assert len(pages(pipeline)) == len(users)


LAST_EVENTS: dict[str, tuple[dict[str, Any], int]] = {  # of a user whose memory is full; and the rows of each
    "a page of memory": ({"items": [{"item_id": "i"}]}, 2),
    "pages of memory and history": ({"items": [{"item_id": f"i{n}"} for n in range(40)]}, 3),
    "a page of memory and pointers": ({"items": [{"item_id": "i"}], "anonymous_id": "phone"}, 4),
    "all that an event may need": (
        {"items": [{"item_id": f"i{n}"} for n in range(40)], "anonymous_id": "phone"}, ROWS_OF_AN_EVENT_MAX,
    ),
}  # fmt: skip


@pytest.mark.parametrize("others", range(ROWS_MAX - ROWS_OF_AN_EVENT_MAX, ROWS_MAX + 1))
@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize(("last", "rows"), LAST_EVENTS.values(), ids=LAST_EVENTS)
def test_an_event_has_its_place_however_many_rows_a_transaction_has(
    last: dict[str, Any], rows: int, others: int, is_first: bool
) -> None:
    bounds = Bounds(keep_days=20, hot_ids=4)
    pipeline = Pipeline(limits=msgspec.structs.replace(limits(), bounds=bounds))
    pipeline.run(views(bounds.hot_ids))
    before = len(pipeline.watched.transactions)
    singles = [view(n, user_id=f"u{n}", items=[{"item_id": f"i-{n}"}]) for n in range(others)]
    full = view(others, event_id="last", user_id="ann", **last)
    report = pipeline.run([full, *singles] if is_first else [*singles, full])
    sizes = [len(keys) for keys in pipeline.watched.transactions[before:]]
    beside = 2  # the journal's entry and its lane's head
    over = others + rows - ROWS_MAX
    if over <= 0:
        assert sizes == [others + rows + beside]
    elif is_first:  # a row for each of the others
        assert sizes == [ROWS_MAX + beside, over + beside]
    else:
        assert sizes == [others + beside, rows + beside]
    assert report.applied == others + 1


def test_a_user_has_one_page_in_a_transaction_however_many_interactions_it_has() -> None:
    pipeline = Pipeline(limits=limits(HistoryBounds(days=29)))
    pipeline.run(views(3, items=100))
    assert pages(pipeline) == [("U#ann", "hist#0000")]
    assert len(walk(pipeline, HistoryBounds(days=29))) == 300


def test_a_page_and_its_row_are_written_together_or_not_at_all() -> None:
    pipeline = Pipeline(limits=limits())
    pipeline.run(views(22))

    def crash() -> None:
        raise Crash(SHARD)

    pipeline.watched.before_transaction[2] = crash
    with pytest.raises(Crash):
        pipeline.run(views(30))
    assert pages(pipeline) == []
    assert walk(pipeline, SMALL) == [f"i{number}-0" for number in range(21, -1, -1)]
