"""Events per CPU second of the collector, in each wire format, beside FastAPI and pydantic doing the same.

Ours is timed from the text of Lambda's invocation to the text of the answer. The peers run as one runs them,
under uvicorn with uvloop and httptools, without its access log; and once more as the bare application, called
in its own process: as uvicorn's server is left out there, so is Lambda's runtime client, which fetches
invocations and posts answers, left out of ours always. Streams answer in the process, for all of them.

Each subject has a process of its own. They take turns, since a machine that others use too changes its speed
within a run; figures are the medians of the turns, ratios the medians of the turns' ratios.
`native_with_keys` is the native format with the write keys of 20 sources, which the others do not check.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib
import io
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from benchmarks._report import finish, options, progress
from benchmarks._wire_bodies import SENDERS
from benchmarks.consumer import ENVIRONMENT
from tapstack.core.events import StreamEvent
from tapstack.core.sources import Key, Source, Sources, hash_of, write_sources
from tapstack.ports import StreamEntry
from tapstack_local.traffic import generate

SIZES = (1, 2, 20, 500)
GOAL_SIZE = 20
TURNS = 7
EVENTS = 4_000  # a turn, and
REQUESTS_MAX = 1_500  # of them at most
COMPARED = 2_000  # events of which ours and the peers must make the same records
PEERS = {"fastapi": False, "fastapi_tuned": True}
COLLECTOR_ENVIRONMENT = {
    **ENVIRONMENT,
    "TAPSTACK_STREAM": "clicks",
    "TAPSTACK_QUARANTINE_BUCKET": "quarantine",
    "TAPSTACK_SPILL_BUCKET": "spill",
    "TAPSTACK_EVENT_BYTES_MAX": "32768",
    "TAPSTACK_REQUEST_BYTES_MAX": "1000000",
    "TAPSTACK_LOG_INTERVAL_S": "300",
}
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
WITH_KEYS = "native_with_keys"
KEY = "tapstack_000000000000000000000000000000000000000000000019"
SOURCES = Sources(
    sources=tuple(
        Source(id=f"source-{n}", keys=(Key(hash=hash_of(KEY[:-2] + f"{n:02}"), created_at=LONG_AGO),))
        for n in range(20)
    )
)
HEADERS = {
    "content-type": "application/json",
    "host": "events.internal",
    "user-agent": "benchmark",
    "x-write-key": KEY,
}

Ask = Callable[[str, Sequence[bytes]], float]  # path and bodies; returns the CPU seconds that they took


class Stream:
    """A stream that keeps what it is given if told to, and takes everything."""

    def __init__(self, kept: list[StreamEntry] | None = None) -> None:
        self._kept = kept

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        if self._kept is not None:
            self._kept += entries
        return [True] * len(entries)


def invocation(path: str, body: bytes) -> str:
    """Return a request as the load balancer hands it to the function."""
    event = {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/c/0"}
        },
        "httpMethod": "POST",
        "path": path,
        "queryStringParameters": {},
        "headers": {
            **HEADERS,
            "content-length": str(len(body)),
            "x-amzn-trace-id": "Root=1-67891234-abcdef012345678912345678",
            "x-forwarded-for": "10.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "body": body.decode(),
        "isBase64Encoded": False,
    }
    return json.dumps(event)


def ours(stream: Stream, sources: str = "", *, variables: Mapping[str, str] | None = None) -> Ask:
    """Return the function's handler, between the texts of invocations and answers.

    Parameters
    ----------
    stream
        The stream.
    sources
        The setting of this name.
    variables
        Further settings; a handler of their own is made then.
    """
    os.environ.update(COLLECTOR_ENVIRONMENT, TAPSTACK_SOURCES=sources, **(variables or {}))
    from tapstack.entrypoints import collector

    if variables is not None:
        sys.modules.pop("tapstack.entrypoints.collector")
        collector = importlib.import_module("tapstack.entrypoints.collector")
    collector._dependencies = msgspec.structs.replace(collector._dependencies, stream=stream)

    def ask(path: str, bodies: Sequence[bytes]) -> float:
        invocations = [invocation(path, body) for body in bodies]
        with contextlib.redirect_stdout(io.StringIO()):
            start = time.process_time()
            for each in invocations:
                answer = collector.handler(json.loads(each), None)
                json.dumps(answer)
                assert answer["statusCode"] == 200, answer
            return time.process_time() - start

    return ask


def application(stream: Stream, *, is_tuned: bool) -> Ask:
    """Return a peer without its server."""
    from benchmarks import _fastapi_collector

    app = _fastapi_collector.application(stream, is_tuned=is_tuned)
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def call(path: str, body: bytes) -> None:
        answers: list[Any] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
        }  # fmt: skip
        await app(scope, receive, send)
        assert answers[0]["status"] == 200, answers

    async def run(path: str, bodies: Sequence[bytes]) -> float:
        start = time.process_time()
        for body in bodies:
            await call(path, body)
        return time.process_time() - start

    return lambda path, bodies: asyncio.run(run(path, bodies))


def _answer(subject: str, pipe: Connection) -> None:
    """Answer in a process of its own; the first message says that it is ready."""
    with tempfile.NamedTemporaryFile() as file:
        if subject in PEERS:
            ask = application(Stream(), is_tuned=PEERS[subject])
        elif subject == WITH_KEYS:
            file.write(write_sources(SOURCES))
            file.flush()
            ask = ours(Stream(), f"file:{file.name}")
        else:
            ask = ours(Stream())
        pipe.send(None)
        while True:
            pipe.send(ask(*pipe.recv()))


def _serve(subject: str, pipe: Connection) -> None:
    """Serve a peer; the first message is its port, the others the CPU time of its process."""
    import uvicorn

    from benchmarks import _fastapi_collector

    def tell_times() -> None:
        while True:
            pipe.recv()
            pipe.send(time.process_time())

    app = _fastapi_collector.application(Stream(), is_tuned=PEERS[subject])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    pipe.send(listener.getsockname()[1])
    threading.Thread(target=tell_times, daemon=True).start()
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", access_log=False, log_level="warning", timeout_keep_alive=3_600
    )
    uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _process(target: Callable[[str, Connection], None], subject: str) -> Iterator[Connection]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(subject, there), daemon=True)
    process.start()
    try:
        yield here
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def answering(subject: str) -> Iterator[Ask]:
    """Run a subject that is called in its process."""
    with _process(_answer, subject) as pipe:
        pipe.recv()

        def ask(path: str, bodies: Sequence[bytes]) -> float:
            pipe.send((path, bodies))
            return float(pipe.recv())

        yield ask


@contextlib.contextmanager
def served(subject: str) -> Iterator[Ask]:
    """Run a peer under uvicorn."""
    with _process(_serve, subject) as pipe:
        client = http.client.HTTPConnection("127.0.0.1", pipe.recv())

        def cpu_s() -> float:
            pipe.send(None)
            return float(pipe.recv())

        def ask(path: str, bodies: Sequence[bytes]) -> float:
            start = cpu_s()
            for body in bodies:
                client.request("POST", path, body, HEADERS)
                answer = client.getresponse()
                answer.read()
                assert answer.status == 200, answer.status
            return cpu_s() - start

        yield ask


def compare(events: Sequence[dict[str, Any]]) -> None:
    """Make sure that the peers do the same: that their records and partition keys are ours."""
    path, say = SENDERS["native"]
    bodies = [json.dumps(say(events[start : start + 20])).encode() for start in range(0, len(events), 20)]
    found: dict[str, list[Any]] = {}
    for subject in ("ours", *PEERS):
        kept: list[StreamEntry] = []
        stream = Stream(kept)
        ask = ours(stream) if subject == "ours" else application(stream, is_tuned=PEERS[subject])
        ask(path, bodies)
        found[subject] = [(entry.partition_key, _record(entry.data)) for entry in kept]
    for subject in PEERS:
        assert found[subject] == found["ours"], f"{subject} makes other records than the collector"


def _record(data: bytes) -> StreamEvent:
    """Return what a record says, apart from the moment it came."""
    return msgspec.structs.replace(msgspec.json.decode(data, type=StreamEvent), received_at=LONG_AGO)


def measure(events: Sequence[dict[str, Any]]) -> Mapping[str, list[float]]:
    """Return the rates of each subject, format and size, turn by turn."""
    rates: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        asks = {each: stack.enter_context(answering(each)) for each in ("ours", WITH_KEYS)}
        for peer in PEERS:
            asks[peer] = stack.enter_context(served(peer))
            asks[f"{peer}_application"] = stack.enter_context(answering(peer))
        for turn in range(TURNS + 1):
            progress(f"turn {turn} of {TURNS}" if turn else "warming up")
            for size in SIZES:
                for format_name, (path, say) in SENDERS.items():
                    count = min(EVENTS // size, REQUESTS_MAX)
                    chunks = [events[each * size : (each + 1) * size] for each in range(count)]
                    bodies = [json.dumps(say(chunk)).encode() for chunk in chunks]
                    subjects = asks if format_name == "native" else {"ours": asks["ours"]}
                    for subject, ask in subjects.items():
                        name = f"{format_name if subject == 'ours' else subject}_{size}"
                        rates.setdefault(name, []).append(size * count / ask(path, bodies))
    return {name: turns[1:] for name, turns in rates.items()}


def _times(one: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median([a / b for a, b in zip(one, other, strict=True)])


def main() -> None:
    """Measure."""
    as_json = options("collector", __doc__).parse_args().json
    now_ms = time.time_ns() // 1_000_000
    requests = generate(1, EVENTS * 11 // 10, base_ms=now_ms - 60_000)
    events = [event for request in requests for event in request.events if isinstance(event, dict)]
    compare(events[:COMPARED])
    rates = measure(events)
    medians = {name: statistics.median(turns) for name, turns in rates.items()}
    figures = {name: rate for name, rate in medians.items() if not name.startswith("fastapi")}
    peers = {
        peer: {f"events_per_cpu_s_{size}": medians[f"{peer}_{size}"] for size in SIZES}
        for peer in (name for each in PEERS for name in (each, f"{each}_application"))
    }
    ratios = {
        f"native_{size}_times_{peer}": _times(rates[f"native_{size}"], rates[f"{peer}_{size}"])
        for peer in peers
        for size in SIZES
    }
    finish("collector", figures, peers, ratios, as_json=as_json)


if __name__ == "__main__":
    main()
