"""A search term is a hash in every row until enough different users have searched for it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest
from consumer_world import TABLE, Pipeline, view

from event_strategies import NOON_S, stream_event
from tapstack.consumer.common_terms import READ_EVERY_S, USERS_MIN, CommonTerms
from tapstack.consumer.records import StreamRecord
from tapstack.core.rows import TERM_ROWS
from tapstack.core.search_terms import normalise_term, search_of
from tapstack.errors import Unavailable
from tapstack.ports import Row

QUERY = "Ann Example of Springfield"
TERM = normalise_term(QUERY)


def searched(number: int, user: str, query: str = QUERY) -> StreamRecord:
    return view(number, event_type="search", user_id=user, items=[], query=query)


def named(pipeline: Pipeline) -> list[tuple[str, str]]:
    """The rows that hold the term as it is."""
    return sorted(
        (item["pk"]["S"], item["sk"]["S"])
        for item in pipeline.dynamodb.items(TABLE)
        if TERM.encode() in base64.b64decode(item["s"]["B"])
    )


def users_apart(count: int) -> list[str]:
    """Users of different places in the term."""
    places: dict[int, str] = {}
    for number in range(1_000):
        found = search_of(
            stream_event(event_type="search", items=[], query=QUERY), f"U#user-{number}", NOON_S, NOON_S
        )
        assert found is not None
        places.setdefault(found.place, f"user-{number}")
    return list(places.values())[:count]


def run(pipeline: Pipeline, records: Sequence[StreamRecord]) -> None:
    assert pipeline.run(records).resume_from is None
    pipeline.project()
    pipeline.clock.advance_ms(READ_EVERY_S * 1000)


def test_a_term_is_stored_after_enough_users_and_not_before() -> None:
    pipeline = Pipeline()
    for number, user in enumerate(users_apart(USERS_MIN)):
        run(pipeline, [searched(number, user)])
        assert named(pipeline) == []
    run(pipeline, [searched(99, "user-0", QUERY.upper() + "  ")])
    number = NOON_S - 60
    assert named(pipeline) == [
        ("J#0000", f"{USERS_MIN + 1:020d}"),
        (f"Q#1d#{number // 86_400}", "0000"),
        (f"Q#1h#{number // 3_600}", "0000"),
        (f"Q#5m#{number // 300}", "0000"),
    ]


def test_one_user_who_searches_all_day_names_nothing() -> None:
    pipeline = Pipeline()
    for start in range(0, 300, 30):
        run(pipeline, [searched(start + number, "ann") for number in range(30)])
    assert named(pipeline) == []
    [row] = [item for item in pipeline.dynamodb.items(TABLE) if item["pk"]["S"].startswith("Q#1d#")]
    [term] = TERM_ROWS.body(base64.b64decode(row["s"]["B"])).values()
    assert (term.count, term.places.bit_count()) == (300, 1)


def test_all_searches_of_a_batch_are_hashes_however_many_users_it_has() -> None:
    # Who was first is not known while they are counted: a term is named by a later batch.
    pipeline = Pipeline()
    run(pipeline, [searched(number, f"user-{number}") for number in range(60)])
    assert named(pipeline) == []


class Table:
    """`StateTable`, as far as it is read here."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.rows: list[Row] = []
        self.error: Exception | None = None

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        self.asked.append(pk)
        if self.error is not None:
            raise self.error
        return self.rows


def test_todays_and_yesterdays_rows_are_read_once_a_minute() -> None:
    table, common = Table(), CommonTerms()
    for after_s in (0, 0, 1, READ_EVERY_S - 1, READ_EVERY_S):
        common.update(table, NOON_S + after_s)  # type: ignore[arg-type]
    today = NOON_S // 86_400
    assert table.asked == 2 * [f"Q#1d#{today}", f"Q#1d#{today - 1}"]


@pytest.mark.parametrize("error", [Unavailable("away"), None])
def test_a_row_that_cannot_be_read_names_nothing_and_stops_nothing(error: Exception | None) -> None:
    table, common = Table(), CommonTerms(1)
    table.error = error
    table.rows = [] if error else [Row(key=("Q", "0"), version=1, state=b"spoilt")]  # type: ignore[arg-type]
    common.update(table, NOON_S)  # type: ignore[arg-type]
    assert 1 not in common
    common.update(table, NOON_S + 1)  # type: ignore[arg-type]
    assert len(table.asked) <= 2, "it is asked again a minute later"
