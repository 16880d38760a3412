"""The exact JSON that leaves the mapping: invocation events, failure records, keys of S3 objects.

Sources: docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html and kinesis-on-failure-destination.html,
and the recordings against AWS in localstack/localstack tests/aws/services/lambda_/event_source_mapping
(test_lambda_integration_kinesis.snapshot.json), read 2026-11-23.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from tapstack_emulator.event_source_mapping.config import MappingConfig

# "Request must be smaller than 6291456 bytes for the InvokeFunction operation": the synchronous payload
# quota of gettingstarted-limits.html ("6 MB"), read 2026-11-23.
PAYLOAD_BYTES_MAX = 6_291_456

DiscardCondition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]

_OPENING = b'{"Records":['
_CLOSING = b"]}"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A Kinesis record as GetRecords returns it.

    Parameters
    ----------
    sequence_number
        Up to 56 digits; never a number, never compared as text.
    partition_key
        Its key.
    data
        Its data in base64, as on the wire in both directions: it is never decoded on its way.
    arrival_ms
        ApproximateArrivalTimestamp, Unix time in milliseconds.
    """

    sequence_number: str
    partition_key: str
    data: str
    arrival_ms: int


class ResponseContext(msgspec.Struct, frozen=True, kw_only=True):
    """What the last invocation of a discarded batch answered.

    Parameters
    ----------
    status_code
        HTTP status of Invoke: 200 also when the function failed.
    function_error
        ``Unhandled``, or None when the failure came from ``batchItemFailures`` (recorded on AWS).
    executed_version
        The function's version.
    """

    status_code: int = 200
    function_error: str | None = None
    executed_version: str = "$LATEST"


class Envelope:
    """Builds and measures the events of one shard.

    Parameters
    ----------
    config
        The mapping.
    shard_id
        The shard; the function learns it from ``eventID`` alone.
    """

    __slots__ = ("_after_id", "_before_id", "_fixed_bytes")

    def __init__(self, config: MappingConfig, shard_id: str) -> None:
        self._before_id = '},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"' + shard_id + ":"
        tail = msgspec.json.encode(
            {
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": config.role_arn,
                "awsRegion": config.region,
                "eventSourceARN": config.event_source_arn,
            }
        )
        self._after_id = '",' + tail.decode()[1:]
        empty = Record(sequence_number="", partition_key="", data="", arrival_ms=0)
        self._fixed_bytes = len(self._record(empty).encode()) - len('""') - len("0.000")

    def _record(self, record: Record) -> str:
        return (
            '{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":'
            + msgspec.json.encode(record.partition_key).decode()
            + ',"sequenceNumber":"'
            + record.sequence_number
            + '","data":"'
            + record.data
            + '","approximateArrivalTimestamp":'
            + _seconds(record.arrival_ms)
            + self._before_id
            + record.sequence_number
            + self._after_id
        )

    def record_bytes(self, record: Record) -> int:
        """Measure what a record takes in the event, without the comma between records."""
        return (
            self._fixed_bytes
            + 2 * len(record.sequence_number)
            + len(record.data)
            + len(msgspec.json.encode(record.partition_key))
            + len(_seconds(record.arrival_ms))
        )

    def event(self, records: Sequence[Record]) -> bytes:
        """Build the invocation event."""
        return _OPENING + ",".join(map(self._record, records)).encode() + _CLOSING

    def event_bytes(self, records: Sequence[Record]) -> int:
        """Measure the event without building it."""
        return EVENT_FIXED_BYTES + sum(map(self.record_bytes, records)) + max(0, len(records) - 1)


EVENT_FIXED_BYTES = len(_OPENING) + len(_CLOSING)


def invocation_event(config: MappingConfig, shard_id: str, records: Sequence[Record]) -> bytes:
    """Build the JSON a function is invoked with."""
    return Envelope(config, shard_id).event(records)


def failure_record(
    config: MappingConfig,
    shard_id: str,
    records: Sequence[Record],
    *,
    condition: DiscardCondition,
    invoke_count: int,
    response: ResponseContext | None,
    request_id: str,
    now_ms: int,
    with_payload: bool,
) -> bytes:
    """Build what the on-failure destination receives.

    Parameters
    ----------
    config
        The mapping.
    shard_id
        The shard of the discarded records.
    records
        The discarded records, at least one.
    condition
        Why they were discarded.
    invoke_count
        How often they were tried.
    response
        The last answer; not part of a ``RecordAgeExceeded`` record (recorded on AWS 2025-04-13).
    request_id
        Identity of the last invocation.
    now_ms
        Unix time in milliseconds.
    with_payload
        True for S3: the whole event "as an escaped JSON string"; SQS and SNS get metadata only.

    Returns
    -------
    bytes
        JSON.
    """
    body: dict[str, Any] = {
        "requestContext": {
            "requestId": request_id,
            "functionArn": config.function_arn,
            "condition": condition,
            # 1 even for a record that expired before it was ever delivered (recorded on AWS 2025-04-13).
            "approximateInvokeCount": max(1, invoke_count),
        }
    }
    if condition == "RetryAttemptsExhausted":
        shown = response or ResponseContext()
        body["responseContext"] = {
            "statusCode": shown.status_code,
            "executedVersion": shown.executed_version,
            "functionError": shown.function_error,
        }
    body["version"] = "1.0"
    body["timestamp"] = _iso(now_ms)
    body["KinesisBatchInfo"] = {
        "shardId": shard_id,
        "startSequenceNumber": records[0].sequence_number,
        "endSequenceNumber": records[-1].sequence_number,
        "approximateArrivalOfFirstRecord": _iso(records[0].arrival_ms),
        "approximateArrivalOfLastRecord": _iso(records[-1].arrival_ms),
        "batchSize": len(records),
        "streamArn": config.event_source_arn,
    }
    if with_payload:
        body["payload"] = invocation_event(config, shard_id, records).decode()
    return msgspec.json.encode(body)


def s3_key(config: MappingConfig, shard_id: str, *, now_ms: int, object_id: str) -> str:
    """Name the object of a failure record in an S3 destination.

    Returns
    -------
    str
        ``aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<uuid>``.
    """
    moment = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    return f"aws/lambda/{config.uuid}/{shard_id}/{moment:%Y/%m/%d}/{moment:%Y-%m-%dT%H.%M.%S}-{object_id}"


def derived_id(config: MappingConfig, *parts: object) -> str:
    """Derive a UUID from what it names, so that the same run gives the same identifiers."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, ":".join(map(str, (config.uuid, *parts)))))


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"


def _iso(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
