"""Putting records: only what has a sequence number is stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tapstack.aws.kinesis import KinesisWriter
from tapstack.errors import OutcomeUnknown, TapstackError, Throttled, Unavailable
from tapstack.ports import StreamEntry
from tapstack_emulator import FaultScript, FaultyApi, Injection, MemoryKinesis

ENTRIES = [StreamEntry(partition_key=f"k{number}", data=bytes([number])) for number in range(3)]
STORED = {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}


class Answering:
    def __init__(self, *records: dict[str, Any]) -> None:
        self._answer = msgspec.json.encode({"FailedRecordCount": 0, "Records": records})

    def call(self, operation: str, body: bytes) -> bytes:
        return self._answer


def test_entries_are_stored_as_given() -> None:
    kinesis = MemoryKinesis()
    kinesis.create_stream("s", 2)
    assert KinesisWriter(kinesis, "s").put(ENTRIES) == [True] * 3
    assert {(record.partition_key, record.data) for record in kinesis.records("s")} == {
        (entry.partition_key, entry.data) for entry in ENTRIES
    }


RESULTS: dict[str, tuple[dict[str, Any], bool]] = {
    "stored": (STORED, True),
    "refused": ({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow"}, False),
    "neither": ({}, False),
    "both": ({**STORED, "ErrorCode": "InternalFailure"}, False),
    "nulls": ({"SequenceNumber": None, "ErrorCode": "InternalFailure"}, False),
}


@pytest.mark.parametrize(("result", "is_stored"), RESULTS.values(), ids=RESULTS)
def test_an_entry_is_stored_if_it_has_a_number_and_no_error(result: dict[str, Any], is_stored: bool) -> None:
    assert KinesisWriter(Answering(STORED, result), "s").put(ENTRIES[:2]) == [True, is_stored]


def test_a_result_for_each_entry_or_none_counts() -> None:
    with pytest.raises(Unavailable, match=r"^kinesis: 1 results for 2 records$"):
        KinesisWriter(Answering(STORED), "s").put(ENTRIES[:2])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("throttle", Throttled),
        ("throttle_api", Throttled),
        ("internal_error", OutcomeUnknown),
        ("access_denied", Unavailable),
        ("lost_request", OutcomeUnknown),
        ("lost_response", OutcomeUnknown),
    ],
)
def test_a_call_that_fails_as_a_whole_raises(fault: Any, expected: type[TapstackError]) -> None:
    kinesis = MemoryKinesis()
    kinesis.create_stream("s")
    with pytest.raises(expected) as caught:
        KinesisWriter(FaultyApi(kinesis, FaultScript({1: Injection(fault)})), "s").put(ENTRIES)
    assert type(caught.value) is expected
    if not fault.startswith("lost"):  # an error that AWS answered names the service that did
        assert str(caught.value).startswith("kinesis: ")
