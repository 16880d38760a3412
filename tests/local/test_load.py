"""`tapstack load`: requests are due by the clock, and what kept them waiting is in their latency."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.cli._main import call
from tapstack_local.load.histogram import RATIO, SMALLEST_MS, Histogram
from tapstack_local.load.open_loop import IN_FLIGHT_MAX, NO_ANSWER, Load, open_loop
from tapstack_local.load.picture import bars, svg
from tapstack_local.load.run import Options, bodies

DURATIONS = st.lists(st.floats(0, 100_000), min_size=1, max_size=60)


@given(DURATIONS, st.floats(0.1, 100))
def test_a_percentile_is_never_too_low_and_at_most_two_percent_too_high(
    durations: list[float], percent: float
) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    exact = sorted(durations)[max(0, -int(-len(durations) * percent // 100) - 1)]
    found = histogram.percentile_ms(percent)
    assert exact <= found + 1e-6
    assert found <= max(exact * RATIO, SMALLEST_MS) + 1e-6
    assert histogram.max_ms == max(durations)


@given(DURATIONS)
def test_every_duration_is_in_one_range(durations: list[float]) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    limits = [0, 1, 20, 300, 4_000, 1e12]
    assert sum(map(histogram.between, limits, limits[1:])) == len(durations)
    assert sum(int(line.rsplit(" ", 1)[1]) for line in bars(histogram).splitlines()) == len(durations)


class World:
    """A clock that moves when everybody sleeps, and a collector with a hiccup."""

    def __init__(self, answer_s: Callable[[float], float]) -> None:
        self.now_s = 0.0
        self.sent_s: list[float] = []
        self._answer_s = answer_s
        self._order = count()  # of two who wake at one moment, the first to sleep is the first
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> Awaitable[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now_s + seconds, next(self._order), done))
        return done

    async def send(self, _body: bytes) -> int:
        self.sent_s.append(self.now_s)
        await self.sleep(self._answer_s(self.now_s))
        return 200

    def run(self, requests: int, per_s: float) -> Load:
        load = Load()

        async def main() -> None:
            task = asyncio.create_task(
                open_loop(self.send, [b""] * requests, per_s, load=load, clock=self.clock, sleep=self.sleep)
            )
            while not task.done():
                for _ in range(5):
                    await asyncio.sleep(0)
                if self._sleepers:
                    self._sleepers.sort()
                    self.now_s, _, sleeper = self._sleepers.pop(0)
                    sleeper.set_result(None)
            await task

        asyncio.run(main())
        return load


def test_requests_leave_when_they_are_due_however_slow_the_answers_are() -> None:
    world = World(lambda _: 3.0)
    load = world.run(20, per_s=10)
    assert world.sent_s == pytest.approx([number / 10 for number in range(20)])
    assert (load.due, load.skipped, load.statuses) == (20, 0, {200: 20})
    assert load.latency.percentile_ms(50) == pytest.approx(3_000, rel=0.03)


def test_a_hiccup_of_a_second_is_in_every_request_of_that_second() -> None:
    """A closed loop would have sent one request in that second, and shown one slow answer."""
    world = World(lambda at_s: max(0.0, 2.0 - at_s) if at_s >= 1.0 else 0.001)
    load = world.run(200, per_s=100)
    slow = load.latency.between(50, 1e12)
    assert 90 <= slow <= 100
    assert load.latency.percentile_ms(50) > 0
    assert load.by_second[1].percentile_ms(50) == pytest.approx(500, rel=0.05)


def test_what_is_not_answered_does_not_pile_up() -> None:
    world = World(lambda _: 1_000.0)
    load = world.run(IN_FLIGHT_MAX + 10, per_s=100)
    assert (load.due, load.skipped, load.latency.count) == (IN_FLIGHT_MAX + 10, 10, IN_FLIGHT_MAX)


def test_a_picture_is_an_image_with_three_lines() -> None:
    load = Load()
    for second in range(3):
        load.answered(second + 0.5, 4.0 + second, 200)
    root = ET.fromstring(svg("10 requests <a second>", load.by_second))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 3
    assert ET.fromstring(svg("nothing", {})) is not None


def test_events_are_valid_and_their_users_are_nobody_elses() -> None:
    options = Options(url=None, requests_per_s=5, duration_s=2, events_per_request=7)
    found = [json.loads(body) for body in bodies(options, 1, 1_795_000_000_000)]
    assert [len(events) for events in found] == [7] * 10
    for event in (event for events in found for event in events):
        assert str(event.get("user_id") or event["anonymous_id"]).startswith("load-")


@contextmanager
def collector(status: int, *results: str) -> Iterator[str]:
    answer = json.dumps({"results": [{"status": each} for each in results]}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "results", "code", "not_stored"),
    [
        (200, ("ok", "duplicate"), 0, 0),
        (200, ("ok", "invalid"), 1, 20),
        (200, ("denied", "denied"), 1, 40),
        (200, ("ok",), 1, 40),
        (503, ("retry", "ok"), 1, 0),
    ],
)
def test_the_command_says_what_was_answered(
    status: int,
    results: tuple[str, ...],
    code: int,
    not_stored: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture = tmp_path / "load.svg"
    with collector(status, *results) as url:
        found = call(
            ["load", "--url", url, "--rate", "20", "--duration", "1", "--events", "2", "--json",
             "--picture", str(picture)]
        )  # fmt: skip
    said = json.loads(capsys.readouterr().out)
    assert (found, said["due"], said["answers"]) == (code, 20, {str(status): 20})
    assert said["events_not_stored"] == not_stored
    assert said["latency_ms"].keys() == {"p50", "p90", "p99", "p99.9", "max"}
    assert picture.read_text().startswith("<svg")


def test_a_load_of_no_request_has_shown_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with collector(200) as url:
        assert call(["load", "--url", url, "--rate", "0.1", "--duration", "1"]) == 1
    assert "due 0 requests" in capsys.readouterr().out


def test_nobody_there_is_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with collector(200) as url:
        pass
    assert call(["load", "--url", url, "--rate", "10", "--duration", "1"]) == 1
    assert "answered none: 10" in capsys.readouterr().out
    assert NO_ANSWER == 0


MISTAKES = {
    "another machine": (
        ["--url", "http://events.example"],
        "to events.example, which stores them: say so",
    ),
    "a heavy load": (["--rate", "500"], "500 requests a second, more than 200: say so with --yes"),
    "no address": (["--url", "events.example"], "--url: expected http(s)://host[:port]"),
    "no port": (["--url", "http://127.0.0.1:x"], "--url: expected http(s)://host[:port]"),
    "no number": (["--rate", "nan"], "--rate: expected requests a second, got nan"),
    "no folder": (["--picture", "/no/folder/p.svg"], "expected a file in a folder that can be written"),
    "a key in two lines": (["--write-key", "a\nb"], "expected printable ASCII"),
    "too much": (["--rate", "20000", "--duration", "86400", "--yes"], "expected at most 20,000,000 events"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_load_that_may_do_harm_has_to_be_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["load", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_load_that_is_terminated_says_what_it_measured() -> None:
    command = [sys.executable, "-m", "tapstack.cli", "load", "--duration", "60", "--rate", "5", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "requests a second to" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert json.loads(out)["due"] < 300
