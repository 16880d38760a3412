"""The proxy with faults: what passes, what fails, and what has happened by then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import aiohttp
import msgspec
import pytest
from aiohttp import web

from tapstack_emulator.fault_proxy import FaultProxy, any_caller
from tapstack_emulator.faults.policy import Fault, FaultScript, Injection
from tapstack_local.faults.plan import PRESETS, FaultDice, fault_name

TRANSACTION = {"TransactItems": [{"Put": {}}, {"Put": {}}, {"Put": {}}]}
BATCH = {"RequestItems": {"t": {"Keys": [{"pk": {"S": name}} for name in "abcd"], "ConsistentRead": True}}}


class Upstream:
    """Notes what reaches it, and answers with it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        self.requests.append((request.method, request.raw_path, body))
        self.headers.append(dict(request.headers))
        answer: Any = {"echo": body.decode(errors="replace")}
        if request.headers.get("X-Amz-Target", "").endswith("BatchGetItem"):
            asked = json.loads(body)["RequestItems"]
            answer = {
                "Responses": {table: keys["Keys"] for table, keys in asked.items()},
                "UnprocessedKeys": {},
            }
        headers = {"x-amzn-RequestId": "r1", "x-amz-crc32": "7", "Content-Type": "application/x-amz-json-1.0"}
        return web.Response(body=msgspec.json.encode(answer), headers=headers)


def proxied(
    body: Callable[[FaultProxy, Upstream, aiohttp.ClientSession], Awaitable[None]],
    *faults: Fault | Injection,
    service: Literal["dynamodb", "s3"] = "dynamodb",
    on_crash: Callable[[str], object] | None = None,
    may_crash: Callable[[str], bool] = any_caller,
) -> None:
    async def main() -> None:
        upstream = Upstream()
        served = web.Server(upstream)
        server = await asyncio.get_running_loop().create_server(served, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        script = FaultScript(dict(enumerate(faults, 1)))
        proxy = FaultProxy(service, url, script, on_crash=on_crash, may_crash=may_crash)
        async with proxy, aiohttp.ClientSession(proxy.url) as session:
            await body(proxy, upstream, session)
        server.close()
        await served.shutdown(timeout=0.5)

    asyncio.run(asyncio.wait_for(main(), 30))


async def call(
    session: aiohttp.ClientSession, operation: str, request: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    headers = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=ASIA1/20260101/us-east-1/dynamodb/aws4_request",
    }
    async with session.post("/", data=json.dumps(request).encode(), headers=headers) as answer:
        return answer.status, json.loads(await answer.read())


def test_what_is_not_hit_passes_unchanged() -> None:
    async def body(proxy: FaultProxy, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        for path in ("/late/a%2Fb%20c?x=%7E", "/late/a+b"):
            async with session.put(aiohttp.client.URL(path, encoded=True), data=b"\x00\xff") as answer:
                assert answer.status == 200
        status, answered = await call(session, "GetItem", {"Key": 1})
        assert (status, answered) == (200, {"echo": '{"Key": 1}'})
        assert [path for _, path, _ in upstream.requests] == ["/late/a%2Fb%20c?x=%7E", "/late/a+b", "/"]
        assert upstream.requests[0][2] == b"\x00\xff"
        assert upstream.headers[-1]["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIA1/")
        assert upstream.headers[-1]["X-Amz-Target"] == "DynamoDB_20120810.GetItem"
        assert not proxy.counts

    proxied(body)


@pytest.mark.parametrize(
    ("fault", "status", "code", "effects"),
    [
        ("throttle", 400, "ProvisionedThroughputExceededException", 0),
        ("throttle_api", 400, "ThrottlingException", 0),
        ("throttle_transaction", 400, "TransactionCanceledException", 0),
        ("transaction_conflict", 400, "TransactionCanceledException", 0),
        ("internal_error", 500, "InternalServerError", 0),
        ("internal_error_applied", 500, "InternalServerError", 1),
    ],
)
def test_error_answers_come_before_or_after_the_effect(
    fault: Fault, status: int, code: str, effects: int
) -> None:
    async def body(proxy: FaultProxy, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        answered = await call(session, "TransactWriteItems", TRANSACTION)
        assert answered[0] == status
        assert answered[1]["__type"].rpartition("#")[2] == code
        assert len(upstream.requests) == effects
        assert proxy.counts == {fault: 1}
        assert (await call(session, "TransactWriteItems", TRANSACTION))[0] == 200

    proxied(body, fault)


def test_a_transaction_conflict_names_the_items_that_are_held() -> None:
    async def body(proxy: FaultProxy, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        _, answer = await call(session, "TransactWriteItems", TRANSACTION)
        codes = [reason["Code"] for reason in answer["CancellationReasons"]]
        assert codes == ["None", "TransactionConflict", "TransactionConflict"]

    proxied(body, Injection("transaction_conflict", (1, 2)))


@pytest.mark.parametrize(
    ("fault", "effects", "crashes"),
    [
        ("lost_request", 0, []),
        ("lost_response", 1, []),
        ("crash_before", 0, ["ASIA1"]),
        ("crash_after", 1, ["ASIA1"]),
    ],
)
def test_a_lost_answer_cuts_the_connection_and_a_crash_tells_who(
    fault: Fault, effects: int, crashes: list[str]
) -> None:
    crashed: list[str] = []

    async def body(proxy: FaultProxy, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientError):
            await call(session, "TransactWriteItems", TRANSACTION)
        assert len(upstream.requests) == effects
        assert crashed == crashes

    proxied(body, fault, on_crash=crashed.append)


def test_who_may_not_crash_is_spared_and_not_counted() -> None:
    async def body(proxy: FaultProxy, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        for _ in range(2):
            assert (await call(session, "GetItem", {}))[0] == 200
        assert (len(upstream.requests), proxy.counts) == (2, {})

    proxied(body, "crash_before", "crash_after", may_crash=lambda key: key != "ASIA1")


def test_a_caller_that_dies_in_mid_request_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def body(proxy: FaultProxy, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabout half")
        await writer.drain()
        writer.transport.abort()
        assert (await call(session, "GetItem", {}))[0] == 200
        assert len(upstream.requests) == 1

    proxied(body)
    assert caplog.records == []


@pytest.mark.parametrize("left", [(0,), (1, 3), (0, 1, 2, 3)])
def test_unprocessed_keys_are_not_read_and_handed_back(left: tuple[int, ...]) -> None:
    async def body(proxy: FaultProxy, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        status, answer = await call(session, "BatchGetItem", BATCH)
        names = [key["pk"]["S"] for key in answer["UnprocessedKeys"]["t"]["Keys"]]
        found = [key["pk"]["S"] for key in answer["Responses"].get("t", [])]
        assert status == 200
        assert names == ["abcd"[index] for index in left]
        assert sorted(names + found) == list("abcd")
        assert answer["UnprocessedKeys"]["t"]["ConsistentRead"] is True
        assert len(upstream.requests) == (len(left) < 4)

    proxied(body, Injection("unprocessed", left))


def test_s3_fails_in_its_own_words() -> None:
    async def body(proxy: FaultProxy, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        for status, code, effects in (
            (503, "SlowDown", 0),
            (500, "InternalError", 0),
            (500, "InternalError", 1),
        ):
            async with session.put("/late/key", data=b"x") as answer:
                assert answer.status == status
                assert f"<Code>{code}</Code>" in await answer.text()
            assert len(upstream.requests) == effects
        assert proxy.calls == {"PutObject": 3}

    proxied(body, "throttle", "internal_error", "internal_error_applied", service="s3")


def test_presets_are_probabilities_and_none_is_silent() -> None:
    assert PRESETS["none"].quiet
    for preset in ("some", "many"):
        plan = PRESETS[preset]
        groups = (plan.put, plan.read, plan.dynamodb, plan.s3, plan.invoke, plan.request)
        assert all(0 < sum(group.values()) < 0.5 for group in groups)


def test_the_same_seed_draws_the_same_faults_and_counts_them() -> None:
    first, second = (FaultDice(PRESETS["many"], 7) for _ in range(2))
    drawn = [first.invocation("consumer") for _ in range(500)]
    assert drawn == [second.invocation("consumer") for _ in range(500)]
    assert first.counts.total() == sum(name is not None for name in drawn) > 0
    assert fault_name("dynamodb", "lost_response") == "D3 dynamodb lost_response"
    assert all(name.startswith("E") for name in first.counts)
