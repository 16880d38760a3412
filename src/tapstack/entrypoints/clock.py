"""The real clock."""

from __future__ import annotations

import time


class SystemClock:
    """`tapstack.ports.Clock` on the machine's clock."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def sleep_ms(self, duration_ms: int) -> None:
        """Wait."""
        time.sleep(duration_ms / 1000)
