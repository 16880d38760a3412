"""The Lambda Runtime API of one execution environment: what a worker process talks to.

Paths, headers and statuses as in https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
(read 2026-11-23). The client is AWS's own `awslambdaric`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

# Synchronous invocations, request and response each: "6 MB"; the exact number is the one in AWS's own message
# "exceeded maximum allowed payload size (6291556 bytes)"; gettingstarted-limits, read 2026-11-23.
PAYLOAD_BYTES_MAX = 6_291_556
_REQUEST_BYTES_MAX = (
    64 * 1024 * 1024
)  # what the endpoint reads before it measures; larger than any sane response
_CLOSE_PATIENCE_S = 0.5  # aiohttp takes 0 for "for ever" (3.14.5)
_ACCEPTED = b'{"status":"OK"}'

Verdict = Literal["response", "error"]
Answer = tuple[Verdict, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What a worker is given.

    Parameters
    ----------
    request_id
        Unique for the invocation.
    payload
        The event, JSON.
    deadline_ms
        Unix time at which it is killed, in milliseconds.
    function_arn
        The function's ARN.
    trace_id
        The X-Ray trace header.
    """

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str


class RuntimeApi:
    """Serves one worker process; hands it invocations one at a time.

    `started` completes when the worker asks for its first invocation (None), or with the payload of
    its initialisation error.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[bytes | None] = loop.create_future()
        self._inbox: asyncio.Queue[Invocation | None] = asyncio.Queue()  # None: no more to come
        self._outcome: asyncio.Future[Answer] = loop.create_future()
        self._current: str | None = None
        self._web = web.Server(self._answer, access_log=None, keepalive_timeout=3600.0)
        self._server: asyncio.Server | None = None
        self.address = ""

    async def listen(self) -> None:
        """Open the endpoint on a free port of 127.0.0.1; `address` names it."""
        self._server = await asyncio.get_running_loop().create_server(self._web, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"

    async def close(self) -> None:
        """Close the endpoint and every connection to it."""
        if self._server is not None:
            self._server.close()
        self._inbox.put_nowait(None)
        await self._web.shutdown(timeout=_CLOSE_PATIENCE_S)

    def hand_over(self, invocation: Invocation) -> asyncio.Future[Answer]:
        """Answer the worker with its next invocation.

        Parameters
        ----------
        invocation
            What to run; the one before must have been answered.

        Returns
        -------
        asyncio.Future
            Completes with the worker's own answer, and only with that.
        """
        self._outcome = asyncio.get_running_loop().create_future()
        self._current = invocation.request_id
        self._inbox.put_nowait(invocation)
        return self._outcome

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.endswith("/runtime/invocation/next"):
            return await self._next()
        # `read` is bounded by this, which a bare server leaves at 1 MiB without a public way to change it.
        request._client_max_size = _REQUEST_BYTES_MAX
        body = await request.read()
        if path.endswith("/runtime/init/error"):
            if not self.started.done():
                self.started.set_result(body)
            return _accepted()
        *_, request_id, verdict = path.split("/")
        return self._settle(request_id, verdict, body)

    async def _next(self) -> web.Response:
        if not self.started.done():
            self.started.set_result(None)
        invocation = await self._inbox.get()
        if invocation is None:
            self._inbox.put_nowait(None)  # for the next one who asks
            return web.Response(status=410)
        return web.Response(
            body=invocation.payload,
            headers={
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def _settle(self, request_id: str, verdict: str, body: bytes) -> web.Response:
        if request_id != self._current or self._outcome.done():
            return web.json_response(
                {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}, status=400
            )
        if verdict == "error":
            self._outcome.set_result(("error", body))
        elif verdict != "response":
            return web.json_response({"errorType": "InvalidPath", "errorMessage": verdict}, status=404)
        elif len(body) > PAYLOAD_BYTES_MAX:
            self._outcome.set_result(("error", _too_large(len(body))))
            return web.json_response({"errorType": "RequestEntityTooLarge"}, status=413)
        else:
            self._outcome.set_result(("response", body))
        return _accepted()


def _accepted() -> web.Response:
    return web.Response(status=202, body=_ACCEPTED, content_type="application/json")


def _too_large(response_bytes: int) -> bytes:
    message = (
        f"Response payload size ({response_bytes} bytes) exceeded maximum allowed payload size "
        f"({PAYLOAD_BYTES_MAX} bytes)."
    )
    return b'{"errorMessage":"%b","errorType":"Function.ResponseSizeTooLarge"}' % message.encode()
