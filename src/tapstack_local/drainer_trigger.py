"""Invokes the drainer at intervals, in place of EventBridge's schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tapstack_emulator.event_source_mapping import InvokeResult

POLL_S = 0.05  # while somebody waits for the end
# What EventBridge sends on schedule has more members (from knowledge, 2026-11-30); nothing of it is read.
EVENT = b'{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}'


class DrainerTrigger:
    """The schedule of the drainer.

    Parameters
    ----------
    invoke
        Invokes the drainer.
    interval_s
        Seconds between two invocations.
    """

    def __init__(self, invoke: Callable[[bytes], Awaitable[InvokeResult]], *, interval_s: float) -> None:
        self.drained_events = 0
        self._invoke = invoke
        self._interval_s = interval_s
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Invoke the drainer at intervals, for ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self._drain()

    async def settle(self) -> None:
        """Invoke the drainer until it finds nothing."""
        while True:
            if await self._drain():
                return
            await asyncio.sleep(POLL_S)

    async def _drain(self) -> bool:
        """Invoke the drainer once; return whether it says that there was nothing to do."""
        async with self._lock:
            result = await self._invoke(EVENT)
        if result.kind != "success":
            return False
        report: dict[str, Any] = msgspec.json.decode(result.payload)
        self.drained_events += report["events"]
        return report["reason"] is None and not report["oldest_age_s"]
