"""What is set aside instead of counted: poison in quarantine, and events too old for their rows."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from consumer_world import NATIVE, SHARD, VIEWS, Pipeline, counted, record, view

from event_strategies import NOON, NOON_S, rfc3339
from tapstack.consumer.consume import Report
from tapstack.consumer.records import StreamRecord
from tapstack.core.events import EVENT_TYPES
from tapstack_emulator import FaultScript, Injection

POISON = {
    "not JSON": (b"\x00\xff", "expected JSON: invalid character, at byte 0"),
    "no event": (b"{}", "event_type: is required"),
    "of the future": (b'{"event_type":"teleport"}', f"event_type: expected one of {', '.join(EVENT_TYPES)}"),
    "nothing": (b"", "expected JSON: it ends too early, at byte 0"),
}


@pytest.mark.parametrize(("data", "reason"), POISON.values(), ids=POISON)
def test_poison_is_kept_whole_with_its_reason_and_harms_nobody(data: bytes, reason: str) -> None:
    pipeline = Pipeline()
    records = [view(0), record(1, data), view(2)]
    report = pipeline.run(records)
    assert (report.applied, report.quarantined, report.resume_from) == (2, 1, None)
    ((key, body),) = pipeline.quarantine.objects.items()
    assert key == f"quarantine/{SHARD}/{records[1].sequence_number}-0.json"
    kept = msgspec.json.decode(body)
    assert base64.b64decode(kept.pop("data")) == data
    assert kept == {
        "reason": reason,
        "shard_id": SHARD,
        "sequence_number": records[1].sequence_number,
        "arrived_at_s": NOON_S,
    }
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
    ((key, body),) = pipeline.late.objects.items()
    assert key == f"late/{SHARD}/{records[0].sequence_number}-0.json"
    kept = msgspec.json.decode(body)
    assert base64.b64decode(kept["data"]) == records[0].data
    assert kept["reason"] == "too_old"
    counted(pipeline, [records[1]])


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
    assert report.resume_from in {each.sequence_number for each in records[:2]}
    assert report.late == 0
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
