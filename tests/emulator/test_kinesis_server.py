"""Kinesis over HTTP, as our own adapter and a plain client see it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tapstack.ports import AwsApi, AwsError
from tapstack_emulator.faults.policy import Fault, FaultScript, FaultyApi
from tapstack_emulator.kinesis.server import KinesisServer
from tapstack_emulator.kinesis.service import MemoryKinesis


def serve(
    api: AwsApi,
    body: Callable[[KinesisServer, aiohttp.ClientSession], Awaitable[None]],
    on_crash: Callable[[str], object] | None = None,
) -> None:
    async def main() -> None:
        async with KinesisServer(api, on_crash=on_crash) as server, aiohttp.ClientSession() as session:
            await body(server, session)

    asyncio.run(asyncio.wait_for(main(), 30))


async def call(
    server: KinesisServer, session: aiohttp.ClientSession, operation: str, **request: Any
) -> tuple[int, dict[str, Any]]:
    headers = {
        "X-Amz-Target": f"Kinesis_20131202.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=ASIA1/20260101/us-east-1/kinesis/aws4_request",
    }
    async with session.post(
        server.url, data=io.BytesIO(json.dumps(request).encode()), headers=headers
    ) as answer:
        assert answer.content_type == "application/x-amz-json-1.1"
        return answer.status, json.loads(await answer.read())


def put(data: bytes = b"{}") -> dict[str, Any]:
    entry = {"PartitionKey": "u1", "Data": base64.b64encode(data).decode()}
    return {"StreamName": "clicks", "Records": [entry]}


def kinesis() -> MemoryKinesis:
    memory = MemoryKinesis()
    memory.create_stream("clicks", 2)
    return memory


def test_records_put_over_http_are_in_the_stream() -> None:
    memory = kinesis()

    async def body(server: KinesisServer, session: aiohttp.ClientSession) -> None:
        status, answer = await call(server, session, "PutRecords", **put(b"event"))
        assert (status, answer["FailedRecordCount"]) == (200, 0)
        assert server.calls == {"PutRecords": 1}

    serve(memory, body)
    assert [record.data for record in memory.records("clicks")] == [b"event"]


def test_errors_come_with_their_type_and_status() -> None:
    class Refusing:
        def call(self, operation: str, body: bytes) -> bytes:
            raise AwsError("InternalFailure", "no", status=500)

    async def refused(server: KinesisServer, session: aiohttp.ClientSession) -> None:
        assert await call(server, session, "PutRecords") == (
            500,
            {"__type": "InternalFailure", "message": "no"},
        )

    async def unknown(server: KinesisServer, session: aiohttp.ClientSession) -> None:
        status, answer = await call(server, session, "PutRecords", **{**put(), "StreamName": "nowhere"})
        assert (status, answer["__type"]) == (400, "ResourceNotFoundException")
        status, answer = await call(server, session, "NoSuchThing")
        assert answer["__type"] == "UnknownOperationException"
        async with session.get(server.url) as got:
            assert got.status == 404

    serve(Refusing(), refused)
    serve(kinesis(), unknown)


@pytest.mark.parametrize(
    ("fault", "stored", "crashed"),
    [
        ("lost_request", 0, []),
        ("lost_response", 1, []),
        ("crash_before", 0, ["ASIA1"]),
        ("crash_after", 1, ["ASIA1"]),
    ],
)
def test_lost_answers_and_crashes_cut_the_connection(fault: Fault, stored: int, crashed: list[str]) -> None:
    memory = kinesis()
    crashes: list[str] = []

    async def body(server: KinesisServer, session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientError):
            await call(server, session, "PutRecords", **put())
        status, _ = await call(server, session, "PutRecords", **put())
        assert status == 200

    serve(FaultyApi(memory, FaultScript({1: fault})), body, crashes.append)
    assert len(memory.records("clicks")) == stored + 1
    assert crashes == crashed


def test_a_put_of_ten_megabytes_is_read() -> None:
    memory = kinesis()

    async def body(server: KinesisServer, session: aiohttp.ClientSession) -> None:
        entries = put(b"x" * 1_000_000)["Records"] * 10
        status, _ = await call(server, session, "PutRecords", StreamName="clicks", Records=entries)
        assert status == 200

    serve(memory, body)
    assert len(memory.records("clicks")) == 10
