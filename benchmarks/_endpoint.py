"""An endpoint that answers at once: DynamoDB's calls of the consumer, in a process of its own.

It stores what it is sent and checks nothing, so that what is measured is the caller. To whoever asks, a
projection has folded the whole journal: events of the past would have waited for it for too long.
"""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import msgspec

WATERMARK = msgspec.msgpack.encode([dict.fromkeys(range(1_000), 2**40), 0])
FOLDED = {
    "pk": {"S": "W#"},
    "sk": {"S": "items"},
    "v": {"N": "1"},
    "s": {"B": base64.b64encode(WATERMARK).decode()},
}


class _Server(asyncio.Protocol):
    def __init__(self, rows: dict[tuple[str, str], Any]) -> None:
        self._rows = rows
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
            answer = self._answer(headers, body)
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))

    def _answer(self, headers: bytes, body: bytes) -> bytes:
        if b"batchgetitem" in headers:
            request = msgspec.json.decode(body)["RequestItems"]
            return msgspec.json.encode(
                {"Responses": {table: self._get(asked["Keys"]) for table, asked in request.items()}}
            )
        if b"query" in headers:
            asked = msgspec.json.decode(body)["ExpressionAttributeValues"][":pk"]["S"]
            return msgspec.json.encode({"Items": [FOLDED] if asked == "W#" else []})
        if b"transactwriteitems" in headers:
            for write in msgspec.json.decode(body)["TransactItems"]:
                item = write["Put"]["Item"]
                self._rows[item["pk"]["S"], item["sk"]["S"]] = item
        return b"{}"

    def _get(self, keys: list[Any]) -> list[Any]:
        found = (self._rows.get((key["pk"]["S"], key["sk"]["S"])) for key in keys)
        return [row for row in found if row is not None]


def _serve(ready: Connection) -> None:
    async def run() -> None:
        rows: dict[tuple[str, str], Any] = {}
        server = await asyncio.get_running_loop().create_server(lambda: _Server(rows), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def endpoint() -> Iterator[str]:
    """Run the endpoint; its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()
