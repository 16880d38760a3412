"""A DynamoDB that costs its callers nothing: it keeps items as they came, in a process of its own.

It checks nothing, projects nothing, and encodes an item once. Tables exist as soon as they are named.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import msgspec

Items = dict[bytes, msgspec.Raw]
_decode, _encode = msgspec.json.decode, msgspec.json.encode


class _Put(msgspec.Struct):
    Item: dict[str, Any]


class _Written(msgspec.Struct):
    PutRequest: _Put


class _Batch(msgspec.Struct):
    RequestItems: dict[str, list[_Written]]


class _Server(asyncio.Protocol):
    def __init__(self, tables: dict[str, Items]) -> None:
        self._tables = tables
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            headers = head.lower()
            length = int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
            operation = headers.partition(b"x-amz-target:")[2].partition(b"\r\n")[0].rpartition(b".")[2]
            answer = self._answer(operation, body)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: "
            self._transport.write(head + b"%d\r\n\r\n%b" % (len(answer), answer))

    def _answer(self, operation: bytes, body: bytes) -> bytes:
        if operation == b"batchgetitem":
            asked = _decode(body)["RequestItems"]
            found = {table: self._get(table, each["Keys"]) for table, each in asked.items()}
            return _encode({"Responses": found, "UnprocessedKeys": {}})
        if operation == b"getitem":
            request = _decode(body)
            return _encode(
                {"Item": item} if (item := self._one(request["TableName"], request["Key"])) else {}
            )
        if operation == b"query":
            return _encode({"Items": self._query(_decode(body))})
        if operation == b"batchwriteitem":
            for table, writes in _decode(body, type=_Batch).RequestItems.items():
                for write in writes:
                    self._put(table, write.PutRequest.Item)
            return b'{"UnprocessedItems":{}}'
        if operation in {b"describetable", b"createtable"}:
            name = _decode(body)["TableName"]
            described = {
                "TableName": name,
                "TableStatus": "ACTIVE",
                "TableArn": f"arn:aws:dynamodb:::table/{name}",
            }
            return _encode({"Table": described, "TableDescription": described})
        return b'{"Tags":[]}'

    def _put(self, table: str, item: dict[str, Any]) -> None:
        names = ("pk", "sk") if "pk" in item else ("entity_id",)
        self._tables.setdefault(table, {})[_key({name: item[name] for name in names})] = msgspec.Raw(
            _encode(item)
        )

    def _one(self, table: str, key: dict[str, Any]) -> msgspec.Raw | None:
        return self._tables.get(table, {}).get(_key(key))

    def _get(self, table: str, keys: list[dict[str, Any]]) -> list[msgspec.Raw]:
        return [item for key in keys if (item := self._one(table, key)) is not None]

    def _query(self, request: dict[str, Any]) -> list[msgspec.Raw]:
        values = request["ExpressionAttributeValues"]
        if ":sk" in values:
            return self._get(request["TableName"], [{"pk": values[":pk"], "sk": values[":sk"]}])
        prefix = _key({"pk": values[":pk"], "sk": {"S": ""}})[: -len('"}}')]
        items = self._tables.get(request["TableName"], {})
        return [item for key, item in items.items() if key.startswith(prefix)]


def _key(key: dict[str, Any]) -> bytes:
    return _encode(key, order="sorted")


def _serve(ready: Connection) -> None:
    async def run() -> None:
        tables: dict[str, Items] = {}
        server = await asyncio.get_running_loop().create_server(lambda: _Server(tables), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def store() -> Iterator[str]:
    """Run the store; its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()
