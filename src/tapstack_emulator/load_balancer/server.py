"""An internal Application Load Balancer in front of Lambda functions, on one port of 127.0.0.1.

Rules and target groups are data, in the words of Terraform's ``aws_lb_listener_rule`` and
``aws_lb_target_group``.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self, TypeVar

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from tapstack_emulator.lambda_host.config import ACCOUNT_ID, REGION
from tapstack_emulator.lambda_host.host import InvokeResponse, new_trace_id
from tapstack_emulator.load_balancer.browsers import BrowserGuard
from tapstack_emulator.load_balancer.wire import (
    REQUEST_BODY_BYTES_MAX,
    Answer,
    Client,
    MalformedResponseError,
    decode_response,
    encode_event,
    error_page,
)

IDLE_TIMEOUT_S = 60.0  # the default idle_timeout.timeout_seconds
# "16 K per request line, 16 K per single header, 64 K for the entire request header"; a request line that is
# too long is a 414, a header a 400. More than 30 addresses in X-Forwarded-For are a 463, TRACE is a 405.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html and
# load-balancer-limits.html, read 2026-11-29
REQUEST_LINE_BYTES_MAX = 16 * 1024
LINE_BYTES_READ = 1024 * 1024  # a longer line would be answered 400, before `_refusal` can say 414
HEADER_BYTES_MAX = 16 * 1024
HEADERS_BYTES_MAX = 64 * 1024
FORWARDED_FOR_MAX = 30
_HEALTH_INTERVAL_S = 35.0  # of Lambda target groups: the default of health_check.interval
Value = TypeVar("Value")
_log = logging.getLogger(__name__)
_DROPPED = -1  # a status that means: no answer, the connection was cut


class _Connection(web.RequestHandler):
    """A client's connection: what is no HTTP is answered in the load balancer's words."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the parser's words, which may quote what somebody sent
    ) -> web.StreamResponse:
        """Answer a request that is no HTTP, or that made us fail."""
        if status >= 500:
            _log.error("a request failed in the load balancer: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        response = _response(error_page(status))
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)


class Invoke(Protocol):
    """How the load balancer invokes a function."""

    async def __call__(self, payload: bytes, *, trace_id: str = "") -> InvokeResponse:
        """Invoke and wait for the result."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """A target group with one Lambda function.

    Parameters
    ----------
    name
        Its name.
    function
        The function's name.
    health_check_path
        Path of its health check; None means health checks are off, as they are by default.
    health_interval_s
        Seconds between two health checks.
    """

    name: str
    function: str
    health_check_path: str | None = None
    health_interval_s: float = _HEALTH_INTERVAL_S

    @property
    def arn(self) -> str:
        """Its ARN."""
        prefix = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT_ID}:targetgroup"
        return f"{prefix}/{self.name}/0000000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedResponse:
    """An action that answers by itself.

    Parameters
    ----------
    status
        ``200..599``.
    body
        Up to 1,024 characters.
    content_type
        Of the body.
    """

    status: int
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerRule:
    """A rule of the listener.

    Parameters
    ----------
    priority
        Rules are tried from the lowest number to the highest.
    path_patterns
        Any of them must match the path, as sent; ``*`` is any number of characters, ``?`` exactly one.
        Empty matches all.
    methods
        Any of them must be the method, in capitals. Empty matches all.
    action
        Name of the target group to forward to, or a fixed response.
    """

    priority: int
    path_patterns: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    action: str | FixedResponse


NOT_FOUND = FixedResponse(status=404)

RequestFault = Literal["alb_dropped_before", "alb_dropped_after", "alb_502_before", "alb_502_after"]
"""What may happen to a request (fault C2): the client's connection is cut, or it gets a
502, before or after the function ran."""


_FAULT_ANSWERS: Mapping[RequestFault, Answer | None] = {
    "alb_dropped_before": None,
    "alb_dropped_after": None,
    "alb_502_before": error_page(502),
    "alb_502_after": error_page(502),
}


def no_faults() -> RequestFault | None:
    """Let every request take its course."""
    return None


def look_away(method: str, headers: Mapping[str, str]) -> None:
    """See nothing."""


class LoadBalancer:
    """Serves HTTP; an async context manager.

    Parameters
    ----------
    functions
        By name, how to invoke them.
    target_groups
        The target groups the rules forward to.
    rules
        The listener's rules, in any order.
    port
        To listen on; 0 chooses a free one.
    default_action
        What happens to a request that no rule matches.
    faults
        Asked at each forwarded request what shall go wrong with it.
    observe
        Told of each forwarded request: method and headers.
    guard
        Keeps web pages away; None lets everybody in, as a real load balancer does.

    Raises
    ------
    ValueError
        If a rule names a target group that is not there, or a target group a function that is not.
    """

    def __init__(
        self,
        *,
        functions: Mapping[str, Invoke],
        target_groups: Sequence[TargetGroup],
        rules: Sequence[ListenerRule],
        port: int = 0,
        default_action: str | FixedResponse = NOT_FOUND,
        faults: Callable[[], RequestFault | None] = no_faults,
        observe: Callable[[str, Mapping[str, str]], None] = look_away,
        guard: BrowserGuard | None = None,
    ) -> None:
        self.port = port
        self.statuses: Counter[int] = Counter()
        self.healthy: dict[str, bool] = {}
        self._groups = {group.name: group for group in target_groups}
        self._invoke = {group.name: _lookup(functions, group.function) for group in target_groups}
        self._rules = [_Matcher(rule) for rule in sorted(rules, key=lambda rule: rule.priority)]
        self._default = default_action
        self._faults = faults
        self._observe = observe
        self._guard = guard
        for action in [default_action, *(rule.action for rule in rules)]:
            if isinstance(action, str):
                _lookup(self._groups, action)
        self._web = _Server(
            self._serve,
            access_log=None,
            logger=_log,
            keepalive_timeout=IDLE_TIMEOUT_S,
            auto_decompress=False,  # the body is passed on as it came
            max_line_size=LINE_BYTES_READ,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_BYTES_MAX,  # however many, if they fit
        )
        self._server: asyncio.Server | None = None
        self._checks: list[asyncio.Task[None]] = []

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Start to listen; raises OSError if the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._web, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        checked = [group for group in self._groups.values() if group.health_check_path is not None]
        self._checks = [asyncio.create_task(self._check(group)) for group in checked]
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop to listen and cut the connections that are left."""
        for check in self._checks:
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        await self._web.shutdown(timeout=0.5)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        refused = _refusal(request)
        answer = error_page(refused) if refused is not None else await self._guarded(request)
        if answer is None:
            self.statuses[_DROPPED] += 1
            return _cut(request)
        self.statuses[answer.status] += 1
        return _response(answer, request.method)

    async def _guarded(self, request: web.BaseRequest) -> Answer | None:
        """Answer a request if it may come in; None if its connection shall be cut."""
        if self._guard is None:
            return await self._answer(request)
        answer = self._guard.answer(request.method, request.headers) or await self._answer(request)
        if answer is not None and (granted := self._guard.granted(request.headers)):
            answer = replace(answer, headers={**answer.headers, **granted})
        return answer

    async def _answer(self, request: web.BaseRequest) -> Answer | None:
        """Answer a request; None if its connection shall be cut."""
        action = self._route(request.raw_path.partition("?")[0], request.method)
        if isinstance(action, FixedResponse):
            return _fixed(action)
        self._observe(request.method, request.headers)
        fault = self._faults()
        if fault is not None and fault.endswith("_before"):
            return _FAULT_ANSWERS[fault]
        try:
            body = await _body(request)
        except web.HTTPRequestEntityTooLarge:
            return error_page(413)
        except ConnectionError:
            return None  # the client is gone in mid-request
        answer = await self._forward(action, request, body)
        return answer if fault is None else _FAULT_ANSWERS[fault]

    async def _forward(self, group: str, request: web.BaseRequest, body: bytes) -> Answer:
        trace_id = new_trace_id()
        peer = request.transport.get_extra_info("peername") if request.transport else None
        event = encode_event(
            method=request.method,
            target=request.raw_path,
            headers=request.headers.items(),
            body=body,
            client=Client(
                address=peer[0] if peer else "127.0.0.1",
                port=self.port,
                protocol="http",
                trace_id=trace_id.removeprefix("Root="),
            ),
            target_group_arn=self._groups[group].arn,
        )
        return judge(await self._invoke[group](event, trace_id=trace_id))

    def _route(self, path: str, method: str) -> str | FixedResponse:
        for matcher in self._rules:
            if matcher.matches(path, method):
                return matcher.rule.action
        return self._default

    async def _check(self, group: TargetGroup) -> None:
        """Invoke the function with a health check event at each interval."""
        client = Client(address="127.0.0.1", port=self.port, protocol="http", trace_id="")
        while True:
            event = encode_event(
                method="GET",
                target=group.health_check_path or "/",
                headers=[("user-agent", "ELB-HealthChecker/2.0")],
                body=b"",
                client=client,
                target_group_arn=group.arn,
            )
            answer = judge(await self._invoke[group.name](event))
            self.healthy[group.name] = answer.status == 200
            await asyncio.sleep(group.health_interval_s)


def judge(result: InvokeResponse) -> Answer:
    """Make the client's answer of an invocation.

    A function's error, its timeout, its throttling and a malformed or too large response are all 502
    (load-balancer-troubleshooting.html, read 2026-11-23); 504 is for the Lambda service not answering at all.

    Parameters
    ----------
    result
        What the invocation came to.

    Returns
    -------
    Answer
        The function's own, or an error page.
    """
    if result.kind != "success":
        return error_page(502)
    try:
        return decode_response(result.payload)
    except MalformedResponseError:
        return error_page(502)


class _Matcher:
    def __init__(self, rule: ListenerRule) -> None:
        self.rule = rule
        patterns = (
            re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in rule.path_patterns
        )
        self._path = re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or ".*", re.DOTALL)

    def matches(self, path: str, method: str) -> bool:
        if self.rule.methods and method not in self.rule.methods:
            return False
        return self._path.fullmatch(path) is not None


def _fixed(action: FixedResponse) -> Answer:
    page = error_page(action.status)
    headers = {"Content-Type": f"{action.content_type}; charset=utf-8"}
    return Answer(status=action.status, reason=page.reason, headers=headers, body=action.body.encode())


def _response(answer: Answer, method: str = "") -> web.Response:
    headers = {"Server": "awselb/2.0", **answer.headers}
    if method == hdrs.METH_HEAD and answer.length is not None:
        headers[hdrs.CONTENT_LENGTH] = str(answer.length)
    return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=answer.body)


def _refusal(request: web.BaseRequest) -> int | None:
    """Return the status of a request that no rule is asked about."""
    line = f"{request.method} {request.raw_path} HTTP/1.1"
    if len(line.encode("utf-8", "surrogateescape")) > REQUEST_LINE_BYTES_MAX:
        return 414
    if sum(len(name) + len(value) for name, value in request.raw_headers) > HEADERS_BYTES_MAX:
        return 400
    if request.method == hdrs.METH_TRACE:
        return 405
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    return 463 if forwarded.count(",") >= FORWARDED_FOR_MAX else None


async def _body(request: web.BaseRequest) -> bytes:
    """Read the body, asking for it if the client holds it back (RFC 9110, section 10.1.1)."""
    size = request.content_length or 0
    if size > REQUEST_BODY_BYTES_MAX:
        raise web.HTTPRequestEntityTooLarge(REQUEST_BODY_BYTES_MAX, size)
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    # `read` is bounded by this, which a bare server leaves at 1 MiB without a public way to change it.
    request._client_max_size = REQUEST_BODY_BYTES_MAX
    return await request.read()


def _cut(request: web.BaseRequest) -> web.Response:
    """Cut the connection; the response goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _lookup(known: Mapping[str, Value], name: str) -> Value:
    if name not in known:
        raise ValueError(f"{name!r} is not one of {sorted(known)}")
    return known[name]
