"""However slow or stingy table and buckets are, every invocation brings the batch nearer to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import msgspec
import pytest
from consumer_world import DAY_S, Pipeline, counts, expected, record

from event_strategies import NOON, rfc3339
from tapstack.consumer.records import StreamRecord
from tapstack.ports import Clock, CommitConflict, Key, ObjectStore, Row, RowWrite, StateTable
from tapstack.testing import FaultScript, Injection

TIMEOUT_MS = 60_000


class Stingy:
    """A table that gives few of the rows it is asked for, and takes its time."""

    def __init__(self, table: StateTable, clock: Clock, *, rows_a_read: int = 100, read_ms: int = 0) -> None:
        self._table, self._clock = table, clock
        self._rows_a_read, self._read_ms = rows_a_read, read_ms
        self.reads = 0

    def read(
        self, keys: Sequence[Key], *, consistent: bool = False
    ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        self.reads += 1
        self._clock.sleep_ms(self._read_ms)
        rows, left = self._table.read(keys[: self._rows_a_read], consistent=consistent)
        return rows, [*left, *keys[self._rows_a_read :]]

    def commit(self, writes: Sequence[RowWrite]) -> CommitConflict | None:
        return self._table.commit(writes)


class Slow:
    """A bucket that takes its time."""

    def __init__(self, bucket: ObjectStore, clock: Clock, put_ms: int) -> None:
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
        assert resumed > begun[-1] or report.applied, "an invocation that brought nothing"
        begun.append(resumed)
    return begun


def countdown(pipeline: Pipeline, end_ms: int) -> Callable[[], int]:
    return lambda: end_ms - pipeline.clock.now_ms()


VIEWS = [view(number) for number in range(500)]


@pytest.mark.parametrize("rows_a_read", [1, 20, 99])
def test_a_table_that_leaves_keys_unprocessed_is_waited_for(rows_a_read: int) -> None:
    pipeline = Pipeline()
    table = Stingy(pipeline.world.table, pipeline.clock, rows_a_read=rows_a_read)
    pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
    invocations(pipeline, VIEWS)
    assert counts(pipeline) == {**expected(VIEWS), "boards": counts(pipeline)["boards"]}


def test_reads_stop_when_time_is_nearly_over_and_what_was_read_is_committed() -> None:
    pipeline = Pipeline()
    table = Stingy(pipeline.world.table, pipeline.clock, read_ms=2_900)
    pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
    start_ms = pipeline.clock.now_ms()
    report = pipeline.run(VIEWS, countdown(pipeline, start_ms + 30_000))
    assert report.applied > 0
    assert report.resume_from is not None
    assert pipeline.clock.now_ms() < start_ms + 30_000


ASIDE = {
    "poison after a good record": [view(0), *map(poison, range(1, 400))],
    "late events": [late(number) for number in range(400)],
    "both among good ones": [(view, poison, late)[number % 3](number) for number in range(400)],
}


@pytest.mark.parametrize("put_ms", [200, 2_900])
@pytest.mark.parametrize("records", ASIDE.values(), ids=ASIDE)
def test_a_slow_bucket_is_filled_in_the_order_of_the_stream(records: list[StreamRecord], put_ms: int) -> None:
    pipeline = Pipeline()
    aside = Slow(pipeline.quarantine, pipeline.clock, put_ms), Slow(pipeline.late, pipeline.clock, put_ms)
    pipeline.world = msgspec.structs.replace(pipeline.world, quarantine=aside[0], late=aside[1])
    begun = invocations(pipeline, records)
    assert begun == sorted(set(begun))
    assert len(pipeline.quarantine.objects) + len(pipeline.late.objects) == sum(
        each.data == b"?" or each in ASIDE["late events"] for each in records
    )


def test_a_throttled_write_is_made_again_without_reading_anew() -> None:
    def reads(faults: dict[tuple[str, int], Injection]) -> int:
        pipeline = Pipeline(faults=FaultScript(faults))
        table = Stingy(pipeline.world.table, pipeline.clock)
        pipeline.world = msgspec.structs.replace(pipeline.world, table=table)
        assert pipeline.run(VIEWS).resume_from is None
        return table.reads

    throttled = {("TransactWriteItems", number): Injection("throttle_transaction") for number in (1, 2, 5)}
    assert reads(throttled) == reads({})
