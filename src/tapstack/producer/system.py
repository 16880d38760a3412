"""Time, chance and waiting, as parameters: for tests."""

from __future__ import annotations

import os
import time
from threading import Condition
from typing import Protocol


class Clock(Protocol):
    """Time as the producer uses it; also a `tapstack.ports.Clock`."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""

    def elapsed_ms(self) -> int:
        """Return a time in milliseconds that never goes back."""

    def sleep_ms(self, duration_ms: int) -> None:
        """Wait."""

    def wait(self, changed: Condition, timeout_ms: int | None) -> None:
        """Wait until something changed, or for a time; the caller holds the lock of `changed`."""


class SystemClock:
    """`Clock` on the machine's clocks."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def elapsed_ms(self) -> int:
        """Return a time in milliseconds that never goes back."""
        return time.monotonic_ns() // 1_000_000

    def sleep_ms(self, duration_ms: int) -> None:
        """Wait."""
        time.sleep(duration_ms / 1_000)

    def wait(self, changed: Condition, timeout_ms: int | None) -> None:
        """Wait until something changed, or for a time."""
        changed.wait(None if timeout_ms is None else timeout_ms / 1_000)


def jitter() -> float:
    """Return a random number, ``0 <= x < 1``."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
