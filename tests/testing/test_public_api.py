from __future__ import annotations

import tapstack.testing

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
    "applicable",
    "item_bytes",
    "random_staleness",
    "read_units",
    "write_units",
}


def test_what_is_public_is_listed() -> None:
    assert set(tapstack.testing.__all__) == PUBLIC
    assert list(tapstack.testing.__all__) == sorted(tapstack.testing.__all__)


def test_everything_public_is_there() -> None:
    assert all(hasattr(tapstack.testing, name) for name in PUBLIC)
