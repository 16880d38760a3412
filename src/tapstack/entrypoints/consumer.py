"""The consumer's Lambda function: Lambda's spelling in, Lambda's spelling out."""

from __future__ import annotations

import gc
from typing import Any

import msgspec

from tapstack.aws.dynamodb import DynamoTable
from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.s3 import S3Bucket
from tapstack.consumer.common_terms import CommonTerms
from tapstack.consumer.consume import Dependencies, Limits
from tapstack.consumer.journal_lag import JournalLag
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.consumer_batch import Handled, handle, stream_records
from tapstack.entrypoints.context import Context
from tapstack.entrypoints.declared import read_declared
from tapstack.entrypoints.jitter import jitter
from tapstack.entrypoints.log import write_line
from tapstack.entrypoints.settings import AwsSettings, ConsumerSettings, aws_settings, consumer_settings
from tapstack.errors import UndecodableRow
from tapstack.metrics import METRICS


def build_dependencies(settings: ConsumerSettings, aws: AwsSettings) -> Dependencies:
    """Return what the consumer depends on, on AWS."""
    s3 = Endpoint("s3", aws.region, aws.s3_url)
    dynamodb = JsonApi(Endpoint("dynamodb", aws.region, aws.dynamodb_url), "DynamoDB_20120810", "1.0")
    return Dependencies(
        table=DynamoTable(dynamodb, settings.table),
        lag=JournalLag(),
        common=CommonTerms(settings.search_users_min),
        quarantine=S3Bucket(s3, settings.quarantine_bucket),
        late=S3Bucket(s3, settings.late_bucket),
        clock=SystemClock(),
        jitter=jitter,
    )


# A batch makes hundreds of thousands of short-lived objects and no cycles: collecting less often is
# worth a third of the consumer's CPU (benchmarks.consumer), and what the imports made never dies.
# Structs that are made by the thousand say gc=False, too: they are smaller, and never looked at.
gc.set_threshold(100_000)
gc.freeze()

_settings = consumer_settings()
_limits = Limits(
    lanes=_settings.lanes,
    row_ttl_s=_settings.row_ttl_s,
    age_max_s=_settings.age_max_s,
    history=_settings.history,
    declared=read_declared(_settings.attributes),
)
_dependencies = build_dependencies(_settings, aws_settings())


def handler(event: dict[str, Any], context: Context) -> dict[str, list[dict[str, str]]]:
    """Consume one batch of one shard; see `tapstack.entrypoints.consumer_batch.handle`."""
    began_ms = _dependencies.clock.now_ms()
    try:
        handled = handle(event, _dependencies, _limits, context)
    except UndecodableRow as error:
        _log_undecodable(error, event, context)
        raise
    _log(handled, context, began_ms)
    return handled.answer


def _log_undecodable(error: UndecodableRow, event: dict[str, Any], context: Context) -> None:
    """Write which batch: the mapping halves one that fails, until the record whose row it is is alone."""
    records = stream_records(event)
    fields = {
        "undecodable": error.kind,
        "reason": error.reason,
        "request_id": context.aws_request_id,
        "shard_id": records[0].shard_id,
        "first": records[0].sequence_number,
        "records": len(records),
    }
    write_line("ERROR", fields, now_ms=_dependencies.clock.now_ms())


def _log(handled: Handled, context: Context, began_ms: int) -> None:
    """Write the batch's line. Each batch has one: alarms need its counts, and it names what to look for."""
    now_ms, records, report = _dependencies.clock.now_ms(), handled.records, handled.report
    fields = msgspec.structs.asdict(report)
    for name in ("applied", "late", "quarantined"):
        fields[f"events_{name}"] = fields.pop(name)
    fields["events_duplicate"] = fields.pop("duplicates")
    fields["commit_conflicts"] = fields.pop("conflicts")
    fields["request_id"] = context.aws_request_id
    fields["shard_id"] = records[0].shard_id if records else None
    fields["duration_ms"] = now_ms - began_ms
    level = "WARNING" if report.resume_from is not None or report.quarantined else "INFO"
    write_line(level, fields, metrics=METRICS["consumer"], now_ms=now_ms)
