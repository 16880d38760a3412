"""The drainer's Lambda function: a schedule says when to look, and no more."""

from __future__ import annotations

import msgspec

from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.kinesis import KinesisWriter
from tapstack.aws.wide_bucket import WideBucket
from tapstack.collector.drain import READ_AT_ONCE, DrainDependencies, Report, drain
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.context import Context
from tapstack.entrypoints.jitter import jitter
from tapstack.entrypoints.log import write_line
from tapstack.entrypoints.settings import aws_settings, drainer_settings
from tapstack.metrics import METRICS

CONNECTIONS = READ_AT_ONCE  # to S3: each object on one of its own

_settings = drainer_settings()
_aws = aws_settings()
_dependencies = DrainDependencies(
    stream=KinesisWriter(
        JsonApi(Endpoint("kinesis", _aws.region, _aws.kinesis_url), "Kinesis_20131202", "1.1"),
        _settings.stream,
    ),
    spill=WideBucket(
        [Endpoint("s3", _aws.region, _aws.s3_url) for _ in range(CONNECTIONS)], _settings.spill_bucket
    ),
    clock=SystemClock(),
    jitter=jitter,
)


def handler(event: object, context: Context) -> dict[str, object]:  # noqa: ARG001 - Lambda's signature
    """Put what is spilled on the stream; what is left is for the next run. Returns what was done."""
    began_ms = _dependencies.clock.now_ms()
    report = drain(_dependencies, context.get_remaining_time_in_millis)
    _log(report, context, began_ms)
    return msgspec.structs.asdict(report)


def _log(report: Report, context: Context, began_ms: int) -> None:
    now_ms = _dependencies.clock.now_ms()
    fields = {f"spill_{name}": value for name, value in msgspec.structs.asdict(report).items()}
    fields |= {"request_id": context.aws_request_id, "duration_ms": now_ms - began_ms}
    level = "WARNING" if report.reason is not None or report.unreadable else "INFO"
    write_line(level, fields, metrics=METRICS["drainer"], now_ms=now_ms)
