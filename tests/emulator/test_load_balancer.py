"""The load balancer over sockets: rules, refusals, limits, faults and health checks."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tapstack_emulator.lambda_host.host import InvokeResponse
from tapstack_emulator.load_balancer.server import (
    FixedResponse,
    ListenerRule,
    LoadBalancer,
    RequestFault,
    TargetGroup,
)
from tapstack_emulator.load_balancer.wire import (
    error_page,
)


def response(**fields: Any) -> bytes:
    return json.dumps({"statusCode": 200, **fields}).encode()


class Recorder:
    """Answers with its own name and keeps the events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[dict[str, Any]] = []
        self.payload = response(body=name, headers={"Content-Type": "text/plain"})

    async def __call__(self, payload: bytes, *, trace_id: str = "") -> InvokeResponse:
        event = json.loads(payload)
        assert trace_id in event["headers"]["x-amzn-trace-id"]
        self.events.append(event)
        return InvokeResponse(kind="success", payload=self.payload)


RULES = (
    ListenerRule(priority=20, path_patterns=("/v1/*",), methods=("GET",), action="read"),
    ListenerRule(priority=10, path_patterns=("/v1/events", "/v?/batch"), methods=("POST",), action="write"),
    ListenerRule(priority=30, path_patterns=("/teapot",), action=FixedResponse(status=418, body="short")),
)
GROUPS = (TargetGroup(name="read", function="reader"), TargetGroup(name="write", function="writer"))


def serve(
    body: Callable[[LoadBalancer, aiohttp.ClientSession, Recorder, Recorder], Awaitable[None]],
    *faults: RequestFault,
    groups: tuple[TargetGroup, ...] = GROUPS,
) -> None:
    async def main() -> None:
        reader, writer = Recorder("read"), Recorder("write")
        script = iter(faults)
        balancer = LoadBalancer(
            functions={"reader": reader, "writer": writer},
            target_groups=groups,
            rules=RULES,
            faults=lambda: next(script, None),
        )
        async with balancer, aiohttp.ClientSession(balancer.base_url) as session:
            await body(balancer, session, reader, writer)

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/v1/events", 200, "write"),
        ("POST", "/v2/batch", 200, "write"),
        ("GET", "/v1/events", 200, "read"),
        ("GET", "/v1/users/7?x=/v1/", 200, "read"),
        ("POST", "/v1/users/7", 404, ""),
        ("POST", "/v10/batch", 404, ""),
        ("GET", "/", 404, ""),
        ("GET", "/V1/users", 404, ""),
        ("PUT", "/teapot", 418, "short"),
    ],
)
def test_rules_route_by_path_and_method(method: str, path: str, status: int, text: str) -> None:
    async def body(
        _: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        async with session.request(method, path) as got:
            assert (got.status, await got.text()) == (status, text)
            assert got.headers["Server"] == "awselb/2.0"

    serve(body)


def test_the_event_holds_what_came_over_the_wire() -> None:
    async def body(
        balancer: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        async with session.post("/v1/events?a=b%20c", data=b'{"n":1}', headers={"X-Mixed": "Case"}) as got:
            assert got.status == 200
        (event,) = writer.events
        assert event["queryStringParameters"] == {"a": "b%20c"}
        assert event["headers"]["x-mixed"] == "Case"
        assert event["headers"]["x-forwarded-port"] == str(balancer.port)
        assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
        assert base64.b64decode(event["body"]) == b'{"n":1}'
        zipped = gzip.compress(b'{"n":2}')
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        async with session.post("/v1/events", data=zipped, headers=headers) as got:
            assert got.status == 200
        assert base64.b64decode(writer.events[-1]["body"]) == zipped

    serve(body)


async def talk(balancer: LoadBalancer, request: bytes, *, then: bytes | None = None) -> tuple[bytes, bytes]:
    """Send bytes as they are; return what came first, where `then` waits for it, and all that came after."""
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
    writer.write(request)
    first = b""
    if then is not None:
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(then)
    rest = await reader.read()
    writer.close()
    return first, rest


async def head_of_answer(balancer: LoadBalancer, request: bytes) -> bytes:
    """Send bytes, read the head of the answer, and hang up: a body that was announced is waited for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head


ADDRESSES = ", ".join(["10.0.0.1"] * 31).encode()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(
            b"POST /v1/events HTTP/1.1\r\nContent-Length: ann@example.com\r\n\r\n", 400, id="length"
        ),
        pytest.param(b"GET /v1/x HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"ann@example.com\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="TLS"),
        pytest.param(b"ANN /v1/x HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="no method"),
        pytest.param(b"GET /v1/x HTTP/1.1\r\nHost: x\r\nann @example: 1\r\n\r\n", 400, id="header name"),
        pytest.param(b"GET /v1/%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 16_384), 414, id="request line"),
        pytest.param(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 100_000), 414, id="endless line"),
        pytest.param(b"GET /v1/x HTTP/1.1\r\nHost: x\r\nA: %b\r\n\r\n" % (b"a" * 16_385), 400, id="header"),
        pytest.param(
            b"GET /v1/x HTTP/1.1\r\nHost: x\r\n%b\r\n" % (b"A: aaaaaaaaaaaa\r\n" * 5_100), 400, id="headers"
        ),
        pytest.param(b"TRACE /v1/x HTTP/1.1\r\nHost: x\r\n\r\n", 405, id="TRACE"),
        pytest.param(
            b"GET /v1/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %b\r\n\r\n" % ADDRESSES,
            463,
            id="31 addresses",
        ),
    ],
)
def test_what_no_rule_is_asked_about_is_refused_in_the_load_balancers_words(
    request_: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(
        balancer: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        _, answer = await talk(
            balancer, request_.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")
        )
        head, _, page = answer.partition(b"\r\n\r\n")
        assert int(head.split()[1]) == status
        assert b"awselb/2.0" in head
        assert page == error_page(status).body
        assert b"ann" not in answer
        assert not reader.events

    serve(body)
    assert caplog.text == ""


def test_what_just_fits_passes() -> None:
    async def body(
        balancer: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        path = "/v1/" + "a" * (16_384 - len("GET /v1/ HTTP/1.1"))
        headers = {"A": "a" * 16_000, "X-Forwarded-For": ", ".join(["10.0.0.1"] * 30)}
        async with session.get(path, headers=headers) as got:
            assert got.status == 200
        assert reader.events[0]["path"] == path
        assert reader.events[0]["headers"]["a"] == headers["A"]
        assert reader.events[0]["headers"]["x-forwarded-for"].count(",") == 30

    serve(body)


def test_a_client_that_waits_for_100_continue_is_told_to_go_on() -> None:
    async def body(
        balancer: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        head = (
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )
        first, rest = await talk(balancer, head % 7, then=b'{"n":1}')
        assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert rest.startswith(b"HTTP/1.1 200 ")
        assert writer.events[0]["body"] == '{"n":1}'
        refused = await head_of_answer(balancer, head % (1024 * 1024 + 1))
        assert refused.startswith(b"HTTP/1.1 413 ")

    serve(body)


def test_head_gets_the_headers_and_nothing_else() -> None:
    async def body(balancer: LoadBalancer, session: aiohttp.ClientSession, *_: object) -> None:
        async with session.head("/teapot") as got:
            assert (got.status, got.headers["Content-Length"], await got.read()) == (418, "5", b"")
        async with session.head("/nowhere") as got:
            assert (got.status, await got.read()) == (404, b"")

    serve(body)


def test_a_header_that_is_no_utf_8_costs_no_event() -> None:
    async def body(
        balancer: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        head = b"POST /v1/events?q=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n"
        for name in ("caf\u00e9".encode("latin-1"), "caf\u00e9".encode()):
            _, answer = await talk(balancer, head + b"User-Agent: " + name + b"\r\n\r\nx")
            assert answer.startswith(b"HTTP/1.1 200 ")
        assert [event["headers"]["user-agent"] for event in writer.events] == ["caf\u00e9", "caf\u00e9"]

    serve(body)


def test_an_error_of_ours_is_a_500_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Recorder):
        async def __call__(self, payload: bytes, *, trace_id: str = "") -> InvokeResponse:
            raise RuntimeError("ann@example.com")

    async def main() -> None:
        groups = (TargetGroup(name="read", function="reader"),)
        balancer = LoadBalancer(
            functions={"reader": Broken("read")}, target_groups=groups, rules=(), default_action="read"
        )
        async with (
            balancer,
            aiohttp.ClientSession(balancer.base_url) as session,
            session.get("/", headers={"Accept": "text/html"}) as got,
        ):
            assert (got.status, await got.read()) == (500, error_page(500).body)

    asyncio.run(asyncio.wait_for(main(), 30))
    assert [record.getMessage() for record in caplog.records] == [
        "a request failed in the load balancer: RuntimeError"
    ]
    assert "ann" not in caplog.text


def test_a_request_of_one_megabyte_passes_and_a_larger_one_is_a_413() -> None:
    async def body(
        balancer: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        for size, status in ((1024 * 1024, 200), (1024 * 1024 + 1, 413), (3 * 1024 * 1024, 413)):
            async with session.post("/v1/events", data=io.BytesIO(b"x" * size)) as got:
                assert got.status == status
        assert len(writer.events) == 1
        assert balancer.statuses == {200: 1, 413: 2}

    serve(body)


def test_faults_hit_before_or_after_the_function_ran() -> None:
    async def body(
        _: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        for expected_calls in (0, 1):
            with pytest.raises(aiohttp.ClientError):
                await session.post("/v1/events", data=b"x")
            assert len(writer.events) == expected_calls
        for expected_calls in (1, 2):
            async with session.post("/v1/events", data=b"x") as got:
                assert got.status == 502
            assert len(writer.events) == expected_calls

    serve(body, "alb_dropped_before", "alb_dropped_after", "alb_502_before", "alb_502_after")


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        await asyncio.sleep(0.01)


def test_health_checks_invoke_the_function_if_they_are_on() -> None:
    async def body(
        balancer: LoadBalancer, session: aiohttp.ClientSession, reader: Recorder, writer: Recorder
    ) -> None:
        reader.payload = response(statusCode=500)
        await until(lambda: balancer.healthy.get("read") is False)
        reader.payload = response()
        await until(lambda: balancer.healthy["read"])
        assert reader.events[0]["path"] == "/healthz"
        assert reader.events[0]["headers"]["user-agent"] == "ELB-HealthChecker/2.0"
        assert not writer.events

    checked = TargetGroup(
        name="read", function="reader", health_check_path="/healthz", health_interval_s=0.02
    )
    serve(body, groups=(checked, GROUPS[1]))


def test_names_that_lead_nowhere_are_refused_at_once() -> None:
    rule = ListenerRule(priority=1, action="nowhere")
    with pytest.raises(ValueError, match="nowhere"):
        LoadBalancer(functions={}, target_groups=[], rules=[rule])
    with pytest.raises(ValueError, match="writer"):
        LoadBalancer(functions={}, target_groups=GROUPS[1:], rules=[])
