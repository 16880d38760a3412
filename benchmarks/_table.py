"""A table that keeps what it is sent: the emulator's DynamoDB, in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tapstack_emulator import MemoryDynamoDB
from tapstack_emulator.clock import SystemClock
from tapstack_emulator.serving import ServiceServer


def _serve(ready: Connection, name: str) -> None:
    async def run() -> None:
        api = MemoryDynamoDB(SystemClock(), versions_max=1)
        api.create_table(name, ttl_attribute="ttl")
        async with ServiceServer(api, service="dynamodb") as server:
            ready.send(server.url)
            await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def table(name: str) -> Iterator[str]:
    """Run the table; its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, name), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
