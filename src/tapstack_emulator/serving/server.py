"""A service on a port of 127.0.0.1, for HTTP/1.1 and HTTP/2 alike."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Literal, Self, cast

from aiohttp import web

from tapstack.ports import AwsApi
from tapstack_emulator.serving.exchange import REQUEST_BYTES_MAX, Exchange, Observe
from tapstack_emulator.serving.http2 import PREFACE, Http2Connection

HOST = "127.0.0.1"
IDLE_TIMEOUT_S = 300.0


class ServiceServer:
    """A `tapstack.ports.AwsApi` over HTTP; an async context manager.

    Parameters
    ----------
    api
        What answers; called from the event loop, so it must answer at once. It may be a
        `tapstack_emulator.faults.policy.FaultyApi`: an `OutcomeUnknown` cuts the connection.
    service
        Which of the services it is.
    port
        Where to listen; 0 for any free port.
    on_crash
        Called with the caller's access key when `api` says that its process dies here.
    observe
        Called with each request as it arrives.
    """

    def __init__(
        self,
        api: AwsApi,
        *,
        service: Literal["kinesis", "dynamodb"] = "kinesis",
        port: int = 0,
        on_crash: Callable[[str], object] | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.url = ""
        self._port = port
        self._exchange = Exchange(api, service, on_crash=on_crash, observe=observe)
        self._web = web.Server(self._serve, access_log=None, keepalive_timeout=IDLE_TIMEOUT_S)
        self._server: asyncio.Server | None = None
        self._others: set[asyncio.BaseTransport] = set()

    @property
    def calls(self) -> Counter[str]:
        """How often each operation was called."""
        return self._exchange.calls

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises
        ------
        OSError
            If the port is in use.
        """
        make = asyncio.get_running_loop().create_server
        self._server = await make(lambda: _Unknown(self._web, self._exchange, self._others), HOST, self._port)
        self.url = f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop listening and cut what is connected."""
        if self._server is not None:
            self._server.close()
        for transport in self._others:
            transport.close()
        await self._web.shutdown(timeout=0.5)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        # `read` is bounded by this, which a bare server leaves at 1 MiB without a public way to change it.
        request._client_max_size = REQUEST_BYTES_MAX
        try:
            body = await request.read()
        except ConnectionError:
            return cut(request)  # the caller was killed in mid-request
        reply = self._exchange.reply(request.method, request.raw_path, request.headers, body)
        if reply is None:
            return cut(request)
        headers = {"Content-Type": reply.content_type, "x-amzn-RequestId": reply.request_id}
        return web.Response(status=reply.status, headers=headers, body=reply.body)


class _Unknown(asyncio.Protocol):
    """A connection whose version of HTTP its first bytes will tell; then another protocol takes over.

    Parameters
    ----------
    http1
        Makes what speaks HTTP/1.1.
    exchange
        For HTTP/2.
    others
        The open connections that `http1` does not know of.
    """

    def __init__(self, http1: web.Server, exchange: Exchange, others: set[asyncio.BaseTransport]) -> None:
        self._http1 = http1
        self._exchange = exchange
        self._others = others
        self._begun = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first bytes."""
        self._transport = cast("asyncio.Transport", transport)
        self._others.add(transport)

    def data_received(self, data: bytes) -> None:
        """Hand the connection over as soon as its version is known."""
        self._begun += data
        if len(self._begun) < len(PREFACE) and PREFACE.startswith(self._begun):
            return
        transport = self._transport
        if transport is None:
            raise AssertionError("data come after the connection was made")
        chosen: asyncio.Protocol
        if self._begun.startswith(PREFACE):
            chosen = _Forgetting(self._exchange, self._others)
        else:
            self._others.discard(transport)
            chosen = self._http1()
        transport.set_protocol(chosen)
        chosen.connection_made(transport)
        chosen.data_received(self._begun)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        """Forget a connection that ended before it said anything."""
        if self._transport is not None:
            self._others.discard(self._transport)


class _Forgetting(Http2Connection):
    """An HTTP/2 connection that leaves the set of open ones when it ends."""

    def __init__(self, exchange: Exchange, others: set[asyncio.BaseTransport]) -> None:
        super().__init__(exchange)
        self._others = others

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        """Forget the connection."""
        if self._transport is not None:
            self._others.discard(self._transport)


def cut(request: web.BaseRequest) -> web.Response:
    """Cut a request's connection; the response that is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
