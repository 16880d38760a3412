from __future__ import annotations

import tapstack_emulator

PUBLIC = {
    "AnswersStale",
    "Call",
    "Crash",
    "Fault",
    "FaultPolicy",
    "FaultScript",
    "FaultyApi",
    "Injection",
    "KinesisRecord",
    "ManualClock",
    "MemoryBucket",
    "MemoryDynamoDB",
    "MemoryKinesis",
    "RandomFaults",
    "Staleness",
    "SystemClock",
    "applicable",
    "item_bytes",
    "random_staleness",
    "read_units",
    "write_units",
}


def test_what_is_public_is_listed() -> None:
    assert set(tapstack_emulator.__all__) == PUBLIC
    assert list(tapstack_emulator.__all__) == sorted(tapstack_emulator.__all__)


def test_everything_public_is_there() -> None:
    assert all(hasattr(tapstack_emulator, name) for name in PUBLIC)
