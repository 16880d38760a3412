"""A server in a thread, for tests that know nothing of asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Literal

from tapstack.ports import AwsApi
from tapstack_emulator.serving.server import ServiceServer


@contextmanager
def serving(
    api: AwsApi, *, service: Literal["kinesis", "dynamodb"] = "kinesis", port: int = 0
) -> Iterator[str]:
    """Serve `api` for as long as the block runs; yield its URL.

    Parameters
    ----------
    api
        A fake, which may also be called from the block: calls take turns.
    service
        Which of the services it is.
    port
        Of 127.0.0.1; 0 for any free one.

    Raises
    ------
    OSError
        If the port is in use.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=f"{service}-server", daemon=True)
    thread.start()

    async def begin() -> tuple[AsyncExitStack, str]:
        stack = AsyncExitStack()
        server = await stack.enter_async_context(ServiceServer(api, service=service, port=port))
        return stack, server.url

    try:
        stack, url = asyncio.run_coroutine_threadsafe(begin(), loop).result()
        try:
            yield url
        finally:
            asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
