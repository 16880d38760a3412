"""The collector's Lambda function: events in every wire format, behind the load balancer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.kinesis import KinesisWriter
from tapstack.aws.s3 import S3Bucket
from tapstack.aws.secrets import Secret
from tapstack.collector.admission import Admission
from tapstack.collector.enrichment.order import Enrichment
from tapstack.collector.intake import CheckSchemas
from tapstack.collector.known_sources import KnownSources
from tapstack.collector.objects import CollectorDependencies
from tapstack.core.events import Item, StreamEvent
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.collector_request import Taken, take
from tapstack.entrypoints.enrichment import EnrichmentSettings, enrichment_of, enrichment_settings
from tapstack.entrypoints.jitter import jitter, unique
from tapstack.entrypoints.request_log import RequestLog
from tapstack.entrypoints.settings import AwsSettings, CollectorSettings, aws_settings, collector_settings
from tapstack.errors import Misconfigured, Unavailable, UsageError
from tapstack.metrics import METRICS
from tapstack.ports import Clock

CALL_TIMEOUT_S = 2.0  # a sender waits: what hangs longer is tried elsewhere; see `tapstack.collector.publish`

# A sender chooses the name of an unknown field, and it may be a person's: only the schema's own are logged.
_FIELD = rf"(?:{'|'.join(StreamEvent.__struct_fields__)})"
# The whole request, for its key, its source or its rate; and what it is counted as.
REFUSED = {401: "requests_unauthorized", 403: "requests_forbidden", 429: "requests_rate_limited"}
FILE = "file:"
_KNOWN_FIELD = rf"{_FIELD}(?:\[\d+\])?(?:\.(?:{'|'.join(Item.__struct_fields__)}))?"


def build_dependencies(settings: CollectorSettings, aws: AwsSettings) -> CollectorDependencies:
    """Return what the collector depends on, on AWS."""
    at_kinesis = Endpoint("kinesis", aws.region, aws.kinesis_url, timeout_s=CALL_TIMEOUT_S)
    kinesis = JsonApi(at_kinesis, "Kinesis_20131202", "1.1")
    s3 = Endpoint("s3", aws.region, aws.s3_url, timeout_s=CALL_TIMEOUT_S)
    return CollectorDependencies(
        stream=KinesisWriter(kinesis, settings.stream),
        quarantine=S3Bucket(s3, settings.quarantine_bucket),
        spill=S3Bucket(s3, settings.spill_bucket),
        clock=SystemClock(),
        jitter=jitter,
        unique=unique,
    )


def build_admission(settings: CollectorSettings, aws: AwsSettings, clock: Clock) -> Admission | None:
    """Return who decides on write keys; None if they are not checked."""
    if not settings.sources:
        return None
    return Admission(KnownSources(_reader(settings.sources, aws), clock), clock)


def build_enrichment(settings: EnrichmentSettings, aws: AwsSettings) -> Callable[[], Enrichment] | None:
    """Return what is added to events, or taken out; None if they stay as they are."""
    return enrichment_of(settings, _reader(settings.key, aws))


def _reader(place: str, aws: AwsSettings) -> Callable[[], bytes]:
    """Return what reads a secret of Secrets Manager, or a file, each time."""
    if place.startswith(FILE):
        return lambda: _read_file(place.removeprefix(FILE))
    secrets = JsonApi(Endpoint("secretsmanager", aws.region, aws.secrets_url), "secretsmanager", "1.1")
    return Secret(secrets, place).read


def build_schemas(folder: str) -> CheckSchemas | None:
    """Return what holds events to the operator's schemas; None, at no cost, if there are none.

    Raises
    ------
    Misconfigured
        If they cannot be read.
    """
    if not folder:
        return None
    import os
    from pathlib import Path

    from tapstack.collector.schema_folder import load_folder
    from tapstack.collector.schemas import Schemas

    try:
        # Lambda's name for the folder of the unpacked zip.
        return Schemas(load_folder(Path(os.environ.get("LAMBDA_TASK_ROOT", ""), folder))).check
    except UsageError as error:
        raise Misconfigured("TAPSTACK_SCHEMAS", str(error)) from None


def _read_file(path: str) -> bytes:
    from pathlib import Path  # no function in Lambda needs it

    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from None


_settings = collector_settings()
_aws = aws_settings()
_dependencies = build_dependencies(_settings, _aws)
_admission = build_admission(_settings, _aws, _dependencies.clock)
_enrichment = build_enrichment(enrichment_settings(), _aws)
_check_schemas = build_schemas(_settings.schemas)
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
        admission=_admission,
        enrichment=_enrichment,
        check_schemas=_check_schemas,
    )
    _log(taken, began_ms)
    return taken.answer


def _loggable(field: str | None) -> str:
    if field is None:
        return "event"
    return field if re.fullmatch(_KNOWN_FIELD, field) else "unknown field"


def _log(taken: Taken, began_ms: int) -> None:
    now_ms = _dependencies.clock.now_ms()
    statuses = [result.status for result in taken.results]
    counts = {f"events_{status}": statuses.count(status) for status in set(statuses)}
    breaches = [result.status for result in taken.results if result.schema is not None]
    if breaches:
        counts["events_schema_refused"] = breaches.count("invalid")
        counts["events_schema_warned"] = breaches.count("ok") + breaches.count("duplicate")
    if (status := taken.answer["statusCode"]) in REFUSED:
        counts[REFUSED[status]] = 1
    answer = {"status": status}
    if taken.source is not None:
        answer["source"] = taken.source
    _requests.record(answer, now_ms - began_ms, now_ms=now_ms, counts=counts, warnings=_warnings(taken))


def _warnings(taken: Taken) -> Iterator[dict[str, object]]:
    """Yield what is logged at once; the reasons name fields and what was expected, never values."""
    status: int = taken.answer["statusCode"]
    if status >= 500 or status in REFUSED:
        trouble = {} if taken.error is None else {"error": taken.error}
        yield {"status": status, "events": len(taken.results), **trouble}
    for result in taken.results:
        if result.status == "invalid":
            schema = {} if result.schema is None else {"schema": result.schema}
            yield {"rejected": _loggable(result.field), "reason": result.reason, **schema}
