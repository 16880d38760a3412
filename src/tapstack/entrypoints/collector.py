"""The collector's Lambda function: ``POST /v1/events`` behind the load balancer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector.intake import (
    Result,
)
from tapstack.collector.publish import (
    Dependencies,
)
from tapstack.core.events import Item, StreamEvent
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.collector_request import take
from tapstack.entrypoints.jitter import jitter
from tapstack.entrypoints.log import write_line
from tapstack.entrypoints.settings import AwsSettings, CollectorSettings, aws_settings, collector_settings

REJECTED_LOGGED_MAX = 20  # of one request; the reasons name fields and what was expected, never values
# A sender chooses the name of an unknown field, and it may be a person's: only the schema's own are logged.
_FIELD = rf"(?:{'|'.join(StreamEvent.__struct_fields__)})"
_KNOWN_FIELD = re.compile(rf"{_FIELD}(?:\[\d+\])?(?:\.(?:{'|'.join(Item.__struct_fields__)}))?")
METRICS = ("events_ok", "events_duplicate", "events_invalid", "events_retry")


def build_dependencies(settings: CollectorSettings, aws: AwsSettings) -> Dependencies:
    """Return what the collector depends on, on AWS."""
    kinesis = JsonApi(Endpoint("kinesis", aws.region, aws.kinesis_url), "Kinesis_20131202", "1.1")
    return Dependencies(stream=KinesisWriter(kinesis, settings.stream), clock=SystemClock(), jitter=jitter)


_settings = collector_settings()
_dependencies = build_dependencies(_settings, aws_settings())


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Take events; the answer names each event's fate."""
    began_ms = _dependencies.clock.now_ms()
    taken = take(
        event,
        _dependencies,
        request_bytes_max=_settings.request_bytes_max,
        event_bytes_max=_settings.event_bytes_max,
    )
    _log(taken.results, taken.answer["statusCode"], began_ms)
    return taken.answer


def _loggable(field: str | None) -> str:
    if field is None:
        return "event"
    return field if _KNOWN_FIELD.fullmatch(field) else "unknown field"


def _log(results: Sequence[Result], status: int, began_ms: int) -> None:
    now_ms = _dependencies.clock.now_ms()
    rejected = [result for result in results if result.status == "invalid"]
    for result in rejected[:REJECTED_LOGGED_MAX]:
        said = {"rejected": _loggable(result.field), "reason": result.reason}
        write_line("WARNING", said, now_ms=now_ms)
    counts = Counter(result.status for result in results)
    fields = {f"events_{fate}": counts[fate] for fate in ("ok", "duplicate", "invalid", "retry")}
    fields |= {"status": status, "duration_ms": now_ms - began_ms}
    write_line("INFO", fields, metrics=METRICS, now_ms=now_ms)
