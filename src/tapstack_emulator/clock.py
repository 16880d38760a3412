"""Time: by hand, and the machine's own."""

from __future__ import annotations

import time

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z, where a `ManualClock` starts unless told otherwise."""


class ManualClock:
    """A `tapstack.ports.Clock` moved by hand; sleeping moves it and returns at once.

    Parameters
    ----------
    now_ms
        Unix time in milliseconds it starts at.
    """

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self.slept_ms: list[int] = []

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return self._now_ms

    def sleep_ms(self, duration_ms: int) -> None:
        """Advance by `duration_ms` and remember it in `slept_ms`."""
        self.slept_ms.append(duration_ms)
        self.advance_ms(duration_ms)

    def advance_ms(self, duration_ms: int) -> None:
        """Advance by `duration_ms`.

        Raises
        ------
        ValueError
            If `duration_ms` is negative; a clock that jumps is `set_ms`.
        """
        if duration_ms < 0:
            msg = f"cannot advance by {duration_ms} ms"
            raise ValueError(msg)
        self._now_ms += duration_ms

    def set_ms(self, now_ms: int) -> None:
        """Jump to `now_ms`, forwards or backwards, as clocks of real machines do."""
        self._now_ms = now_ms


class SystemClock:
    """A `tapstack.ports.Clock` on the machine's own time."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def sleep_ms(self, duration_ms: int) -> None:
        """Wait."""
        time.sleep(duration_ms / 1000)
