"""Objects a second that the drainer moves from the bucket to the stream: one connection, and as deployed.

Each call to S3 and to Kinesis takes 20 ms, as it may in a region (an assumption; nothing here is AWS).
Objects hold one event each, the worst case: so many requests a second may be spilled for good.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

from benchmarks._report import finish, options, progress
from tapstack import spill
from tapstack.aws.http import Endpoint
from tapstack.aws.s3 import S3Bucket
from tapstack.aws.wide_bucket import WideBucket
from tapstack.collector.drain import READ_AT_ONCE, DrainDependencies, drain
from tapstack.ports import SpillStore, StreamEntry
from tapstack_emulator import ManualClock

CALL_S = 0.02
OBJECTS = 1_500
CONNECTIONS = READ_AT_ONCE  # as deployed
PEAK_A_S = 10_000 / 60  # events, and so requests at most
PAGE = 1_000
BODY = spill.encode([StreamEntry(partition_key="u", data=b"x" * 600)])


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keys: set[str]) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        method, target, *_ = head.decode().split()
        await asyncio.sleep(CALL_S)
        url = urlsplit(target)
        status, body = "200 OK", BODY
        if method == "DELETE":
            keys.discard(url.path.removeprefix("/bucket/"))
            status, body = "204 No Content", b""
        elif url.query:
            after = parse_qs(url.query).get("start-after", [""])[0]
            left = [key for key in sorted(keys) if key > after]
            is_cut = str(len(left) > PAGE).lower()
            listed = "".join([f"<Key>{key}</Key>" for key in left[:PAGE]])
            body = f"{listed}<IsTruncated>{is_cut}</IsTruncated>".encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


def _serve(ready: Connection, objects: int) -> None:
    keys = {spill.object_key(number, "0a") for number in range(objects)}

    async def run() -> None:
        server = await asyncio.start_server(lambda r, w: _answer(r, w, keys), "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def slow_s3(objects: int) -> Iterator[str]:
    """Run a bucket that holds objects and takes its time; its address."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, objects), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


class SlowStream:
    """A stream that takes everything, slowly."""

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        """Take records; see `tapstack.ports.StreamWriter.put`."""
        time.sleep(CALL_S)
        return [True] * len(entries)


def rate(objects: int, connections: int) -> float:
    """Drain, and return objects a second."""
    with slow_s3(objects) as url:
        endpoints = [Endpoint("s3", "us-east-1", url) for _ in range(connections)]
        bucket: SpillStore = (
            WideBucket(endpoints, "bucket") if connections > 1 else S3Bucket(endpoints[0], "bucket")
        )
        clock = ManualClock(10**12)
        dependencies = DrainDependencies(stream=SlowStream(), spill=bucket, clock=clock, jitter=lambda: 0.5)
        began = time.perf_counter()
        report = drain(dependencies, lambda: 10**9)
        took_s = time.perf_counter() - began
    if report.objects != objects or report.reason is not None:
        raise SystemExit(f"not everything was drained: {report}")
    return objects / took_s


def main() -> None:
    """Run."""
    asked = options("draining", __doc__).parse_args()
    progress(f"{CONNECTIONS} connections")
    wide = rate(OBJECTS, CONNECTIONS)
    progress("one connection")
    narrow = rate(OBJECTS // 10, 1)
    finish(
        "draining",
        {"objects_per_s": wide},
        {"one connection": {"objects_per_s": narrow}},
        {"times_one_connection": wide / narrow, "times_peak": wide / PEAK_A_S},
        as_json=asked.json,
    )


if __name__ == "__main__":
    main()
