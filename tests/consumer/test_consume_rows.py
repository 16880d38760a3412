"""The rows that the consumer writes: how long they live, and what writing them costs."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from consumer_world import LIMITS, TABLE, VIEWS, Pipeline, record, view
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, rfc3339
from tapstack.consumer.transaction import VERSIONS_PER_S
from tapstack.core.ranking import BOARD_PLACES


def test_rows_live_as_long_after_their_last_event_as_configured() -> None:
    pipeline = Pipeline()
    pipeline.run([view(1)])
    later = [record(2, {"event_id": "e-2"}, NOON_S + 1_000), record(1, {"event_id": "e-3"}, NOON_S - 1_000)]
    pipeline.run(later)
    expiry = {item["pk"]["S"]: int(item["ttl"]["N"]) for item in pipeline.dynamodb.items(TABLE)}
    assert expiry["U#ann"] == expiry["I#item-1"] == NOON_S + 1_000 + LIMITS.row_ttl_s


ARRIVALS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-5_000, 5_000)), min_size=1, max_size=12
)  # of whom, and when


@given(ARRIVALS, st.integers(1, 4))
def test_a_row_outlives_every_event_in_it_and_begins_above_the_versions_of_an_earlier_one(
    arrivals: list[tuple[int, int]], batches: int
) -> None:
    pipeline = Pipeline()
    records = [
        record(number, {"event_id": f"e-{number}", "user_id": f"u-{who}"}, NOON_S + later_s)
        for number, (who, later_s) in enumerate(arrivals)
    ]
    for start in range(batches):  # in turns, so that rows are changed again
        assert pipeline.run(records[start::batches]).resume_from is None
    last_s = NOON_S + max(later_s for _, later_s in arrivals)
    users = [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"].startswith("U#")]
    assert len(users) == len({who for who, _ in arrivals})
    for item in users:
        mine = [NOON_S + later_s for who, later_s in arrivals if item["pk"]["S"] == f"U#u-{who}"]
        assert max(mine) + LIMITS.row_ttl_s <= int(item["ttl"]["N"]) <= last_s + LIMITS.row_ttl_s
        assert int(item["v"]["N"]) >= min(mine) * VERSIONS_PER_S


def test_a_board_lives_as_long_as_every_other_row() -> None:
    # Seed 78: a board written a day late was deleted and begun anew with its old version, and a stale image
    # of the old one met the condition. Now no record that was there when it began is left when it is deleted.
    pipeline = Pipeline()
    pipeline.run([view(0)])
    boards = [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"].startswith("T#")]
    assert len(boards) == 3
    assert {int(item["ttl"]["N"]) for item in boards} == {NOON_S + LIMITS.row_ttl_s}  # beyond retention


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
    assert report.write_units == 2 * report.rows_written
    assert report.applied == report.records == len(records)


HOUR_S, DAY_S = 3_600, 86_400
BOARDS: dict[str, tuple[int, set[str]]] = {
    # how old an event is, and which leaderboards it still moves
    "now": (0, {"T#5m", "T#1h", "T#1d"}),
    "as old as the shortest window is kept": (12 * 300, {"T#5m", "T#1h", "T#1d"}),
    "five minutes older": (13 * 300, {"T#1h", "T#1d"}),
    "a day": (24 * HOUR_S, {"T#1h", "T#1d"}),
    "an hour older": (25 * HOUR_S, {"T#1d"}),
    "a week": (7 * DAY_S, {"T#1d"}),
    "eight days": (8 * DAY_S, set()),
}


@pytest.mark.parametrize(("age_s", "boards"), BOARDS.values(), ids=BOARDS)
def test_only_leaderboards_of_windows_still_kept_are_written(age_s: int, boards: set[str]) -> None:
    pipeline = Pipeline()
    pipeline.run([view(1, occurred_at=rfc3339(NOON - timedelta(seconds=age_s)))])
    keys = {item["pk"]["S"] for item in pipeline.dynamodb.items(TABLE)}
    assert {key.rpartition("#")[0] for key in keys if key.startswith("T#")} == boards
    assert {"U#ann", "I#item-1"} <= keys


def test_a_leaderboard_keeps_its_places_and_no_more() -> None:
    pipeline = Pipeline(limits=msgspec.structs.replace(LIMITS, lanes=1))
    names = [f"i{number:03}" for number in range(BOARD_PLACES + 6)]
    for batch in (names, names[-1:]):  # who came last is the first in the end
        pipeline.run(
            [
                view(n, user_id=f"u-{n}-{len(batch)}", items=[{"item_id": name}])
                for n, name in enumerate(batch)
            ]
        )
    boards = [state for (pk, _), state in pipeline.rows().items() if pk.startswith("T#")]
    assert len(boards) == 3
    for board in boards:  # which of the equal ones stay depends on their transactions
        assert sorted(board.values()) == [*[1] * (BOARD_PLACES - 1), 2]
        assert board[names[-1]] == 2
