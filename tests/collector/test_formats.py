"""A wire format is one module and one line: here one of CSV, whose senders read plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from collectors import dependencies_of
from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector.formats import FORMATS, ROUTES, Routes
from tapstack.collector.intake import (
    Result,
)
from tapstack.collector.wire_format import Limits, Route
from tapstack.entrypoints.collector_request import take
from tapstack.errors import InvalidEvent
from tapstack.http import Request, Response
from tapstack_emulator import ManualClock, MemoryBucket, MemoryKinesis


class Csv:
    """The example: ``id,user,page`` a line."""

    NAME = "csv"
    ROUTES = (Route("/csv", ("PUT",)), Route("/v2/*/csv", ("PUT", "GET")))
    FIELDS: Mapping[str, str] = {}
    KEYS: Sequence[str] = ()

    def parse(self, request: Request, limits: Limits) -> Sequence[bytes | InvalidEvent]:
        return [self._event(line) for line in request.body(limits.body_bytes).decode().splitlines()]

    def alone(self, request: Request, body_bytes_max: int) -> Sequence[bytes]:
        return request.body(body_bytes_max).splitlines()

    def _event(self, line: str) -> bytes | InvalidEvent:
        if line.count(",") != 2:
            return InvalidEvent("", "expected three columns")
        event_id, user, page = line.split(",")
        said = {
            "event_type": "page_view",
            "event_id": event_id,
            "user_id": user,
            "properties": {"page": page},
        }
        return msgspec.json.encode(said)

    def reply(self, request: Request, results: Sequence[Result]) -> Response:
        return Response(status=200, body=",".join(result.status for result in results).encode())


class Pipeline:
    """The collector with the example beside its own formats."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.kinesis = MemoryKinesis(self.clock)
        self.kinesis.create_stream("events", 1)
        self.quarantine = MemoryBucket()
        self.dependencies = dependencies_of(
            KinesisWriter(self.kinesis, "events"), quarantine=self.quarantine, clock=self.clock
        )

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> dict[str, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        event = {"httpMethod": method, "path": path, "headers": named, "body": body, "isBase64Encoded": False}
        return take(
            event,
            self.dependencies,
            request_bytes_max=1_000,
            event_bytes_max=1_000,
            allowed_origins={SHOP},
            routes=Routes([*FORMATS, Csv()]),
        ).answer


SHOP = "https://shop.example"


@pytest.mark.parametrize("path", ["/csv", "/csv/", "/v2/anything/csv"])
def test_a_format_that_is_listed_has_its_paths_its_events_and_its_answers(path: str) -> None:
    pipeline = Pipeline()
    answer = pipeline.ask("PUT", path, "e-1,ann,home\nno event\ne-1,ann,home\ne-2,,home\n")
    assert (answer["statusCode"], answer["body"]) == (200, "ok,invalid,duplicate,invalid")
    assert [record.partition_key for record in pipeline.kinesis.records("events")] == ["ann"]


def test_formats_stand_beside_each_other() -> None:
    pipeline = Pipeline()
    event = '{"event_type":"page_view","event_id":"e","user_id":"u"}'
    assert pipeline.ask("POST", "/v1/events", event)["body"] == '{"results":[{"status":"ok"}]}'
    assert pipeline.ask("POST", "/csv", event)["headers"]["allow"] == "PUT, OPTIONS"
    assert pipeline.ask("PUT", "/v1/events", event)["statusCode"] == 405
    assert pipeline.ask("PUT", "/tsv", event)["statusCode"] == 404


def test_no_two_formats_answer_one_path() -> None:
    paths = [route.path for each in FORMATS for route in each.ROUTES]
    assert len(paths) == len(set(paths))
    for path in paths:
        found = ROUTES.find(tuple(path[1:].split("/")))
        assert found is not None
        assert found.route.path == path


def test_a_head_takes_nothing() -> None:
    pipeline = Pipeline()
    assert pipeline.ask("HEAD", "/v2/1/csv", "e-1,ann,home")["statusCode"] == 200
    assert pipeline.ask("HEAD", "/csv", "e-1,ann,home")["headers"]["allow"] == "PUT, OPTIONS"
    assert not pipeline.kinesis.records("events")


PREFLIGHT = {"origin": SHOP, "access_control_request_method": "PUT"}


def test_a_page_of_a_named_origin_may_send_and_read_the_answer() -> None:
    pipeline = Pipeline()
    asked = pipeline.ask("OPTIONS", "/csv", **PREFLIGHT, access_control_request_headers="authorization")
    assert (asked["statusCode"], asked["headers"]) == (
        204,
        {
            "allow": "PUT, OPTIONS",
            "access-control-allow-origin": SHOP,
            "access-control-allow-credentials": "true",
            "access-control-allow-methods": "PUT, OPTIONS",
            "access-control-allow-headers": "authorization",
            "access-control-max-age": "600",
            "vary": "origin",
        },
    )
    for method in ("PUT", "DELETE"):
        sent = pipeline.ask(method, "/csv", "e-1,ann,home", origin=SHOP)
        assert sent["headers"]["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize("origin", ["https://other.example", "https://shop.example:1", "null", ""])
def test_a_page_of_another_origin_is_told_nothing(origin: str) -> None:
    pipeline = Pipeline()
    asked = pipeline.ask("OPTIONS", "/csv", **{**PREFLIGHT, "origin": origin})
    assert asked["headers"] == {"allow": "PUT, OPTIONS"}
    assert "access-control-allow-origin" not in pipeline.ask("PUT", "/csv", "", origin=origin)["headers"]
