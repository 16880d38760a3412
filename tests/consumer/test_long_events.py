"""An event of more items than one transaction holds is counted whole or not at all."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from consumer_world import DAY_S, Pipeline, counts, record
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, rfc3339
from examples import share
from tapstack.consumer.records import StreamRecord
from tapstack.core.memory import PARTS_MAX
from tapstack.ports import CommitConflict, Key, Row, RowWrite, StateTable
from tapstack_emulator import Crash, FaultScript, Injection

CLIENT = "01890000-ac96-774b-bcce-b302099a8057"
IDENTITIES: dict[str, dict[str, Any]] = {
    "native": {"client_id": CLIENT, "n": 5},
    "id": {"event_id": "long", "occurred_at": rfc3339(NOON - timedelta(days=1))},
    "id of no time": {"event_id": "long"},
}
STOPS: dict[str, dict[Any, Any]] = {
    "nothing": {},
    "dies before the second part": {("TransactWriteItems", 2): "crash_before"},
    "dies after the first part": {("TransactWriteItems", 1): "crash_after"},
    "dies after the second part": {("TransactWriteItems", 2): "crash_after"},
    "does not hear of the first part": {("TransactWriteItems", 1): "lost_response"},
    "is refused the second part": {("TransactWriteItems", n): "throttle_api" for n in range(2, 99)},
}


def long_event(number: int = 0, *, arrived_at_s: int = NOON_S, **changes: Any) -> StreamRecord:
    event = {"event_id": f"long-{number}", "occurred_at": rfc3339(NOON), **changes}
    items = [{"item_id": f"long-{number}-{n}"} for n in range(100)]
    return record(1_000 + number, {**event, "items": items}, arrived_at_s)


def others(drawn: random.Random, count: int) -> list[StreamRecord]:
    """Events of the same user with whatever identities raise its floors."""
    events = []
    for _ in range(count):
        number = drawn.randrange(10**6)
        change: dict[str, Any] = {"event_id": f"e-{number}", "items": [{"item_id": f"i-{number % 9}"}]}
        if drawn.random() < 0.3:
            born = drawn.choice(["0188", "0189", "ffff"])
            change |= {
                "client_id": f"{born}{number % 40:04x}-ac96-774b-bcce-b302099a8057",
                "n": number % 1_000,
            }
        elif drawn.random() < 0.8:
            change["occurred_at"] = rfc3339(NOON - timedelta(seconds=drawn.randrange(2 * DAY_S)))
        events.append(record(number, change))
    return events


def counted(pipeline: Pipeline, number: int = 0) -> list[int]:
    """How often each item of a long event is counted, for those that are."""
    items = counts(pipeline)["items"]
    return [n for (pk, _), n in items.items() if pk.startswith(f"I#long-{number}-")]


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
@pytest.mark.parametrize("identity", IDENTITIES.values(), ids=IDENTITIES)
@given(seed=st.integers(0, 2**32), sizes=st.tuples(*[st.sampled_from([0, 1, 20, 70, 150])] * 3))
@share(0.25)
def test_it_is_whole_whatever_happens_in_between(
    stop: dict[Any, Any], identity: dict[str, Any], seed: int, sizes: tuple[int, int, int]
) -> None:
    drawn = random.Random(seed)
    unlucky = Pipeline(faults=FaultScript(stop))
    lucky = Pipeline(on_table_of=unlucky)
    event = long_event(**identity)
    for kind, size in zip(("before", "between", "after"), sizes, strict=True):
        if kind == "between":
            with suppress(Crash):
                unlucky.run([event])
        batch = others(drawn, size)
        if kind != "before" and drawn.random() < 0.5:
            batch.insert(drawn.randrange(size + 1), event)
        assert lucky.run(batch).resume_from is None
    assert lucky.run([event, event]).resume_from is None
    found = counted(lucky)
    assert found in ([], [1] * 100)
    late = [key for key in [*unlucky.late.objects, *lucky.late.objects] if event.sequence_number in key]
    assert found or late
    assert all(key.endswith("-0.json") for key in late), "a further part is never LATE"
    assert lucky.rows()["U#ann", "-"].seen.parts == []
    before = lucky.rows()
    lucky.run([event])
    assert lucky.rows() == before


@given(st.integers(1, 8), st.integers(0, 12))
@share(0.5)
def test_two_invocations_count_it_once(moment: int, size: int) -> None:
    """Another invocation of the same records runs as a whole before a transaction of this one."""
    pipeline = Pipeline()
    batch = [*others(random.Random(size), size), long_event(), long_event(1), long_event()]
    pipeline.watched.before_transaction[moment] = lambda: pipeline.run(batch)
    assert pipeline.run(batch).resume_from is None
    pipeline.run(batch)
    assert counted(pipeline, 0) == counted(pipeline, 1) == [1] * 100
    assert pipeline.rows()["U#ann", "-"].seen.parts == []


def halved(*numbers: int) -> Pipeline:
    """A table in which only the first parts of long events are counted."""
    table = Pipeline()
    for number in numbers:
        refusals = {("TransactWriteItems", n): Injection("throttle_api") for n in range(2, 99)}
        pipeline = Pipeline(faults=FaultScript(refusals), on_table_of=table)
        assert pipeline.run([long_event(number)]).applied == 1
    return table


@pytest.mark.parametrize("days", [0, 19, 21, 29])
def test_a_part_follows_its_event_however_old_the_copy_is_that_brings_it(days: int) -> None:
    # A batch that the mapping gave up and somebody put on the stream again.
    pipeline = halved(0)
    report = pipeline.run([long_event(arrived_at_s=NOON_S + days * DAY_S)])
    assert (report.applied, report.duplicates, report.late) == (1, 1, 0)
    assert counted(pipeline) == [1] * 100


def test_an_event_that_is_too_old_is_late_once_and_no_part_of_it_is_counted() -> None:
    pipeline = Pipeline()
    event = long_event(arrived_at_s=NOON_S + 21 * DAY_S)
    report = pipeline.run([event])
    assert (report.applied, report.late, report.resume_from) == (0, 1, None)
    assert counted(pipeline) == []
    (body,) = pipeline.late.objects.values()
    assert msgspec.json.decode(body)["sequence_number"] == event.sequence_number


def test_a_row_that_expects_as_many_parts_as_it_may_begins_no_other_long_event() -> None:
    pipeline = halved(*range(PARTS_MAX))
    report = pipeline.run([long_event(99), record(1, {"event_id": "short"})])
    assert (report.applied, report.late, report.resume_from) == (1, 1, None)
    assert counted(pipeline, 99) == []
    report = pipeline.run([long_event(number) for number in range(PARTS_MAX)])
    assert report.applied == PARTS_MAX
    assert all(counted(pipeline, number) == [1] * 100 for number in range(PARTS_MAX))
    assert pipeline.run([long_event(100)]).applied == 2  # there is room again
    assert counted(pipeline, 99) == []


@pytest.mark.parametrize(
    "refusal", ["transaction_conflict", "lost_request", "lost_response", "internal_error"]
)
@pytest.mark.parametrize("name", IDENTITIES)
def test_a_further_part_is_not_judged_by_a_row_older_than_its_event(name: str, refusal: str) -> None:
    """The first part is counted, the second refused, and the user's row read again: as it was before both.

    The row of before knows neither the event nor that a part is expected: DUP by it would lose the part.
    """
    refused = Injection(refusal, (0,)) if refusal == "transaction_conflict" else Injection(refusal)
    stale = {("BatchGetItem", n): Injection("stale_read") for n in range(2, 99)}
    pipeline = Pipeline(faults=FaultScript({("TransactWriteItems", 2): refused, **stale}))
    said = [long_event(**{"event_id": None, "occurred_at": None, **IDENTITIES[name]})]
    report = pipeline.run(said)
    assert report.resume_from is None
    assert sum(count for _, count in counts(pipeline)["items"].items()) == 100


class Stale:
    """A table whose eventually consistent reads show one row as it was."""

    def __init__(self, table: StateTable, row: Row) -> None:
        self._table, self._row = table, row

    def read(
        self, keys: Sequence[Key], *, consistent: bool = False
    ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        rows, left = self._table.read(keys, consistent=consistent)
        shown = {} if consistent or self._row.key not in rows else {self._row.key: self._row}
        return {**rows, **shown}, left

    def commit(self, writes: Sequence[RowWrite]) -> CommitConflict | None:
        return self._table.commit(writes)


def test_a_stale_row_without_room_makes_no_part_of_a_counted_event_a_duplicate() -> None:
    """Another invocation made room, and one that began the event died: the row of before shows neither."""
    pipeline = halved(*range(PARTS_MAX))
    key = Key("U#ann", "-")
    before = pipeline.world.table.read([key])[0][key]
    assert pipeline.run([long_event(0)]).applied == 1
    dying = Pipeline(
        on_table_of=pipeline, faults=FaultScript({("TransactWriteItems", 2): Injection("crash_before")})
    )
    with suppress(Crash):
        dying.run([long_event(99)])
    again = Pipeline(on_table_of=pipeline)
    again.world = msgspec.structs.replace(again.world, table=Stale(again.world.table, before))
    report = again.run([long_event(99)])
    assert (report.applied, report.duplicates, report.late, report.resume_from) == (1, 1, 0, None)
    assert counted(again, 99) == [1] * 100
