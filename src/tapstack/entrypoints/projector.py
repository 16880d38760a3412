"""The projector's Lambda function: the table's stream says that there is something to fold, and no more."""

from __future__ import annotations

import gc
from typing import Any

import msgspec

from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.wide_table import WideTable
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.context import Context
from tapstack.entrypoints.declared import read_declared
from tapstack.entrypoints.jitter import jitter
from tapstack.entrypoints.log import write_line
from tapstack.entrypoints.settings import aws_settings, projector_settings
from tapstack.errors import UndecodableRow
from tapstack.metrics import METRICS
from tapstack.projections.catalogue import projections_of
from tapstack.projections.project import Dependencies, Limits, Report, project

CONNECTIONS = 8

gc.set_threshold(100_000)  # as the consumer does, and for the same reason
gc.freeze()

_settings = projector_settings()
_aws = aws_settings()
_projections = projections_of(read_declared(_settings.attributes).definitions)
_limits = Limits(row_ttl_s=_settings.row_ttl_s)
_apis = [
    JsonApi(Endpoint("dynamodb", _aws.region, _aws.dynamodb_url), "DynamoDB_20120810", "1.0")
    for _ in range(CONNECTIONS)
]
_dependencies = Dependencies(table=WideTable(_apis, _settings.table), clock=SystemClock(), jitter=jitter)


class _JournalIsBehind(Exception):  # noqa: N818 - what the log and Lambda's metrics say
    """Entries that could not be folded: the invocation fails, so that it is repeated and an alarm rings."""


def handler(event: dict[str, Any] | None, context: Context) -> dict[str, list[Any]]:
    """Fold what the journal holds.

    What to fold is not read from the event: it may come late, twice, or in any order. An exception fails the
    invocation, and it is repeated: safe. So nothing is kept from failing.
    """
    began_ms = _dependencies.clock.now_ms()
    try:
        report = project(_projections, _dependencies, _limits, context.get_remaining_time_in_millis)
    except UndecodableRow as error:
        fields = {"undecodable": error.kind, "reason": error.reason, "request_id": context.aws_request_id}
        write_line("ERROR", fields, now_ms=_dependencies.clock.now_ms())
        raise
    _log(report, context, began_ms)
    if report.out_of_time:  # what is left is delivered again at once; no error, it goes on
        return {"batchItemFailures": [{"itemIdentifier": _first_number(event)}]}
    if report.entries_left:
        raise _JournalIsBehind(f"{report.entries_left} journal entries could not be folded: one is missing")
    return {"batchItemFailures": []}


def _first_number(event: dict[str, Any] | None) -> str:
    """Return the first record's number [1]_; empty, which is a failure too, if there is none.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html,
       read 2026-11-29
    """
    records = (event or {}).get("Records", [])
    return str(records[0]["dynamodb"]["SequenceNumber"]) if records else ""


def _log(report: Report, context: Context, began_ms: int) -> None:
    now_ms = _dependencies.clock.now_ms()
    fields = {f"projection_{name}": value for name, value in msgspec.structs.asdict(report).items()}
    fields |= {"request_id": context.aws_request_id, "duration_ms": now_ms - began_ms}
    level = "WARNING" if report.entries_left else "INFO"
    write_line(level, fields, metrics=METRICS["projector"], now_ms=now_ms)
