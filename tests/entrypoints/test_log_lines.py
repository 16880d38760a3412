"""The functions' log lines: their format, their level, their durations, and no identifier in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from functions_world import NOW_S, Cloud, Context, event, journal_grew, line, lines, mapped, request

from event_strategies import client_event
from tapstack.metrics import METRICS, Metric
from tapstack.ports import Key, Row, StreamEntry
from tapstack_emulator import ManualClock


@pytest.mark.parametrize("function", ["consumer", "collector", "projector"])
def test_the_line_is_cloudwatchs_embedded_metric_format(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    module = cloud.function(function)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", f"stack-{function}")
    asked = {
        "consumer": mapped(event(1)),
        "collector": request("POST", "/v1/events", client_event()),
        "projector": journal_grew(),
    }
    module.handler(asked[function], Context())
    said = line(capsys)
    assert said["FunctionName"] == f"stack-{function}"
    (directive,) = said["_aws"]["CloudWatchMetrics"]
    assert isinstance(said["_aws"]["Timestamp"], int)
    assert directive["Namespace"] == "Tapstack"
    assert directive["Dimensions"] == [["FunctionName"]]
    assert directive["Metrics"] == [
        {"Name": metric.name, "Unit": metric.unit} for metric in METRICS[function]
    ]
    assert all(isinstance(said[metric.name], int) for metric in METRICS[function])


@pytest.mark.parametrize(
    ("threshold", "level", "is_written"),
    [("INFO", "INFO", True), ("INFO", "DEBUG", False), ("ERROR", "WARNING", False), ("DEBUG", "DEBUG", True)],
)
def test_lines_below_the_level_are_left_out_unless_they_carry_metrics(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    threshold: str,
    level: str,
    is_written: bool,
) -> None:
    from tapstack.entrypoints.log import write_line

    monkeypatch.setenv("TAPSTACK_LOG_LEVEL", threshold)
    write_line(level, {"n": 1}, now_ms=1)
    assert bool(capsys.readouterr().out) is is_written
    write_line(level, {"n": 1}, metrics=[Metric("n", "Count", "a test's")], now_ms=1)
    assert "_aws" in line(capsys)


def test_the_consumers_line_tells_how_long_it_took(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer, clock = cloud.function("consumer"), ManualClock(NOW_S * 1_000)
    dependencies = msgspec.structs.replace(consumer._dependencies, clock=clock)
    monkeypatch.setattr(consumer, "_dependencies", dependencies)

    class Slow(Context):
        asked = 0

        def get_remaining_time_in_millis(self) -> int:
            Slow.asked += 1
            clock.advance_ms(7)
            return 60_000

    consumer.handler(mapped(event(1)), Slow())
    assert Slow.asked
    assert line(capsys)["duration_ms"] == 7 * Slow.asked


@pytest.mark.parametrize(
    ("asked", "status", "duration_ms"),
    [
        (request("POST", "/v1/events", client_event()), "200", 7),
        (request("POST", "/v1/events", client_event(user_id=None)), "400", 0),
        (request("POST", "/v1/events"), "400", 0),
        (request("POST", "/v1/secret", client_event()), "404", 0),
        (request("GET", "/v1/events"), "405", 0),
    ],
    ids=["taken", "invalid", "no batch", "no such path", "not the method"],
)
def test_a_first_request_of_the_collector_has_a_line_with_status_and_duration(
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, Any],
    status: str,
    duration_ms: int,
) -> None:
    collector, clock = cloud.function("collector"), ManualClock(NOW_S * 1_000)

    class Slow:
        def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
            clock.advance_ms(7)
            return [True] * len(entries)

    dependencies = msgspec.structs.replace(collector._dependencies, stream=Slow(), clock=clock)
    monkeypatch.setattr(collector, "_dependencies", dependencies)
    assert collector.handler(asked, None)["statusCode"] == int(status)
    said = [found for found in lines(capsys) if "rejected" not in found]
    assert [(found["answers"], found["duration_ms"]) for found in said] == [({status: 1}, duration_ms)]
    assert "secret" not in json.dumps(said)


READS: dict[str, tuple[str, str, str, str, int]] = {
    "a user": ("GET", "/v1/users/secret", "GET", "/v1/users/{id}", 404),
    "an item": ("GET", "/v1/items/secret", "GET", "/v1/items/{id}", 404),
    "partners": ("GET", "/v1/items/secret/also-bought", "GET", "/v1/items/{id}/also-bought", 404),
    "trending": ("GET", "/v1/trending", "GET", "/v1/trending", 200),
    "health": ("GET", "/healthz", "GET", "/healthz", 200),
    "an id with a slash": ("GET", "/v1/users/secret%2Fsecret", "GET", "/v1/users/{id}", 404),
    "no such path": ("GET", "/v1/secret/secret", "GET", "none", 404),
    "a write": ("POST", "/v1/users/secret", "POST", "/v1/users/{id}", 405),
    "a word that is no method": ("SECRET", "/v1/users/secret", "other", "/v1/users/{id}", 405),
}


@pytest.mark.parametrize(("method", "path", "logged", "route", "status"), READS.values(), ids=READS)
def test_a_first_read_has_a_line_with_its_route_and_without_its_id(
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    logged: str,
    route: str,
    status: int,
) -> None:
    insights, clock = cloud.function("insights"), ManualClock(NOW_S * 1_000)
    queries: list[str] = []

    class Slow:
        def get(self, key: Key) -> Row | None:
            self.query(key.pk)
            return None

        def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
            queries.append(pk)
            clock.advance_ms(7)
            return []

    monkeypatch.setattr(insights, "_clock", clock)
    monkeypatch.setattr(insights, "_reader", Slow())
    assert insights.handler(request(method, path), Context())["statusCode"] == status
    said = line(capsys)
    assert (said["level"], said["answers"]) == ("INFO", {f"{logged} {route} {status}": 1})
    assert said["duration_ms"] == 7 * len(queries)
    assert "secret" not in json.dumps(said).lower()


ASKED = {"collector": request("POST", "/v1/events", client_event()), "insights": request("GET", "/healthz")}


@pytest.mark.parametrize("function", ASKED)
@pytest.mark.parametrize(("interval_s", "count"), [(None, 2), ("0", 50), ("1", 10)])
def test_requests_are_summed_for_as_long_as_the_setting_says(
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    interval_s: str | None,
    count: int,
) -> None:
    if interval_s is not None:
        monkeypatch.setenv("TAPSTACK_LOG_INTERVAL_S", interval_s)
    module, clock = cloud.function(function), ManualClock(NOW_S * 1_000)
    if function == "collector":
        monkeypatch.setattr(
            module, "_dependencies", msgspec.structs.replace(module._dependencies, clock=clock)
        )
    else:
        monkeypatch.setattr(module, "_clock", clock)
    for _ in range(50):
        assert module.handler(ASKED[function], Context())["statusCode"] == 200
        clock.advance_ms(210)
    said = lines(capsys)
    assert len(said) == count
    assert {found["level"] for found in said} == {"INFO"}


@pytest.mark.parametrize("level", [None, "LOUD"], ids=["no variable", "an odd one"])
def test_without_a_level_lines_below_info_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], level: str | None
) -> None:
    from tapstack.entrypoints.log import write_line

    monkeypatch.delenv("TAPSTACK_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("TAPSTACK_LOG_LEVEL", level)
    write_line("DEBUG", {"n": 1}, now_ms=1)
    write_line("INFO", {"n": 2}, now_ms=1)
    assert line(capsys)["n"] == 2
