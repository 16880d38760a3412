"""A gate that many pass at a time, and that can be shut for a while."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Gate:
    """Counts who is inside; once it is shut, nobody enters and whoever is inside comes out."""

    def __init__(self) -> None:
        self._inside_count = 0
        self._is_empty, self._is_open = asyncio.Event(), asyncio.Event()
        self._is_empty.set()
        self._is_open.set()

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Enter as soon as it is open."""
        await self._is_open.wait()
        self._inside_count += 1
        self._is_empty.clear()
        try:
            yield
        finally:
            self._inside_count -= 1
            if not self._inside_count:
                self._is_empty.set()

    @contextlib.asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Shut it, and wait until nobody is inside."""
        self._is_open.clear()
        try:
            await self._is_empty.wait()
            yield
        finally:
            self._is_open.set()
