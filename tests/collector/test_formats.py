"""A wire format is one module and one line: here one of CSV, whose senders read plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector.formats import FORMATS, native
from tapstack.collector.intake import (
    Result,
)
from tapstack.collector.publish import (
    Dependencies,
)
from tapstack.entrypoints.collector_request import take
from tapstack.errors import InvalidEvent
from tapstack.http import Request, Response
from tapstack_emulator import ManualClock, MemoryKinesis


class Csv:
    """The example: ``id,user,page`` a line."""

    PATHS = (("csv",), ("v2", "csv"))
    METHODS = ("PUT",)

    def parse(self, request: Request, body_bytes_max: int) -> Sequence[bytes | InvalidEvent]:
        return [self._event(line) for line in request.body(body_bytes_max).decode().splitlines()]

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

    def reply(self, results: Sequence[Result]) -> Response:
        return Response(status=200, body=",".join(result.status for result in results).encode())


class Pipeline:
    """The collector with the example beside its own formats."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.kinesis = MemoryKinesis(self.clock)
        self.kinesis.create_stream("events", 1)
        self.dependencies = Dependencies(
            stream=KinesisWriter(self.kinesis, "events"), clock=self.clock, jitter=lambda: 0.5
        )

    def ask(self, method: str, path: str, body: str) -> dict[str, Any]:
        event = {"httpMethod": method, "path": path, "headers": {}, "body": body, "isBase64Encoded": False}
        limits = {"request_bytes_max": 1_000, "event_bytes_max": 1_000}
        return take(event, self.dependencies, **limits, formats=[*FORMATS, Csv()]).answer


@pytest.mark.parametrize("path", ["/csv", "/v2/csv"])
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
    paths = [path for each in FORMATS for path in each.PATHS]
    assert len(paths) == len(set(paths))
    assert native.PATHS[0] in paths
