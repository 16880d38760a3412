"""The real clock, and chance."""

from __future__ import annotations

import os
import time


def jitter() -> float:
    """Draw a number, ``0 <= x < 1``; by the system, since `random` costs a cold start 3 ms."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


class SystemClock:
    """`tapstack.ports.Clock` on the machine's clock."""

    def now_ms(self) -> int:
        """Tell the Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def sleep_ms(self, duration_ms: int) -> None:
        """Wait."""
        time.sleep(duration_ms / 1000)
