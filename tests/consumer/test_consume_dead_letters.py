"""Dead letters: poison in quarantine, and events that cannot be deduplicated in the late bucket.

Those of a batch go into one object for each prefix, before the batch, or the part of it that holds them, is
acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from consumer_world import NATIVE, SHARD, VIEWS, Pipeline, counted, record, view
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import NOON, NOON_S, rfc3339
from tapstack.consumer.consume import Report
from tapstack.consumer.records import StreamRecord
from tapstack.core.events import EVENT_TYPES
from tapstack.dead_letters import LATE, QUARANTINE, Coordinates, DeadLetter
from tapstack.retry_budget import MARGIN_MS
from tapstack_emulator import FaultScript, Injection, MemoryBucket

POISON = {
    "not JSON": (b"\x00\xff", "not_json", "expected JSON: invalid character, at byte 0"),
    "no event": (b"{}", "invalid_event", "event_type: is required"),
    "of the future": (
        b'{"event_type":"teleport"}',
        "invalid_event",
        f"event_type: expected one of {', '.join(EVENT_TYPES)}",
    ),
    "nothing": (b"", "not_json", "expected JSON: it ends too early, at byte 0"),
}


@pytest.mark.parametrize(("data", "reason", "detail"), POISON.values(), ids=POISON)
def test_poison_is_kept_whole_with_its_reason_and_harms_nobody(data: bytes, reason: str, detail: str) -> None:
    pipeline = Pipeline()
    records = [view(0), record(1, data), view(2)]
    report = pipeline.run(records)
    assert (report.applied, report.quarantined, report.resume_from) == (2, 1, None)
    number = records[1].sequence_number
    assert report.dead_letter_keys == [f"quarantine/2026-03-10/{SHARD}/{number}-{number}.ndjson"]
    assert pipeline.letters(QUARANTINE) == [
        DeadLetter(
            reason=reason,
            detail=detail,
            shard_id=SHARD,
            sequence_number=number,
            arrived_at_s=NOON_S,
            data=data,
        )
    ]
    counted(pipeline, [records[0], records[2]])


def test_poison_that_comes_again_is_kept_once() -> None:
    pipeline = Pipeline()
    for _ in range(3):
        pipeline.run([record(1, b"?")])
    assert len(pipeline.quarantine.objects) == 1


@pytest.mark.parametrize("fault", ["throttle", "internal_error", "lost_request"])
def test_poison_that_cannot_be_kept_is_not_done_and_holds_up_no_counting(fault: Any) -> None:
    refusals = FaultScript({n: Injection(fault) for n in range(1, 99)})
    pipeline = Pipeline(bucket_faults=refusals)
    records = [view(0), record(1, b"?"), view(2)]
    report = pipeline.run(records)
    assert report.resume_from == records[1].sequence_number
    assert (report.quarantined, report.applied) == (0, 2)
    assert report.reason
    assert not pipeline.quarantine.objects
    counted(pipeline, [records[0], records[2]])


@pytest.mark.parametrize("fault", ["throttle", "internal_error", "lost_request", "lost_response"])
def test_a_bucket_that_fails_once_is_asked_again(fault: Any) -> None:
    pipeline = Pipeline(bucket_faults=FaultScript({1: Injection(fault)}))
    assert pipeline.run([record(1, b"?")]).quarantined == 1
    assert len(pipeline.quarantine.objects) == 1


def old(number: int, days: float, **changes: Any) -> StreamRecord:
    return view(number, occurred_at=rfc3339(NOON - timedelta(days=days)), **changes)


def test_an_event_older_than_rows_remember_is_kept_and_not_counted() -> None:
    pipeline = Pipeline()
    records = [old(0, 20.5), old(1, 19.5)]
    report = pipeline.run(records)
    assert (report.late, report.applied, report.resume_from) == (1, 1, None)
    (letter,) = pipeline.letters(LATE)
    told = letter.data, letter.reason, letter.detail, letter.event_id
    assert told == (records[0].data, "too_old", "", "e-0")
    assert letter.coordinates == (SHARD, records[0].sequence_number)
    counted(pipeline, [records[1]])


@pytest.mark.parametrize(("waited_days", "late"), [(0, 1), (0.9, 1), (1.1, 0), (1.9, 0)])
def test_an_event_that_waited_in_the_spill_bucket_is_as_old_as_it_was_when_it_was_accepted(
    waited_days: float, late: int
) -> None:
    pipeline = Pipeline()
    report = pipeline.run([old(0, 21, received_at=NOON - timedelta(days=waited_days))])
    assert (report.late, report.applied) == (late, 1 - late)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
@pytest.mark.parametrize("identity", [{}, NATIVE], ids=["id", "native"])
def test_a_clock_that_never_was_set_makes_an_event_late(text: str, identity: dict[str, Any]) -> None:
    pipeline = Pipeline()
    assert pipeline.run([view(1, occurred_at=text, **identity)]).late == 1


def test_a_burst_of_third_party_events_in_order_is_counted_whole() -> None:
    """More ids in one second than a row remembers: none may push out its own second."""
    pipeline = Pipeline()
    records = [
        view(n, occurred_at=rfc3339(NOON - timedelta(seconds=1) + timedelta(milliseconds=4 * n)))
        for n in range(200)
    ]
    report = pipeline.run(records)
    assert (report.applied, report.late) == (200, 0)


def test_an_old_event_that_the_row_knows_is_a_duplicate() -> None:
    pipeline = Pipeline()
    event = old(0, 19.9)
    pipeline.run([event])
    again = msgspec.structs.replace(event, arrived_at_s=NOON_S + 86_400)
    assert pipeline.run([again]).duplicates == 1


def test_a_late_event_that_cannot_be_kept_is_not_done_though_its_neighbours_are() -> None:
    pipeline = Pipeline(bucket_faults=FaultScript({n: Injection("internal_error") for n in range(1, 99)}))
    records = [view(0), old(1, 30), view(2)]
    report = pipeline.run(records)
    assert (report.resume_from, report.applied, report.late) == (records[1].sequence_number, 2, 0)
    again = Pipeline(on_table_of=pipeline)
    report = again.run(records)
    assert (report.applied, report.late, report.resume_from) == (0, 1, None)
    counted(again, [records[0], records[2]])


def test_every_record_ends_up_counted_known_late_or_in_quarantine() -> None:
    pipeline = Pipeline()
    records = [view(0), record(1, b"?"), old(2, 40), view(3), view(0), *VIEWS]
    records = [msgspec.structs.replace(each, sequence_number=str(n)) for n, each in enumerate(records)]
    report = pipeline.run(records)
    assert (
        report.applied + report.duplicates + report.late + report.quarantined
        == report.records
        == len(records)
    )


def test_an_empty_batch_is_done() -> None:
    assert Pipeline().run([]) == Report(records=0)


# One object for each prefix.

kinds = st.lists(st.sampled_from(["good", "poison", "old"]), min_size=1, max_size=12)


def made(number: int, kind: str) -> StreamRecord:
    if kind == "poison":
        return record(number, b"?")
    return old(number, {"good": 0, "old": 30}[kind])


def coordinates(records: Sequence[StreamRecord], kinds: Sequence[str]) -> dict[str, set[Coordinates]]:
    """What must be among the dead letters of records of these kinds, by prefix."""
    found: dict[str, set[Coordinates]] = {LATE: set(), QUARANTINE: set()}
    for each, kind in zip(records, kinds, strict=True):
        if kind != "good":
            prefix = QUARANTINE if kind == "poison" else LATE
            found[prefix].add(Coordinates(each.shard_id, each.sequence_number))
    return found


def stored(pipeline: Pipeline) -> dict[str, set[Coordinates]]:
    return {prefix: {each.coordinates for each in pipeline.letters(prefix)} for prefix in (LATE, QUARANTINE)}


@given(kinds)
def test_a_batch_makes_one_put_for_each_prefix_at_most_and_again_the_same(kinds: list[str]) -> None:
    pipeline = Pipeline()
    records = [made(number, kind) for number, kind in enumerate(kinds)]
    pipeline.run(records)
    puts = [*pipeline.late.puts, *pipeline.quarantine.puts]
    assert len(pipeline.late.puts) <= 1
    assert len(pipeline.quarantine.puts) <= 1
    assert stored(pipeline) == coordinates(records, kinds)
    pipeline.run(records)
    assert [*pipeline.late.puts, *pipeline.quarantine.puts] == sorted(2 * puts)
    assert stored(pipeline) == coordinates(records, kinds)


@given(kinds, st.sets(st.integers(1, 9)), st.sets(st.integers(1, 9)), st.integers(0, 2**32))
def test_what_an_invocation_acknowledges_is_counted_or_a_stored_letter(
    kinds: list[str], bucket_failures: set[int], table_failures: set[int], seed: int
) -> None:
    """However buckets and table fail, and wherever the batch is begun anew."""
    faults = FaultScript({("TransactWriteItems", n): Injection("access_denied") for n in table_failures})
    bucket_faults = FaultScript({n: Injection("internal_error") for n in bucket_failures})
    pipeline = Pipeline(faults=faults, bucket_faults=bucket_faults, seed=seed)
    records = [made(number, kind) for number, kind in enumerate(kinds)]
    expected, begin = coordinates(records, kinds), 0
    for _ in range(99):
        time_ms = iter([60_000] * 6)
        report = pipeline.run(records[begin:], lambda left=time_ms: next(left, MARGIN_MS))  # type: ignore[misc]
        numbers = [each.sequence_number for each in records]
        end = len(records) if report.resume_from is None else numbers.index(report.resume_from)
        found, due = stored(pipeline), coordinates(records[:end], kinds[:end])
        assert all(due[prefix] <= found[prefix] <= expected[prefix] for prefix in due)
        done = coordinates(records[begin:end], kinds[begin:end])
        assert report.late >= len(done[LATE])  # more if the other bucket fails: those come again
        assert report.quarantined >= len(done[QUARANTINE])
        begin = end
        if report.resume_from is None:
            break
    assert begin == len(records)
    counted(pipeline, [each for each, kind in zip(records, kinds, strict=True) if kind == "good"])


@pytest.mark.parametrize("boundaries", [[0, 3, 9], [0, 1, 2, 5, 9], [0, 9]])
def test_letters_that_come_again_in_other_batches_are_read_once(boundaries: list[int]) -> None:
    pipeline = Pipeline()
    kinds = ["old", "good", "poison"] * 3
    records = [made(number, kind) for number, kind in enumerate(kinds)]
    pipeline.run(records)
    for begin, end in pairwise(boundaries):
        pipeline.run(records[begin:end])
    assert stored(pipeline) == coordinates(records, kinds)
    assert len(pipeline.letters(LATE)) == len(pipeline.letters(QUARANTINE)) == 3


def test_a_table_that_fails_half_way_leaves_the_letters_before_that_stored() -> None:
    pipeline = Pipeline(
        faults=FaultScript({("TransactWriteItems", n): "access_denied" for n in range(1, 99)})
    )
    records = [record(0, b"?"), record(1, b"?"), view(2), old(3, 30), record(4, b"?")]
    report = pipeline.run(records)
    assert (report.resume_from, report.quarantined, report.late) == (records[2].sequence_number, 2, 0)
    assert stored(pipeline) == coordinates(records[:2], ["poison", "poison"])


def test_where_table_and_bucket_fail_the_report_says_why_counting_stopped() -> None:
    pipeline = Pipeline(
        faults=FaultScript({("TransactWriteItems", n): "access_denied" for n in range(1, 99)}),
        bucket_faults=FaultScript({n: Injection("internal_error") for n in range(1, 99)}),
    )
    report = pipeline.run([record(0, b"?"), view(1)])
    assert str(report.reason).startswith("Unavailable: dynamodb: AccessDeniedException")


def test_a_bucket_that_fails_holds_up_no_letters_before_its_first() -> None:
    pipeline = Pipeline()
    refusing = MemoryBucket(FaultScript({n: Injection("internal_error") for n in range(1, 99)}))
    pipeline.world = msgspec.structs.replace(pipeline.world, late=refusing)
    records = [record(0, b"?"), view(1), old(2, 30), record(3, b"?")]
    report = pipeline.run(records)
    assert (report.resume_from, report.quarantined, report.late) == (records[2].sequence_number, 2, 0)
    assert "internal_error" not in (report.reason or "")


def test_a_thousand_events_of_1999_are_one_put() -> None:
    pipeline = Pipeline()
    records = [view(n, user_id=f"u-{n}", occurred_at="1999-12-31T23:59:59Z") for n in range(1_000)]
    report = pipeline.run(records)
    assert (report.late, len(pipeline.late.puts), len(pipeline.quarantine.puts)) == (1_000, 1, 0)
