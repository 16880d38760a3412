"""A fake over HTTP: HTTP/1.1 and HTTP/2, JSON and CBOR."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import cbor2
import h2.config
import h2.connection
import h2.events
import pytest

from tapstack.ports import AwsApi, AwsError
from tapstack_emulator.faults.policy import Fault, FaultScript, FaultyApi
from tapstack_emulator.kinesis.service import MemoryKinesis
from tapstack_emulator.serving import ServiceServer
from tapstack_emulator.serving.http2 import PREFACE


def serve(
    api: AwsApi,
    body: Callable[[ServiceServer, aiohttp.ClientSession], Awaitable[None]],
    on_crash: Callable[[str], object] | None = None,
) -> None:
    async def main() -> None:
        async with ServiceServer(api, on_crash=on_crash) as server, aiohttp.ClientSession() as session:
            await body(server, session)

    asyncio.run(asyncio.wait_for(main(), 30))


async def call(
    server: ServiceServer, session: aiohttp.ClientSession, operation: str, **request: Any
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

    async def body(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        status, answer = await call(server, session, "PutRecords", **put(b"event"))
        assert (status, answer["FailedRecordCount"]) == (200, 0)
        assert server.calls == {"PutRecords": 1}

    serve(memory, body)
    assert [record.data for record in memory.records("clicks")] == [b"event"]


def test_errors_come_with_their_type_and_status() -> None:
    class Refusing:
        def call(self, operation: str, body: bytes) -> bytes:
            raise AwsError("InternalFailure", "no", status=500)

    async def refused(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        assert await call(server, session, "PutRecords") == (
            500,
            {"__type": "InternalFailure", "message": "no"},
        )

    async def unknown(server: ServiceServer, session: aiohttp.ClientSession) -> None:
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

    async def body(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientError):
            await call(server, session, "PutRecords", **put())
        status, _ = await call(server, session, "PutRecords", **put())
        assert status == 200

    serve(FaultyApi(memory, FaultScript({1: fault})), body, crashes.append)
    assert len(memory.records("clicks")) == stored + 1
    assert crashes == crashed


def test_a_put_of_ten_megabytes_is_read() -> None:
    memory = kinesis()

    async def body(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        entries = put(b"x" * 1_000_000)["Records"] * 10
        status, _ = await call(server, session, "PutRecords", StreamName="clicks", Records=entries)
        assert status == 200

    serve(memory, body)
    assert len(memory.records("clicks")) == 10


# HTTP/2, as Node's client speaks it.


class Http2Client:
    """A client that begins with HTTP/2, with the small windows of the standard."""

    def __init__(self, server: ServiceServer) -> None:
        self.port = int(server.url.rpartition(":")[2])
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.bodies: dict[int, bytes] = {}
        self.statuses: dict[int, str] = {}
        self.ended: set[int] = set()

    async def __aenter__(self) -> Http2Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.h2.initiate_connection()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.writer.close()

    def post(self, operation: str, **request: Any) -> int:
        stream_id = self.h2.get_next_available_stream_id()
        headers = {
            ":method": "POST",
            ":path": "/",
            ":scheme": "http",
            ":authority": f"127.0.0.1:{self.port}",
            "x-amz-target": f"Kinesis_20131202.{operation}",
            "content-type": "application/x-amz-json-1.1",
        }
        self.h2.send_headers(stream_id, list(headers.items()))
        self.h2.send_data(stream_id, json.dumps(request).encode(), end_stream=True)
        return stream_id

    async def wait(self, *streams: int) -> None:
        while not self.ended.issuperset(streams):
            self.writer.write(self.h2.data_to_send())
            data = await self.reader.read(65_536)
            assert data, "the connection was cut"
            for event in self.h2.receive_data(data):
                match event:
                    case h2.events.ResponseReceived():
                        self.statuses[event.stream_id] = dict(event.headers)[":status"]
                    case h2.events.DataReceived():
                        self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case h2.events.StreamEnded():
                        self.ended.add(event.stream_id)

    def answer(self, stream_id: int) -> Any:
        return json.loads(self.bodies[stream_id])


def test_requests_over_http_2_are_answered_each_on_its_own() -> None:
    async def body(server: ServiceServer, _: aiohttp.ClientSession) -> None:
        async with Http2Client(server) as client:
            streams = [client.post("ListShards", StreamName=name) for name in ("clicks", "nowhere", "clicks")]
            await client.wait(*streams)
            assert [client.statuses[stream] for stream in streams] == ["200", "400", "200"]
            assert len(client.answer(streams[0])["Shards"]) == 2
            assert client.answer(streams[1])["__type"] == "ResourceNotFoundException"

    serve(kinesis(), body)


def test_an_answer_over_http_2_may_be_larger_than_the_window_and_outlive_a_goaway() -> None:
    memory = kinesis()
    numbers = [memory.put("clicks", "u1", b"x" * 1_000_000) for _ in range(2)]
    place = {"StreamName": "clicks", "ShardIteratorType": "TRIM_HORIZON"}

    async def body(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        shard_id = next(shard for shard in memory.shard_ids("clicks") if memory.records("clicks", shard))
        _, given = await call(server, session, "GetShardIterator", ShardId=shard_id, **place)
        async with Http2Client(server) as client:
            stream = client.post("GetRecords", ShardIterator=given["ShardIterator"])
            client.writer.write(client.h2.data_to_send())
            # No more requests on this connection, the one under way goes on: RFC 9113, 6.8.
            client.writer.write(bytes.fromhex("000008070000000000") + bytes(8))
            await client.wait(stream)
            assert [row["SequenceNumber"] for row in client.answer(stream)["Records"]] == numbers
            assert await client.reader.read() == b""  # and then the server closes

    serve(memory, body)


def test_a_lost_answer_cuts_an_http_2_connection() -> None:
    async def body(server: ServiceServer, _: aiohttp.ClientSession) -> None:
        async with Http2Client(server) as client:
            with pytest.raises((AssertionError, ConnectionError)):
                await client.wait(client.post("PutRecords", **put()))
        async with Http2Client(server) as client:
            stream = client.post("PutRecords", **put())
            await client.wait(stream)
            assert client.statuses[stream] == "200"

    serve(FaultyApi(kinesis(), FaultScript({1: "lost_response"})), body)


def test_what_is_no_http_2_after_its_preface_ends_the_connection_and_nothing_else() -> None:
    async def body(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        for junk in (b"\xff" * 100, b"\x00\x00\x00\x99\x00\x00\x00\x00\x00", bytes(40)):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
            writer.write(PREFACE[:7])
            await asyncio.sleep(0)
            writer.write(PREFACE[7:] + junk)
            writer.write_eof()
            await reader.read()
            writer.close()
        assert (await call(server, session, "ListShards", StreamName="clicks"))[0] == 200

    serve(kinesis(), body)


# CBOR, as the SDKs for Java and the CLI speak it.


async def call_cbor(
    server: ServiceServer, session: aiohttp.ClientSession, operation: str, body: bytes
) -> tuple[int, Any]:
    headers = {
        "X-Amz-Target": f"Kinesis_20131202.{operation}",
        "Content-Type": "application/x-amz-cbor-1.1",
    }
    async with session.post(server.url, data=body, headers=headers) as answer:
        assert answer.content_type == "application/x-amz-cbor-1.1"
        return answer.status, cbor2.loads(await answer.read(), semantic_decoders={1: lambda value, _: value})


def test_cbor_is_answered_in_cbor() -> None:
    memory = kinesis()
    now_ms = memory.clock.now_ms()

    async def body(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        entry = {"PartitionKey": "u1", "Data": b"\x00\xff"}
        request = {"StreamName": "clicks", "Records": [entry]}
        indefinite = cbor2.dumps(request, indefinite_containers=True)  # as Jackson writes them
        for given in (cbor2.dumps(request), indefinite):
            status, answer = await call_cbor(server, session, "PutRecords", given)
            assert (status, answer["FailedRecordCount"]) == (200, 0)
        place = {"StreamName": "clicks", "ShardId": answer["Records"][0]["ShardId"]}
        at = cbor2.CBORTag(1, now_ms - 1000)
        request = {**place, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": at}
        _, given = await call_cbor(server, session, "GetShardIterator", cbor2.dumps(request))
        status, page = await call_cbor(server, session, "GetRecords", cbor2.dumps(given))
        assert status == 200, (given, page)
        assert [row["Data"] for row in page["Records"]] == [b"\x00\xff"] * 2
        assert page["Records"][0]["ApproximateArrivalTimestamp"] == now_ms

    serve(memory, body)


@pytest.mark.parametrize(
    "body_",
    [
        b"",
        b"\xff",
        b"\x81",
        cbor2.dumps([1]),
        cbor2.dumps(5),
        cbor2.dumps({1: 2}),
        cbor2.dumps({"StreamName": cbor2.CBORTag(1, "x")}),
        cbor2.dumps({"StreamName": float("nan")}),
        b"\x81" * 5000,
    ],
    ids=range(9),
)
def test_what_is_no_cbor_of_a_request_is_refused_in_cbor(body_: bytes) -> None:
    async def body(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        status, answer = await call_cbor(server, session, "PutRecords", body_)
        assert status == 400
        assert answer["__type"] in {"SerializationException", "ValidationException"}

    serve(kinesis(), body)


def test_an_error_is_worded_alike_in_cbor() -> None:
    async def body(server: ServiceServer, session: aiohttp.ClientSession) -> None:
        request = cbor2.dumps({"StreamName": "nowhere"})
        assert await call_cbor(server, session, "DescribeStreamSummary", request) == (
            400,
            {
                "__type": "ResourceNotFoundException",
                "message": "Stream nowhere under account 123456789012 not found.",
            },
        )

    serve(kinesis(), body)
