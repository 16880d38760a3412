"""The collector's own code behind HTTP on 127.0.0.1, over a stream in memory, with faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread
from typing import NamedTuple

import msgspec

from tapstack.collector.formats import native
from tapstack.collector.intake import collect
from tapstack.collector.publish import Dependencies
from tapstack.collector.wire_format import Limits
from tapstack.core.events import EVENT_BYTES_MAX, StreamEvent
from tapstack.http import Request
from tapstack.ports import StreamEntry
from tapstack.producer.system import SystemClock, jitter


class Served(NamedTuple):
    """A reply; None for a connection that is cut."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()


Reply = Callable[[str, bytes], Served | None]


class FaultyStream:
    """A stream in memory that refuses a share of the entries."""

    def __init__(self, random: Random, refused_share: float) -> None:
        self.entries: list[StreamEntry] = []
        self._random = random
        self._refused_share = refused_share

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        confirmed = [self._random.random() >= self._refused_share for _ in entries]
        self.entries += [entry for entry, is_stored in zip(entries, confirmed, strict=True) if is_stored]
        return confirmed

    def events(self) -> list[StreamEvent]:
        return [msgspec.json.decode(entry.data, type=StreamEvent) for entry in self.entries]


def faulty_collector(stream: FaultyStream, random: Random, cut_share: float) -> Reply:
    """Return a collector whose connections are cut now and then: before a request counts, or after."""

    class NoSleep(SystemClock):
        def sleep_ms(self, duration_ms: int) -> None:
            pass

    dependencies = Dependencies(stream=stream, clock=NoSleep(), jitter=jitter)

    def reply(path: str, body: bytes) -> Served | None:
        if random.random() < cut_share:
            return None
        request = Request(method="POST", path=tuple(path[1:].split("/")), raw_body=body)
        results = collect(
            native.parse(request, Limits(1_000_000, EVENT_BYTES_MAX)),
            dependencies,
            event_bytes_max=EVENT_BYTES_MAX,
            event_age_max=timedelta(days=30),
        )
        if random.random() < cut_share:
            return None
        response = native.reply(request, results)
        return Served(response.status, response.body, list(response.headers.items()))

    return reply


@contextmanager
def served(reply: Reply, seen: list[dict[str, str]] | None = None) -> Iterator[str]:
    """Serve replies to POST on a free port and note the headers; the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            if seen is not None:
                seen.append({name.lower(): value for name, value in self.headers.items()})
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            answer = reply(self.path, body) if len(body) == length else None  # else its client was killed
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in (*answer.headers, ("content-length", str(len(answer.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            with suppress(OSError):  # its client was killed
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
