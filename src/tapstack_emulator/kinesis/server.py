"""Serves a `tapstack.ports.AwsApi` over HTTP, as AWS JSON 1.1: the embedded cloud's Kinesis.

The protocol: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html, read 2026-11-23.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Self

import msgspec
from aiohttp import web

from tapstack.errors import OutcomeUnknown
from tapstack.ports import AwsApi, AwsError
from tapstack_emulator.faults.policy import Crash
from tapstack_emulator.lambda_host.host import new_trace_id

TARGET = "Kinesis_20131202"
# PutRecords takes 10 MiB of data and keys, which base64 and JSON make a third larger.
REQUEST_BYTES_MAX = 16 * 1024 * 1024
IDLE_TIMEOUT_S = 300.0

Observe = Callable[[str, str, str, str, bytes], None]
"""Is told of a request: service, access key, operation, path, body."""


class KinesisServer:
    """The service on a free port of 127.0.0.1; an async context manager.

    Parameters
    ----------
    api
        What answers; called from the event loop, so it must answer at once. It may be a
        `tapstack_emulator.faults.policy.FaultyApi`: an `OutcomeUnknown` cuts the connection.
    on_crash
        Called with the caller's access key when `api` says that its process dies here.
    observe
        Called with each request as it arrives.
    """

    def __init__(
        self,
        api: AwsApi,
        *,
        on_crash: Callable[[str], object] | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.url = ""
        self.calls: Counter[str] = Counter()
        self._api = api
        self._on_crash = on_crash
        self._observe = observe
        self._web = web.Server(self._serve, access_log=None, keepalive_timeout=IDLE_TIMEOUT_S)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Start to listen."""
        self._server = await asyncio.get_running_loop().create_server(self._web, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop to listen and cut what is connected."""
        if self._server is not None:
            self._server.close()
        await self._web.shutdown(timeout=0.5)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        target, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
        if request.method != "POST" or target != TARGET:
            return _failure(AwsError("UnknownOperationException", status=404))
        # `read` is bounded by this, which a bare server leaves at 1 MiB without a public way to change it.
        request._client_max_size = REQUEST_BYTES_MAX
        try:
            body = await request.read()
        except ConnectionError:
            return cut(request)  # the caller was killed in mid-request
        self.calls[operation] += 1
        if self._observe is not None:
            self._observe("kinesis", access_key_id(request), operation, request.raw_path, body)
        try:
            return _answer(200, self._api.call(operation, body))
        except AwsError as error:
            return _failure(error)
        except OutcomeUnknown:
            return cut(request)
        except Crash:
            if self._on_crash is not None:
                self._on_crash(access_key_id(request))
            return cut(request)


def access_key_id(request: web.BaseRequest) -> str:
    """Tell who signed a request, by the access key in its ``Authorization`` header; empty if nobody did."""
    _, _, credential = request.headers.get("Authorization", "").partition("Credential=")
    return credential.partition("/")[0]


def cut(request: web.BaseRequest) -> web.Response:
    """Cut a request's connection; the response that is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _failure(error: AwsError) -> web.Response:
    body = error.body
    if b'"__type"' not in body:
        body = msgspec.json.encode({"__type": error.code, "message": error.message})
    return _answer(error.status, body)


def _answer(status: int, body: bytes) -> web.Response:
    headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": new_trace_id()[5:]}
    return web.Response(status=status, headers=headers, body=body)
