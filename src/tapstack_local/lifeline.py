"""Ends a cloud when one of its parts dies: everything that waits is cancelled at once, with the reason."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import aiohttp

from tapstack.errors import Unavailable
from tapstack_emulator.processes.child_process import how_it_ended

# A connection to a part that died may fail before the end of its process is noticed.
NEWS_WITHIN_S = 0.5


class Lifeline:
    """Cancels the task that runs a cloud when a part of it dies; as `asyncio.timeout` does for time."""

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._released = False
        self._cancelled = False
        self._died = asyncio.Event()
        self._message = ""

    @property
    def is_cut(self) -> bool:
        """Whether a part has died."""
        return self._died.is_set()

    def attach(self) -> None:
        """Take the current task as the one to cancel."""
        self._task = asyncio.current_task()

    def watcher(self, part: str) -> Callable[[int, int], None]:
        """Return what to call when a process of a part has ended."""
        return lambda pid, exit_code: self.fail(f"{part} (process {pid}) {how_it_ended(exit_code)}")

    def watch_task(self, task: asyncio.Task[None], part: str) -> None:
        """Watch a task that ends only when it is stopped."""

        def hear(ended: asyncio.Task[None]) -> None:
            if not ended.cancelled() and ended.exception() is not None:
                self.fail(f"{part} failed: {_innermost(ended.exception())!r}")

        task.add_done_callback(hear)

    def fail(self, message: str) -> None:
        """Cancel the task; the first message is the one that is reported."""
        if self._died.is_set() or self._released:
            return
        self._message = message
        self._died.set()
        if self._task is not None and not self._task.done():
            self._cancelled = self._task.cancel()

    async def release(self, error: BaseException | None) -> Unavailable | None:
        """Cancel nothing any more.

        Parameters
        ----------
        error
            What the task's block ended with.

        Returns
        -------
        Unavailable or None
            What to raise instead, if the block ended because a part died.
        """
        task, self._task = self._task, None  # its event tells of a death now: to be cancelled would end this
        is_consequence = isinstance(error, (aiohttp.ClientError, Unavailable, OSError, RuntimeError))
        if is_consequence and not self._died.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._died.wait(), NEWS_WITHIN_S)
        self._released = True
        if not self._died.is_set():
            return None
        if self._cancelled and task is not None and task.uncancel() > 0:
            return None  # somebody else cancelled it too
        if error is None or is_consequence or isinstance(error, asyncio.CancelledError):
            return Unavailable(self._message)
        return None


def _innermost(error: BaseException | None) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
