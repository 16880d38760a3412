"""A batch as Lambda spells it, consumed, and the answer as Lambda reads it; dependencies are the caller's."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tapstack.consumer.consume import Dependencies, Limits, Report, consume
from tapstack.consumer.records import StreamRecord
from tapstack.entrypoints.context import Context


class Handled(NamedTuple):
    """A batch, what came of it, and the answer.

    Parameters
    ----------
    answer
        ``batchItemFailures``: empty when every record is durable, else the one to resume from.
    """

    records: list[StreamRecord]
    report: Report
    answer: dict[str, list[dict[str, str]]]


def handle(event: dict[str, Any], dependencies: Dependencies, limits: Limits, context: Context) -> Handled:
    """Consume one batch of one shard.

    An exception fails the invocation, and every record comes again: safe. So nothing is caught here.
    """
    records = stream_records(event)
    report = consume(records, dependencies, limits, context.get_remaining_time_in_millis)
    failures = [] if report.resume_from is None else [{"itemIdentifier": report.resume_from}]
    return Handled(records, report, {"batchItemFailures": failures})


class _Kinesis(msgspec.Struct, gc=False, rename="camel"):
    sequence_number: str
    data: bytes
    approximate_arrival_timestamp: float


class _Record(msgspec.Struct, gc=False, rename={"event_id": "eventID"}):
    event_id: str
    kinesis: _Kinesis


class _Batch(msgspec.Struct, rename={"records": "Records"}):
    records: list[_Record]


def stream_records(event: dict[str, Any]) -> list[StreamRecord]:
    """Read Lambda's event [1]_; the shard stands only in the ``eventID``.

    Raises
    ------
    msgspec.ValidationError
        If it is not a batch of Kinesis, naming the member: the invocation fails.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, read 2026-11-23
    """
    records = msgspec.convert(event, _Batch).records
    return [
        StreamRecord(
            shard_id=record.event_id.partition(":")[0],
            sequence_number=record.kinesis.sequence_number,
            data=record.kinesis.data,
            arrived_at_s=int(record.kinesis.approximate_arrival_timestamp),
        )
        for record in records
    ]
