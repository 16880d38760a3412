"""Somebody else who writes to the stream: what he writes is no event, and the checker asks for all of it."""

from __future__ import annotations

from collections import Counter

import pytest
from reconcile_world import letter

from tapstack.core.events import decode_event
from tapstack.errors import InvalidEvent
from tapstack_emulator import ManualClock, MemoryKinesis
from tapstack_local.faults.invalid_records import NAME, InvalidRecordWriter
from tapstack_local.reconciliation.accepted_events import AcceptedEvents
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.tables import Tables


def written(seed: int, reads: list[int], every_records: int = 10) -> tuple[list[bytes], MemoryKinesis]:
    kinesis, counts = MemoryKinesis(ManualClock()), Counter[str]()
    kinesis.create_stream("s", 2)
    writer = InvalidRecordWriter(kinesis, "s", every_records=every_records, seed=seed, counts=counts)
    for records in reads:
        writer.note(records)
    assert counts[NAME] == len(writer.written)
    return writer.written, kinesis


def test_nothing_of_it_is_an_event_and_all_of_it_is_on_the_stream_and_different() -> None:
    records, kinesis = written(1, [1_000])
    assert 67 <= len(records) <= 200
    assert sorted(records) == sorted(record.data for record in kinesis.records("s"))
    assert len(set(records)) == len(records)
    reasons = set()
    for record in records:
        with pytest.raises(InvalidEvent) as refused:
            decode_event(record)
        reasons.add(refused.value.field)
    assert reasons >= {"", "schema", "event_type"}


@pytest.mark.parametrize("reads", [[1] * 600, [600], [599, 1], [0, 300, 300]])
def test_a_seed_gives_the_same_records_however_they_are_read(reads: list[int]) -> None:
    assert written(3, reads)[0] == written(3, [200, 400])[0]


STORED = [letter(data) for data in (b"a", b"b", b"b")]


@pytest.mark.parametrize(
    ("invalid", "lost", "overcounted"),
    [
        ([b"b", b"a", b"b"], 0, 0),
        ([b"a", b"b", b"b", b"c"], 1, 0),
        ([b"b", b"b", b"b", b"a"], 1, 0),
        ([b"a", b"b"], 0, 1),
        ([], 0, 0),  # whose they are, nobody knows
    ],
)
def test_each_is_in_quarantine_once(invalid: list[bytes], lost: int, overcounted: int) -> None:
    result = reconcile(AcceptedEvents(), Tables(quarantined=list(STORED)), invalid_records=invalid)
    assert (result.lost, result.overcounted) == (lost, overcounted)
