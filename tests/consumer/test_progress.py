"""Every invocation advances the checkpoint, however slow or throttled table and buckets are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import msgspec
import pytest
from consumer_world import DAY_S, Pipeline, counts, expected, record

from event_strategies import NOON, rfc3339
from tapstack.consumer.records import StreamRecord
from tapstack.dead_letters import LATE, QUARANTINE
from tapstack.errors import Throttled
from tapstack.ports import Clock, CommitConflict, Key, ObjectWriter, Row, RowWrite, StateTable
from tapstack.retry_budget import MARGIN_MS
from tapstack_emulator import FaultScript, Injection

TIMEOUT_MS = 60_000


class Limited:
    """A slow table that returns few rows a read."""

    def __init__(
        self, table: StateTable, clock: Clock, *, rows_a_read: int = 100, read_ms: int = 0, write_ms: int = 0
    ) -> None:
        self._table, self._clock = table, clock
        self._rows_a_read, self._read_ms, self._write_ms = rows_a_read, read_ms, write_ms
        self.reads = 0

    def read(
        self, keys: Sequence[Key], *, consistent: bool = False
    ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        self.reads += 1
        self._clock.sleep_ms(self._read_ms)
        rows, left = self._table.read(keys[: self._rows_a_read], consistent=consistent)
        return rows, [*left, *keys[self._rows_a_read :]]

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        return self._table.read_prefix(pk, sk_prefix)

    def commit(self, writes: Sequence[RowWrite]) -> CommitConflict | None:
        self._clock.sleep_ms(self._write_ms)
        return self._table.commit(writes)


class Provisioned:
    """A table of so many read units a second, with none saved up: half a unit a row, all are small."""

    def __init__(self, table: StateTable, clock: Clock, units_per_s: float) -> None:
        self._table, self._clock, self._units_per_s = table, clock, units_per_s
        self._since_ms = clock.now_ms()
        self.reads = 0

    def read(
        self, keys: Sequence[Key], *, consistent: bool = False
    ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        self.reads += 1
        self._clock.sleep_ms(5)
        ms_a_row = (1 if consistent else 0.5) / self._units_per_s * 1_000
        count = min(len(keys), int((self._clock.now_ms() - self._since_ms) // ms_a_row))
        if not count:
            raise Throttled("dynamodb: ProvisionedThroughputExceededException")
        self._since_ms += int(count * ms_a_row)
        rows, left = self._table.read(keys[:count], consistent=consistent)
        return rows, [*left, *keys[count:]]

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        return self._table.read_prefix(pk, sk_prefix)

    def commit(self, writes: Sequence[RowWrite]) -> CommitConflict | None:
        self._clock.sleep_ms(10)
        return self._table.commit(writes)


class Slow:
    """A bucket that takes its time."""

    def __init__(self, bucket: ObjectWriter, clock: Clock, put_ms: int) -> None:
        self._bucket, self._clock, self._put_ms = bucket, clock, put_ms

    def put(self, key: str, body: bytes) -> None:
        self._clock.sleep_ms(self._put_ms)
        self._bucket.put(key, body)


def view(number: int, **changes: object) -> StreamRecord:
    event = {"event_id": f"e-{number}", "user_id": f"u-{number}", "items": [{"item_id": f"i-{number}"}]}
    return record(number, {**event, "occurred_at": "2026-03-10T11:59:00Z", **changes})


def poison(number: int) -> StreamRecord:
    return record(number, b"?")


def late(number: int) -> StreamRecord:
    return view(number, occurred_at=rfc3339(NOON - timedelta(seconds=30 * DAY_S)))


def invocations(pipeline: Pipeline, records: Sequence[StreamRecord]) -> list[int]:
    """Redeliver until all is done; tell at which record each invocation began."""
    numbers = [each.sequence_number for each in records]
    begun = [0]
    while begun[-1] < len(records):
        end_ms = pipeline.clock.now_ms() + TIMEOUT_MS
        report = pipeline.run(records[begun[-1] :], countdown(pipeline, end_ms))
        resumed = len(records) if report.resume_from is None else numbers.index(report.resume_from)
        assert resumed > begun[-1], "an invocation that did not move on"
        begun.append(resumed)
    return begun


def countdown(pipeline: Pipeline, end_ms: int) -> Callable[[], int]:
    return lambda: end_ms - pipeline.clock.now_ms()


BACKLOG = [view(number) for number in range(1_500)]
VIEWS = BACKLOG[:500]


@pytest.mark.parametrize("rows_a_read", [1, 20, 99])
def test_a_table_that_leaves_keys_unprocessed_is_waited_for(rows_a_read: int) -> None:
    pipeline = Pipeline()
    table = Limited(pipeline.world.table, pipeline.clock, rows_a_read=rows_a_read)
    pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
    invocations(pipeline, VIEWS)
    assert counts(pipeline) == {**expected(VIEWS), "boards": counts(pipeline)["boards"]}


def shown(number: int, items: int) -> StreamRecord:
    ids = [{"item_id": f"i-{number}-{position}"} for position in range(items)]
    return view(number, event_type="item_list_view", items=ids)


BACKLOGS = {
    "views": VIEWS,
    "lists of 24": [shown(number, 24) for number in range(250)],
    "lists of 100": [shown(number, 100) for number in range(40)],
    "popular items": [view(number, items=[{"item_id": f"i-{number % 7}"}]) for number in range(300)],
    "one user": [view(number, user_id="u", items=[{"item_id": f"i-{number}"}]) for number in range(60)],
    "after poison": [poison(0), *[shown(number, 24) for number in range(1, 100)]],
    "after late events": [*map(late, range(3)), *[shown(number, 24) for number in range(3, 100)]],
}


@pytest.mark.parametrize("units_per_s", [1.25, 6, 50])
@pytest.mark.parametrize("records", BACKLOGS.values(), ids=BACKLOGS)
def test_a_backlog_is_worked_off_with_few_read_units(records: list[StreamRecord], units_per_s: float) -> None:
    pipeline = Pipeline()
    table = Provisioned(pipeline.world.table, pipeline.clock, units_per_s)
    pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
    begun = invocations(pipeline, records)
    needed_s = len(records) / 2 / units_per_s  # a user's row each
    assert len(begun) <= 3 + 5 * needed_s / ((TIMEOUT_MS - MARGIN_MS) / 1_000)
    letters = [poison(0), *map(late, range(3))]
    events = [each for each in records if each not in letters]
    assert counts(pipeline)["items"] == expected(events)["items"]
    assert len(pipeline.letters(LATE)) + len(pipeline.letters(QUARANTINE)) == len(records) - len(events)


@pytest.mark.parametrize("units_per_s", [1.25, 6])
def test_a_throttled_table_is_not_read_all_the_time(units_per_s: float) -> None:
    pipeline = Pipeline()
    table = Provisioned(pipeline.world.table, pipeline.clock, units_per_s)
    pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
    began_ms = pipeline.clock.now_ms()
    invocations(pipeline, VIEWS)
    assert table.reads < 4 * (pipeline.clock.now_ms() - began_ms) / 1_000


@pytest.mark.parametrize("read_ms", [500, 2_900])
@pytest.mark.parametrize("records", BACKLOGS.values(), ids=BACKLOGS)
def test_a_backlog_is_worked_off_with_slow_reads(records: list[StreamRecord], read_ms: int) -> None:
    pipeline = Pipeline()
    table = Limited(pipeline.world.table, pipeline.clock, read_ms=read_ms)
    pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
    assert len(invocations(pipeline, records)) <= 2 + len(records) // 10


@pytest.mark.parametrize(("read_ms", "write_ms"), [(2_900, 0), (2_900, 2_900), (5_900, 0), (5_900, 5_900)])
def test_nothing_is_begun_when_time_is_nearly_over_and_what_was_read_is_committed(
    read_ms: int, write_ms: int
) -> None:
    for timeout_ms in range(30_000, 45_000, 700):
        pipeline = Pipeline()
        table = Limited(pipeline.world.table, pipeline.clock, read_ms=read_ms, write_ms=write_ms)
        pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
        start_ms = pipeline.clock.now_ms()
        report = pipeline.run(BACKLOG, countdown(pipeline, start_ms + timeout_ms))
        assert report.applied > 0
        assert report.resume_from is not None
        assert pipeline.clock.now_ms() < start_ms + timeout_ms


DEAD_LETTERS = {
    "poison after a good record": [view(0), *map(poison, range(1, 400))],
    "late events": [late(number) for number in range(400)],
    "both among good ones": [(view, poison, late)[number % 3](number) for number in range(400)],
}


@pytest.mark.parametrize("put_ms", [200, 2_900])
@pytest.mark.parametrize("records", DEAD_LETTERS.values(), ids=DEAD_LETTERS)
def test_a_slow_bucket_gets_the_letters_of_a_batch_at_once(records: list[StreamRecord], put_ms: int) -> None:
    pipeline = Pipeline()
    slow = Slow(pipeline.quarantine, pipeline.clock, put_ms), Slow(pipeline.late, pipeline.clock, put_ms)
    pipeline.world = msgspec.structs.replace(pipeline.world, quarantine=slow[0], late=slow[1])
    begun = invocations(pipeline, records)
    assert begun == [0, len(records)]
    assert len(pipeline.letters(QUARANTINE)) + len(pipeline.letters(LATE)) == sum(
        each.data == b"?" or each in DEAD_LETTERS["late events"] for each in records
    )


def test_a_throttled_write_is_made_again_without_reading_anew() -> None:
    def reads(faults: dict[tuple[str, int], Injection]) -> int:
        pipeline = Pipeline(faults=FaultScript(faults))
        table = Limited(pipeline.world.table, pipeline.clock)
        pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
        assert pipeline.run(VIEWS).resume_from is None
        return table.reads

    throttled = {("TransactWriteItems", number): Injection("throttle_transaction") for number in (1, 2, 5)}
    assert reads(throttled) == reads({})
