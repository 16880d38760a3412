"""Requests are summed and lose no count; what went wrong is said at once, and not without end."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.entrypoints.request_log import WARNINGS_MAX, RequestLog
from tapstack.metrics import METRICS

START_MS = 1_795_000_000_000
OK, BAD = {"status": 200}, {"status": 400}


class Written:
    """A log at a clock that the test moves, and the lines so far."""

    def __init__(self, interval_s: int, function: str = "collector") -> None:
        self.now_ms = START_MS
        self._log = RequestLog(interval_s, METRICS.get(function, ()))
        self.lines: list[dict[str, Any]] = []

    def request(
        self, after_ms: int, answer: dict[str, Any] = OK, duration_ms: int = 5, ok: int = 0, warnings: int = 0
    ) -> None:
        self.now_ms += after_ms
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self._log.record(
                answer,
                duration_ms,
                now_ms=self.now_ms,
                counts={"events_ok": ok} if ok else None,
                warnings=[{"rejected": "user_id"}] * warnings,
            )
        self.lines += [json.loads(text) for text in out.getvalue().splitlines()]

    @property
    def summaries(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "requests" in line]

    def told(self, name: str) -> list[Any]:
        return [line[name] for line in self.summaries]

    def at_ms(self) -> list[int]:
        return [line["_aws"]["Timestamp"] - START_MS for line in self.summaries]


def test_a_function_that_is_asked_seldom_writes_a_line_a_request() -> None:
    written = Written(10)
    for after_ms in (0, 10_000, 3_600_000):
        written.request(after_ms, ok=2)
    assert written.told("requests") == [1, 1, 1]
    assert written.told("events_ok") == [2, 2, 2]
    assert written.at_ms() == [0, 10_000, 3_610_000]


def test_a_function_that_is_asked_often_writes_a_line_an_interval() -> None:
    written = Written(10)
    for number in range(1_001):
        written.request(100, BAD if number % 10 == 9 else OK, duration_ms=number % 7, ok=3)
    assert written.told("requests") == [1, *[100] * 10]
    assert sum(written.told("events_ok")) == 3_003
    assert written.told("answers")[1] == {"200": 90, "400": 10}
    assert max(written.told("duration_max_ms")) == 6
    assert sum(written.told("duration_ms")) == sum(number % 7 for number in range(1_001))
    assert {line["level"] for line in written.lines} == {"INFO"}


def test_an_interval_of_nothing_is_a_line_a_request() -> None:
    written = Written(0)
    for _ in range(5):
        written.request(0, ok=1)
    assert written.told("requests") == [1] * 5


def test_what_was_counted_before_a_freeze_is_dated_before_it() -> None:
    written = Written(10)
    written.request(0, ok=1)
    written.request(4_000, ok=2)
    written.request(3_600_000, ok=4)
    assert written.told("events_ok") == [1, 2, 4]
    assert written.at_ms() == [0, 4_000, 3_604_000]


def test_a_clock_that_is_put_back_holds_no_line_up() -> None:
    written = Written(10)
    written.request(0, ok=1)
    written.request(1_000, ok=2)
    written.request(-3_600_000, ok=4)
    written.request(10_000, ok=8)
    assert written.told("events_ok") == [1, 2, 4, 8]


def test_a_warning_is_written_at_once_and_an_interval_has_twenty() -> None:
    written = Written(10)
    written.request(0)
    written.request(1, warnings=1)
    assert [line["level"] for line in written.lines] == ["INFO", "WARNING"]
    for _ in range(5):
        written.request(1, warnings=7)
    assert sum(line["level"] == "WARNING" for line in written.lines) == WARNINGS_MAX
    written.request(10_000, warnings=1)
    assert written.told("warnings_left_out") == [0, 36 - WARNINGS_MAX + 1]
    written.request(1, warnings=1)
    assert written.lines[-1] == {"level": "WARNING", "FunctionName": "", "rejected": "user_id"}


def test_at_debug_there_is_a_line_a_request_beside_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPSTACK_LOG_LEVEL", "DEBUG")
    written = Written(10)
    written.request(0, ok=1)
    written.request(1, BAD, duration_ms=7)
    assert written.lines[-1] == {
        "level": "DEBUG", "FunctionName": "", "status": 400, "duration_ms": 7,
    }  # fmt: skip
    assert len(written.summaries) == 1


@pytest.mark.parametrize(("function", "lines"), [("collector", 1), ("a function without metrics", 0)])
def test_a_summary_is_left_out_at_a_higher_level_unless_it_carries_metrics(
    monkeypatch: pytest.MonkeyPatch, function: str, lines: int
) -> None:
    monkeypatch.setenv("TAPSTACK_LOG_LEVEL", "WARNING")
    written = Written(10, function)
    written.request(0)
    assert len(written.lines) == lines


REQUESTS = st.lists(
    st.tuples(st.integers(-30_000, 30_000) | st.integers(0, 500), st.integers(0, 30), st.integers(0, 30)),
    max_size=60,
)


@given(st.integers(0, 20), REQUESTS)
def test_no_count_is_lost_while_requests_come(
    interval_s: int, requests: Sequence[tuple[int, int, int]]
) -> None:
    written = Written(interval_s)
    for after_ms, ok, warnings in requests:
        before = len(written.lines)
        written.request(after_ms, ok=ok, warnings=warnings)
        assert len(written.lines) - before <= 2 + WARNINGS_MAX
    written.request(max(1, interval_s) * 1_000, ok=1)  # late enough to bring out whatever is left
    assert sum(written.told("events_ok")) == 1 + sum(ok for _, ok, _ in requests)
    assert sum(written.told("requests")) == 1 + len(requests)
    said = sum(line["level"] == "WARNING" for line in written.lines)
    assert said + sum(written.told("warnings_left_out")) == sum(each[2] for each in requests)


@given(st.integers(1, 20), st.lists(st.integers(0, 30_000) | st.integers(0, 500), max_size=60))
def test_there_is_no_more_than_a_line_an_interval_and_one_for_each_pause(
    interval_s: int, pauses_ms: Sequence[int]
) -> None:
    written = Written(interval_s)
    for after_ms in pauses_ms:
        written.request(after_ms)
    long_pauses = sum(after_ms > interval_s * 1_000 for after_ms in pauses_ms)
    assert len(written.lines) <= 1 + sum(pauses_ms) // (interval_s * 1_000) + long_pauses
