"""The collector's Lambda function: ``POST /v1/events`` behind the load balancer."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector.collect import RETRY_AFTER_MS, Result, World, collect, split
from tapstack.core.events import Event, Item
from tapstack.entrypoints.alb import answer, read_request, refusal
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.log import write_line
from tapstack.entrypoints.settings import AwsSettings, CollectorSettings, aws_settings, collector_settings
from tapstack.errors import InvalidEvent

PATH = ("v1", "events")
REJECTED_LOGGED_MAX = 20  # of one request; the reasons name fields and what was expected, never values
# A sender chooses the name of an unknown field, and it may be a person's: only the schema's own are logged.
_FIELD = rf"(?:{'|'.join(Event.__struct_fields__)})"
_KNOWN_FIELD = re.compile(rf"{_FIELD}(?:\[\d+\])?(?:\.(?:{'|'.join(Item.__struct_fields__)}))?")
METRICS = ("events_ok", "events_duplicate", "events_invalid", "events_retry")


def build_world(settings: CollectorSettings, aws: AwsSettings) -> World:
    """Put the collector's world together on AWS."""
    kinesis = JsonApi(Endpoint("kinesis", aws.region, aws.kinesis_url), "Kinesis_20131202", "1.1")
    return World(stream=KinesisWriter(kinesis, settings.stream), clock=SystemClock(), jitter=random.random)


_settings = collector_settings()
_world = build_world(_settings, aws_settings())


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Take events; the answer names each event's fate."""
    began_ms = _world.clock.now_ms()
    results, answered = _take(event)
    _log(results, answered["statusCode"], began_ms)
    return answered


def _take(event: dict[str, Any]) -> tuple[Sequence[Result], dict[str, Any]]:
    try:
        request = read_request(event)
        if request.path != PATH:
            return (), refusal(404, "not_found", "no such path; POST /v1/events")
        if request.method != "POST":
            return (), refusal(405, "method_not_allowed", "only POST is answered here", {"allow": "POST"})
        events = split(request.body(_settings.request_bytes_max))
    except InvalidEvent as error:
        return (), refusal(400, "invalid_request", str(error))
    results = collect(events, _world, event_bytes_max=_settings.event_bytes_max)
    return results, respond(results)


def respond(results: Sequence[Result]) -> dict[str, Any]:
    """Answer 200 if every valid event is stored, 503 if some have to be sent again, 400 if none is valid."""
    statuses = {result.status for result in results}
    body = {"results": results}
    if "retry" in statuses:
        return answer(
            503,
            {"code": "unavailable", "message": "send the events marked retry again, unchanged", **body},
            {"retry-after": str(RETRY_AFTER_MS // 1000)},
        )
    if statuses == {"invalid"}:
        return answer(400, {"code": "invalid_events", "message": _first_reason(results), **body})
    return answer(200, body)


def _first_reason(results: Sequence[Result]) -> str:
    first = results[0]
    return f"{first.field}: {first.reason}" if first.field else str(first.reason)


def _loggable(field: str | None) -> str:
    if field is None:
        return "event"
    return field if _KNOWN_FIELD.fullmatch(field) else "unknown field"


def _log(results: Sequence[Result], status: int, began_ms: int) -> None:
    now_ms = _world.clock.now_ms()
    rejected = [result for result in results if result.status == "invalid"]
    for result in rejected[:REJECTED_LOGGED_MAX]:
        said = {"rejected": _loggable(result.field), "reason": result.reason}
        write_line("WARNING", said, now_ms=now_ms)
    counts = Counter(result.status for result in results)
    fields = {f"events_{fate}": counts[fate] for fate in ("ok", "duplicate", "invalid", "retry")}
    fields |= {"status": status, "duration_ms": now_ms - began_ms}
    write_line("INFO", fields, metrics=METRICS, now_ms=now_ms)
