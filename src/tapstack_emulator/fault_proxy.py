"""An HTTP proxy in front of the emulator that makes DynamoDB and S3 fail as AWS does.

What is not hit passes unchanged, both ways. The faults, their names and their wording are those of
`tapstack_emulator.faults.policy`, which does the same in memory.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Literal, Self

import aiohttp
from aiohttp import web
from yarl import URL

from tapstack.ports import AwsError
from tapstack_emulator.faults import injection
from tapstack_emulator.faults.policy import NONE, Call, FaultPolicy, Injection
from tapstack_emulator.serving.exchange import Observe, access_key_id
from tapstack_emulator.serving.server import cut

REQUEST_BYTES_MAX = 64 * 1024 * 1024  # above DynamoDB's 16 MB; S3 objects of ours are far smaller
UPSTREAM_TIMEOUT_S = 60.0
_PASSED_ON = frozenset({"content-type", "etag", "x-amz-crc32", "x-amzn-requestid", "x-amz-request-id"})
_CRASHES = frozenset({"crash_before", "crash_after"})
_AFTER = frozenset({"lost_response", "internal_error_applied", "crash_after"})
_S3_OPERATIONS = {"GET": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject", "HEAD": "HeadObject"}
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, read 2026-11-23
_S3_ERRORS = {
    "throttle": (503, "SlowDown", "Please reduce your request rate."),
    "internal_error": (500, "InternalError", "We encountered an internal error. Please try again."),
}


def no_delay() -> float:
    """Hold nothing up."""
    return 0.0


def any_caller(access_key_id: str) -> bool:  # noqa: ARG001 - the port's shape
    """Let everyone crash."""
    return True


class _Upstream(Exception):  # noqa: N818 - control flow of `_unprocessed` alone
    """Carries the request that the shared code wants to have sent."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


class _Asking:
    """A service that says what it would be asked."""

    def call(self, operation: str, body: bytes) -> bytes:  # noqa: ARG002 - the port's shape
        raise _Upstream(body)


class _Answering:
    """A service that answers what it was told to."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def call(self, operation: str, body: bytes) -> bytes:  # noqa: ARG002 - the port's shape
        return self._answer


class FaultProxy:
    """A proxy for one service on a free port of 127.0.0.1; an async context manager.

    Parameters
    ----------
    service
        ``dynamodb`` or ``s3``.
    upstream
        The emulator's address.
    policy
        Asked at each call.
    seed
        Of the choice which entries of a request are hit.
    counts
        Faults injected, by the name that `name_of` gives.
    name_of
        Names a fault in the counts.
    delay_s
        How long to hold up a call, in seconds.
    on_crash
        Called with the caller's access key when its process shall die.
    may_crash
        Returns by the caller's access key whether its process may die; if not, the call has no fault.
    observe
        Called with each request as it arrives: service, access key, operation, path, body.
    """

    def __init__(
        self,
        service: Literal["dynamodb", "s3"],
        upstream: str,
        policy: FaultPolicy,
        *,
        seed: int = 0,
        counts: Counter[str] | None = None,
        name_of: Callable[[str], str] = str,
        delay_s: Callable[[], float] = no_delay,
        on_crash: Callable[[str], object] | None = None,
        may_crash: Callable[[str], bool] = any_caller,
        observe: Observe | None = None,
    ) -> None:
        self.url = ""
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.calls: Counter[str] = Counter()
        self._service: Literal["dynamodb", "s3"] = service
        self._upstream = upstream
        self._policy = policy
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._name_of = name_of
        self._delay_s = delay_s
        self._on_crash = on_crash
        self._may_crash = may_crash
        self._observe = observe
        self._web = web.Server(self._handle, access_log=None, keepalive_timeout=300.0, auto_decompress=False)
        self._server: asyncio.Server | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Start to listen."""
        self._session = aiohttp.ClientSession(
            self._upstream,
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=UPSTREAM_TIMEOUT_S),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        self._server = await asyncio.get_running_loop().create_server(self._web, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop to listen and cut what is connected."""
        if self._server is not None:
            self._server.close()
        await self._web.shutdown(timeout=0.5)
        if self._session is not None:
            await self._session.close()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        # `read` is bounded by this, which a bare server leaves at 1 MiB without a public way to change it.
        request._client_max_size = REQUEST_BYTES_MAX
        body = await request.read()
        operation = self._operation(request)
        self.calls[operation] += 1
        if self._observe is not None:
            path = request.raw_path.partition("?")[0]
            self._observe(self._service, access_key_id(request.headers), operation, path, body)
        delay_s = self._delay_s()
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        chosen = self._policy.choose(
            Call(
                service=self._service,
                operation=operation,
                number=self.calls.total(),
                operation_number=self.calls[operation],
            )
        )
        if chosen.fault in {NONE, "stale_read"}:  # the emulator has no past to answer from
            return await self._forward(request, body)
        if chosen.fault in _CRASHES and not self._may_crash(access_key_id(request.headers)):
            return await self._forward(request, body)
        self.counts[self._name_of(chosen.fault)] += 1
        return await self._injure(chosen, request, operation, body)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._serve(request)
        except (aiohttp.ClientError, ConnectionError):
            return cut(request)  # the emulator is gone, so is its answer; or the caller is, in mid-request

    async def _injure(
        self, chosen: Injection, request: web.BaseRequest, operation: str, body: bytes
    ) -> web.StreamResponse:
        fault = chosen.fault
        if fault in _AFTER:
            await self._forward(request, body)
        if fault in _CRASHES:
            if self._on_crash is not None:
                self._on_crash(access_key_id(request.headers))
            return cut(request)
        if fault in {"lost_request", "lost_response"}:
            return cut(request)
        if fault == "unprocessed":
            return await self._unprocessed(chosen, request, operation, body)
        if fault == "transaction_conflict":
            picked = self._pick(chosen, injection.entry_count(operation, body))
            return _failure(injection.conflict(operation, body, picked))
        return self._error("internal_error" if fault == "internal_error_applied" else fault, operation, body)

    async def _unprocessed(
        self, chosen: Injection, request: web.BaseRequest, operation: str, body: bytes
    ) -> web.StreamResponse:
        """Ask the emulator for a part only and give the rest back as unprocessed."""
        picked = self._pick(chosen, injection.entry_count(operation, body))
        try:
            return _json(200, injection.partial(_Asking(), operation, body, picked) or b"{}")
        except _Upstream as wanted:
            answer = await self._forward(request, wanted.body)
        if answer.status != 200 or not isinstance(answer.body, bytes):
            return answer
        merged = injection.partial(_Answering(answer.body), operation, body, picked)
        return answer if merged is None else _json(200, merged)

    async def _forward(self, request: web.BaseRequest, body: bytes) -> web.Response:
        if self._session is None:
            raise AssertionError("requests come while it listens")
        headers = {
            name: value
            for name, value in request.headers.items()
            if name not in {"Host", "Connection", "Transfer-Encoding", "Content-Length"}
        }
        # yarl would otherwise normalise the percent-encoding of S3 keys.
        upstream = self._session.request(
            request.method, URL(request.raw_path, encoded=True), data=body, headers=headers
        )
        async with upstream as answer:
            content = await answer.read()
        passed = {name: value for name, value in answer.headers.items() if name.lower() in _PASSED_ON}
        return web.Response(status=answer.status, headers=passed, body=content)

    def _operation(self, request: web.BaseRequest) -> str:
        if self._service == "dynamodb":
            return request.headers.get("X-Amz-Target", "").partition(".")[2]
        return _S3_OPERATIONS.get(request.method, request.method)

    def _error(self, fault: str, operation: str, body: bytes) -> web.Response:
        if self._service == "dynamodb":
            return _failure(injection.error(fault, self._service, operation, body))
        status, code, message = _S3_ERRORS.get(fault, _S3_ERRORS["internal_error"])
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
            f"<Message>{message}</Message></Error>"
        )
        return web.Response(status=status, text=text, content_type="application/xml")

    def _pick(self, chosen: Injection, count: int) -> list[int]:
        """Choose at least one of `count` entries, unless the injection names them."""
        if chosen.entries or not count:
            return [index for index in chosen.entries if index < count]
        return sorted(self._random.sample(range(count), self._random.randint(1, count)))


def _failure(error: AwsError) -> web.Response:
    return _json(error.status, error.body)


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, headers={"Content-Type": "application/x-amz-json-1.0"}, body=body)
