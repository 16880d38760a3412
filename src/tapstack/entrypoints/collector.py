"""The collector's Lambda function: events in every wire format, behind the load balancer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.kinesis import KinesisWriter
from tapstack.aws.s3 import S3Bucket
from tapstack.collector.intake import (
    Result,
)
from tapstack.collector.objects import CollectorDependencies
from tapstack.core.events import Item, StreamEvent
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.collector_request import take
from tapstack.entrypoints.jitter import jitter, unique
from tapstack.entrypoints.request_log import RequestLog
from tapstack.entrypoints.settings import AwsSettings, CollectorSettings, aws_settings, collector_settings
from tapstack.metrics import METRICS

# A sender chooses the name of an unknown field, and it may be a person's: only the schema's own are logged.
_FIELD = rf"(?:{'|'.join(StreamEvent.__struct_fields__)})"
_KNOWN_FIELD = re.compile(rf"{_FIELD}(?:\[\d+\])?(?:\.(?:{'|'.join(Item.__struct_fields__)}))?")


def build_dependencies(settings: CollectorSettings, aws: AwsSettings) -> CollectorDependencies:
    """Return what the collector depends on, on AWS."""
    kinesis = JsonApi(Endpoint("kinesis", aws.region, aws.kinesis_url), "Kinesis_20131202", "1.1")
    s3 = Endpoint("s3", aws.region, aws.s3_url)
    return CollectorDependencies(
        stream=KinesisWriter(kinesis, settings.stream),
        quarantine=S3Bucket(s3, settings.quarantine_bucket),
        clock=SystemClock(),
        jitter=jitter,
        unique=unique,
    )


_settings = collector_settings()
_dependencies = build_dependencies(_settings, aws_settings())
_requests = RequestLog(_settings.log_interval_s, METRICS["collector"])


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Take events; the answer names each event's fate."""
    began_ms = _dependencies.clock.now_ms()
    taken = take(
        event,
        _dependencies,
        request_bytes_max=_settings.request_bytes_max,
        event_bytes_max=_settings.event_bytes_max,
        event_age_max=timedelta(days=_settings.event_age_max_days),
        allowed_origins=_settings.allowed_origins,
    )
    _log(taken.results, taken.answer["statusCode"], began_ms)
    return taken.answer


def _loggable(field: str | None) -> str:
    if field is None:
        return "event"
    return field if _KNOWN_FIELD.fullmatch(field) else "unknown field"


def _log(results: Sequence[Result], status: int, began_ms: int) -> None:
    now_ms = _dependencies.clock.now_ms()
    statuses = Counter([result.status for result in results])
    counts = {f"events_{status}": count for status, count in statuses.items()}
    warnings = _warnings(results, status)
    _requests.record({"status": status}, now_ms - began_ms, now_ms=now_ms, counts=counts, warnings=warnings)


def _warnings(results: Sequence[Result], status: int) -> Iterator[dict[str, object]]:
    """Yield what is logged at once; the reasons name fields and what was expected, never values."""
    if status >= 500:
        yield {"status": status, "events": len(results)}
    for result in results:
        if result.status == "invalid":
            yield {"rejected": _loggable(result.field), "reason": result.reason}
