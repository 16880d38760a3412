"""What a collector depends on, with buckets in memory."""

from __future__ import annotations

from itertools import count
from typing import Any

from tapstack.collector.objects import CollectorDependencies
from tapstack.ports import StreamWriter
from tapstack_emulator import FaultScript, ManualClock, MemoryBucket

_names = count(1)


def failing_bucket(times: int = 99) -> MemoryBucket:
    """Return a bucket that fails at its first calls."""
    return MemoryBucket(FaultScript(dict.fromkeys(range(1, times + 1), "internal_error")))


def dependencies_of(stream: StreamWriter, **changes: Any) -> CollectorDependencies:
    given: dict[str, Any] = {
        "quarantine": MemoryBucket(),
        "spill": MemoryBucket(),
        "clock": ManualClock(),
        "jitter": lambda: 0.5,
        "unique": lambda: f"{next(_names):032x}",
    }
    return CollectorDependencies(stream=stream, **{**given, **changes})
