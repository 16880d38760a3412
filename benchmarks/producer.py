"""CPU of sending: the producer beside segment-analytics-python, and beside boto3's put_records by hand.

20,000 views of an item by 1,000 users, in batches of 500, to a server in a process of its own that answers at
once. Measured is the CPU of the sending process, all threads, until everything is answered for. They take
turns, and the best turn of each counts. The peers check no schema, number nothing and keep nothing on disk.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks._report import finish, options, progress
from benchmarks.consumer import ENVIRONMENT
from tapstack.producer import AsyncProducer, Item, ItemView, Producer

EVENTS = 20_000
BATCH = 500
ROUNDS = 3
PATIENCE_MS = 120_000


class _Server(asyncio.Protocol):
    """Answers each request as all three clients want it: a result, or a record, for each event."""

    def __init__(self) -> None:
        self._buffer = b""
        self._missing = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= self._missing:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            self._missing = len(head) + 4 + length
            if len(self._buffer) < self._missing:
                return
            self._buffer, self._missing = rest[length:], 0
            answer = _answer(rest[:length])
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))


def _answer(body: bytes) -> bytes:
    if records := body.count(b'"PartitionKey"'):
        record = {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
        return json.dumps({"FailedRecordCount": 0, "Records": [record] * records}).encode()
    return json.dumps({"success": True, "results": [{"status": "ok"}] * body.count(b'"event_type"')}).encode()


def _serve(ready: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def server() -> Iterator[str]:
    """Run the server; its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def ours(url: str, **chosen: Any) -> None:
    with Producer(url, batch_events_max=BATCH, **chosen) as producer:
        for n in range(EVENTS):
            producer.send(
                ItemView(
                    user_id=f"user-{n % 1_000}",
                    items=[Item(item_id=f"item-{n % 777}", price=9.99, currency="EUR", name="Running shoe")],
                )
            )
        assert producer.flush(PATIENCE_MS)
        assert producer.stats.delivered == EVENTS


def ours_with_journal(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours(url, journal=Path(folder, "journal"))


def ours_by_coroutines(url: str) -> None:
    async def main() -> None:
        async with AsyncProducer(url, batch_events_max=BATCH) as producer:
            for n in range(EVENTS):
                await producer.track(
                    "item_view",
                    user_id=f"user-{n % 1_000}",
                    items=[
                        {
                            "item_id": f"item-{n % 777}",
                            "price": 9.99,
                            "currency": "EUR",
                            "name": "Running shoe",
                        }
                    ],
                )
            assert await producer.flush(PATIENCE_MS)

    asyncio.run(main())


def segment(url: str) -> None:
    from segment.analytics.client import Client

    failed: list[object] = []
    client = Client(
        "key",
        host=url,
        upload_size=BATCH,
        max_queue_size=EVENTS,
        on_error=lambda error, items: failed.append(error),
    )
    for n in range(EVENTS):
        product = {"product_id": f"item-{n % 777}", "price": 9.99, "currency": "EUR", "name": "Running shoe"}
        is_taken, _ = client.track(f"user-{n % 1_000}", "Product Viewed", product)
        assert is_taken
    client.flush()
    client.join()
    assert failed == []


def boto3_by_hand(url: str) -> None:
    """Do what a service does that has no SDK: events as dictionaries, put_records when there are 500."""
    import boto3

    client = boto3.client("kinesis", endpoint_url=url)
    records: list[dict[str, Any]] = []
    for n in range(EVENTS):
        event = {
            "type": "item_view", "event_id": str(uuid4()), "user_id": f"user-{n % 1_000}",
            "occurred_at": datetime.now(UTC).isoformat(),
            "items": [
                {"item_id": f"item-{n % 777}", "price": 9.99, "currency": "EUR", "name": "Running shoe"}
            ],
        }  # fmt: skip
        records.append({"Data": json.dumps(event).encode(), "PartitionKey": f"user-{n % 1_000}"})
        if len(records) == BATCH:
            answer = client.put_records(StreamName="events", Records=records)
            assert answer["FailedRecordCount"] == 0
            records = []


def cpu_s(send: Callable[[str], None], url: str) -> float:
    start = time.process_time()
    send(url)
    return time.process_time() - start


def main() -> None:
    """Measure."""
    as_json = options("producer", __doc__).parse_args().json
    os.environ.update(ENVIRONMENT)
    senders: dict[str, Callable[[str], None]] = {
        "memory": ours,
        "journal": ours_with_journal,
        "coroutines": ours_by_coroutines,
        "segment": segment,
        "boto3": boto3_by_hand,
    }
    best = dict.fromkeys(senders, float("inf"))
    with server() as url:
        for turn in range(ROUNDS):
            for name, send in senders.items():
                progress(f"turn {turn + 1} of {ROUNDS}: {name}")
                best[name] = min(best[name], cpu_s(send, url))
    rates = {name: EVENTS / seconds for name, seconds in best.items()}
    finish(
        "producer",
        {f"{name}_events_per_cpu_s": rates[name] for name in ("memory", "journal", "coroutines")},
        {name: {"events_per_cpu_s": rates[name]} for name in ("segment", "boto3")},
        {
            f"{name}_times_{peer}": rates[name] / rates[peer]
            for name in ("memory", "journal")
            for peer in ("segment", "boto3")
        },
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
