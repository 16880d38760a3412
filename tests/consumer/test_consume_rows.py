"""The rows that the consumer writes: how long they live, and what writing them costs."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from consumer_world import LIMITS, TABLE, VIEWS, Pipeline, record, view
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, rfc3339
from tapstack.aws.table_reader import TableReader
from tapstack.core.journal import JOURNAL_TTL_S
from tapstack.http import Request
from tapstack.insights.respond import respond
from tapstack.ports import VERSIONS_PER_S


def test_rows_live_as_long_after_their_last_event_as_configured() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1)])
    later = [record(2, {"event_id": "e-2"}, NOON_S + 1_000), record(1, {"event_id": "e-3"}, NOON_S - 1_000)]
    pipeline.run(later)
    pipeline.project()
    expiry = {
        item["pk"]["S"]: int(item["ttl"]["N"]) for item in pipeline.dynamodb.items(TABLE) if "ttl" in item
    }
    assert expiry["U#ann"] == expiry["I#item-1"] == NOON_S + 1_000 + LIMITS.row_ttl_s
    assert expiry["J#0000"] == NOON_S + 1_000 + JOURNAL_TTL_S


def test_what_a_clock_ahead_says_of_an_item_is_no_newer_than_its_arrival() -> None:
    pipeline = Pipeline()
    for number, (price, said) in enumerate([(5, "2026-03-10T13:30:00Z"), (6, "2026-03-10T12:00:10Z")]):
        told = {"items": [{"item_id": "i", "price": price, "currency": "EUR"}], "occurred_at": said}
        pipeline.run([record(number, {"event_id": f"e-{number}", **told}, NOON_S + 10 * number)])
    pipeline.project()
    reader = TableReader(pipeline.dynamodb, TABLE, pipeline.clock, lambda: 0.5)
    answer = respond(Request(method="GET", path=("v1", "items", "i")), reader, NOON_S + 60)
    assert msgspec.json.decode(answer.body)["price"] == 6


@given(st.lists(st.tuples(st.integers(-3, 0), st.integers(1, 3)), min_size=1, max_size=6), st.integers(1, 6))
def test_an_item_costs_what_the_newest_event_says(told: list[tuple[int, int]], size: int) -> None:
    """Of the same second the higher price."""
    pipeline = Pipeline()
    records = [
        record(
            number,
            {
                "event_id": f"e-{number}",
                "items": [{"item_id": "i", "price": price, "currency": "EUR"}],
                "occurred_at": rfc3339(NOON + timedelta(seconds=later_s)),
            },
        )
        for number, (later_s, price) in enumerate(told)
    ]
    for start in range(0, len(records), size):
        pipeline.run(records[start : start + size])
    pipeline.project()
    reader = TableReader(pipeline.dynamodb, TABLE, pipeline.clock, lambda: 0.5)
    answer = respond(Request(method="GET", path=("v1", "items", "i")), reader, NOON_S)
    assert msgspec.json.decode(answer.body)["price"] == max(told)[1]


def test_a_head_never_expires() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1)])
    (head,) = [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"] == "L#"]
    assert "ttl" not in head


def versions(pipeline: Pipeline) -> dict[str, int]:
    items = pipeline.dynamodb.items(TABLE)
    return {item["pk"]["S"]: int(item["v"]["N"]) for item in items if item["pk"]["S"].startswith("U#")}


ARRIVALS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-5_000, 5_000)), min_size=1, max_size=12
)  # of whom, and when


@given(ARRIVALS, st.integers(1, 4))
def test_a_row_outlives_its_events_and_its_version_rises_by_one_from_above_those_of_an_earlier_one(
    arrivals: list[tuple[int, int]], batches: int
) -> None:
    pipeline = Pipeline()
    records = [
        record(number, {"event_id": f"e-{number}", "user_id": f"u-{who}"}, NOON_S + later_s)
        for number, (who, later_s) in enumerate(arrivals)
    ]
    for start in range(batches):  # in turns, so that rows are changed again
        before = versions(pipeline)
        assert pipeline.run(records[start::batches]).resume_from is None
        changed = {f"U#u-{who}" for who, _ in arrivals[start::batches]}
        assert {pk: version - before[pk] for pk, version in versions(pipeline).items() if pk in before} == {
            pk: pk in changed for pk in before
        }
    last_s = NOON_S + max(later_s for _, later_s in arrivals)
    users = [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"].startswith("U#")]
    assert len(users) == len({who for who, _ in arrivals})
    for item in users:
        mine = [NOON_S + later_s for who, later_s in arrivals if item["pk"]["S"] == f"U#u-{who}"]
        assert max(mine) + LIMITS.row_ttl_s <= int(item["ttl"]["N"]) <= last_s + LIMITS.row_ttl_s
        assert int(item["v"]["N"]) >= min(mine) * VERSIONS_PER_S


def test_write_units_are_counted_as_the_table_counts_them() -> None:
    pipeline = Pipeline()
    report = pipeline.run(VIEWS)
    assert report.write_units == 2 * report.rows_written  # all rows are below one KiB here


def test_a_report_adds_up_all_its_transactions() -> None:
    pipeline = Pipeline()
    records = [view(n, user_id=f"user-{n}", items=[{"item_id": f"i-{n}"}]) for n in range(120)]
    report = pipeline.run(records)
    assert report.transactions == len(pipeline.watched.transactions) > 1
    assert report.rows_written == sum(len(keys) for keys in pipeline.watched.transactions)
    assert report.write_units > 2 * report.rows_written
    assert report.applied == report.records == len(records)
