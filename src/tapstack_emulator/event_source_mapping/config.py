"""Configuration: the parameters of CreateEventSourceMapping, and the emulator's own pace."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

StartingPosition = Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]
DestinationKind = Literal["sqs", "sns", "s3"]

# Parameter -> inclusive range and the one value outside it that means "no limit".
# https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html, read 2026-11-23.
_RANGES: dict[str, tuple[str, int, int, int | None]] = {
    "batch_size": ("BatchSize", 1, 10_000, None),
    "batching_window_s": ("MaximumBatchingWindowInSeconds", 0, 300, None),
    "parallelization_factor": ("ParallelizationFactor", 1, 10, None),
    "retry_attempts_max": ("MaximumRetryAttempts", 0, 10_000, -1),
    "record_age_max_s": ("MaximumRecordAgeInSeconds", 60, 604_800, -1),
    "tumbling_window_s": ("TumblingWindowInSeconds", 0, 900, None),
}


class MappingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One event source mapping as AWS would describe it.

    Parameters
    ----------
    event_source_arn
        The stream (or the consumer, for enhanced fan-out).
    function_arn
        The function that is invoked.
    starting_position
        Where to begin; read once, when the mapping is created.
    starting_position_timestamp_ms
        Unix time in milliseconds; for ``AT_TIMESTAMP`` and only then.
    uuid
        The mapping's identity, part of the keys in an S3 destination.
    role_arn
        ``invokeIdentityArn`` of the records.
    enabled
        False creates the mapping disabled.
    batch_size
        Records in one invocation, ``1..10000``.
    batching_window_s
        Seconds to gather a batch, ``0..300``.
    parallelization_factor
        Concurrent batches of one shard, ``1..10``.
    retry_attempts_max
        Retries after the first invocation, ``0..10000``, or -1 for no limit.
    record_age_max_s
        Seconds after which a record is discarded, ``60..604800``, or -1 for never.
    bisect_batch_on_function_error
        Halve a batch that failed.
    report_batch_item_failures
        Whether ``FunctionResponseTypes`` holds ``ReportBatchItemFailures``.
    tumbling_window_s
        ``0..900``; anything but 0 is refused by the machine, which does not emulate it.
    destination_arn
        On-failure destination (SQS, SNS or S3), or None.
    filter_patterns
        The JSON patterns of ``FilterCriteria``; a record matching any of them passes.
    event_count_metrics
        Whether ``MetricsConfig`` opts in to the EventCount group.

    Raises
    ------
    ValueError
        If a value is out of range; the message names the AWS parameter.
    """

    event_source_arn: str
    function_arn: str
    starting_position: StartingPosition
    starting_position_timestamp_ms: int | None = None
    uuid: str = "00000000-0000-4000-8000-000000000000"
    role_arn: str = "arn:aws:iam::000000000000:role/tapstack-consumer"
    enabled: bool = True
    batch_size: int = 100
    batching_window_s: int = 0
    parallelization_factor: int = 1
    retry_attempts_max: int = -1
    record_age_max_s: int = -1
    bisect_batch_on_function_error: bool = False
    report_batch_item_failures: bool = False
    tumbling_window_s: int = 0
    destination_arn: str | None = None
    filter_patterns: tuple[str, ...] = ()
    event_count_metrics: bool = False

    def __post_init__(self) -> None:
        for field, (parameter, low, high, unlimited) in _RANGES.items():
            value = getattr(self, field)
            if not low <= value <= high and value != unlimited:
                extra = f" or {unlimited}" if unlimited is not None else ""
                raise ValueError(f"{parameter} must be {low} to {high}{extra}, not {value}")
        position = self.starting_position
        if position not in ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"):
            raise ValueError(
                f"StartingPosition must be TRIM_HORIZON, LATEST or AT_TIMESTAMP, not {position!r}"
            )
        if (self.starting_position == "AT_TIMESTAMP") != (self.starting_position_timestamp_ms is not None):
            raise ValueError(
                "StartingPositionTimestamp goes with StartingPosition AT_TIMESTAMP, and only with it"
            )
        destination_kind(self.destination_arn)

    @property
    def region(self) -> str:
        """The region in the stream's ARN."""
        return self.event_source_arn.split(":")[3] if self.event_source_arn.count(":") >= 5 else ""

    @property
    def stream_name(self) -> str:
        """The stream's name in its ARN."""
        return self.event_source_arn.partition(":stream/")[2].partition("/")[0]

    @classmethod
    def from_api(
        cls, description: Mapping[str, Any] | bytes, *, role_arn: str | None = None
    ) -> MappingConfig:
        """Read the JSON of CreateEventSourceMapping, UpdateEventSourceMapping or GetEventSourceMapping.

        Parameters
        ----------
        description
            The request or the answer, decoded or not. Absent parameters take AWS's defaults.
        role_arn
            The function's role, which that JSON does not name.

        Raises
        ------
        ValueError
            If a parameter is missing or out of range; the message names it.
        """
        api = msgspec.json.decode(description) if isinstance(description, bytes) else description
        values: dict[str, Any] = {
            field: api[parameter]
            for field, (parameter, *_) in _RANGES.items()
            if api.get(parameter) is not None
        }
        for field, names in _NAMES.items():
            value = next((api[name] for name in names if api.get(name) is not None), None)
            if value is not None:
                values[field] = value
        for field, parameter in (("event_source_arn", "EventSourceArn"), ("function_arn", "FunctionName")):
            if field not in values:
                raise ValueError(f"{parameter} is required")
        values["starting_position_timestamp_ms"] = _timestamp_ms(api.get("StartingPositionTimestamp"))
        values["report_batch_item_failures"] = _reports_failures(api.get("FunctionResponseTypes") or [])
        values["destination_arn"] = ((api.get("DestinationConfig") or {}).get("OnFailure") or {}).get(
            "Destination"
        )
        filters = (api.get("FilterCriteria") or {}).get("Filters") or []
        values["filter_patterns"] = tuple(item.get("Pattern", "{}") for item in filters)
        values["event_count_metrics"] = "EventCount" in (
            (api.get("MetricsConfig") or {}).get("Metrics") or []
        )
        if role_arn is not None:
            values["role_arn"] = role_arn
        if "starting_position" not in values:
            raise ValueError("StartingPosition is required for a stream")
        return cls(**values)

    def updated(self, description: Mapping[str, Any]) -> MappingConfig:
        """Apply the JSON of UpdateEventSourceMapping; what it does not name stays.

        Raises
        ------
        ValueError
            If a value is out of range; the message names the AWS parameter.
        """
        return self.from_api(self.to_api() | dict(description), role_arn=self.role_arn)

    def to_api(self) -> dict[str, Any]:
        """Describe the mapping as GetEventSourceMapping does, without its state."""
        on_failure = {} if self.destination_arn is None else {"Destination": self.destination_arn}
        api: dict[str, Any] = {
            "BatchSize": self.batch_size,
            "BisectBatchOnFunctionError": self.bisect_batch_on_function_error,
            "DestinationConfig": {"OnFailure": on_failure},
            "EventSourceArn": self.event_source_arn,
            "FunctionArn": self.function_arn,
            "FunctionResponseTypes": ["ReportBatchItemFailures"] if self.report_batch_item_failures else [],
            "MaximumBatchingWindowInSeconds": self.batching_window_s,
            "MaximumRecordAgeInSeconds": self.record_age_max_s,
            "MaximumRetryAttempts": self.retry_attempts_max,
            "ParallelizationFactor": self.parallelization_factor,
            "StartingPosition": self.starting_position,
            "TumblingWindowInSeconds": self.tumbling_window_s,
            "UUID": self.uuid,
        }
        if self.starting_position_timestamp_ms is not None:
            api["StartingPositionTimestamp"] = self.starting_position_timestamp_ms / 1000
        if self.filter_patterns:
            api["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in self.filter_patterns]}
        if self.event_count_metrics:
            api["MetricsConfig"] = {"Metrics": ["EventCount"]}
        return api


_NAMES: dict[str, tuple[str, ...]] = {
    "event_source_arn": ("EventSourceArn",),
    "function_arn": ("FunctionArn", "FunctionName"),
    "starting_position": ("StartingPosition",),
    "uuid": ("UUID",),
    "enabled": ("Enabled",),
    "bisect_batch_on_function_error": ("BisectBatchOnFunctionError",),
}


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """What AWS does not let its users set: delays, and the emulator's bounds.

    Parameters
    ----------
    poll_interval_ms
        Between two GetRecords of a shard that had nothing new; AWS polls once a second.
    activation_delay_ms
        From a create, enable or update to the first poll; on AWS up to several minutes.
    backoff_ms
        Bound of the first wait after a failure; doubles with each further one. Undocumented.
    backoff_max_ms
        Where doubling ends.
    backoff_jitter_percent
        How far below its bound a wait may fall, ``0..100``.
    shard_list_interval_ms
        Between two ListShards; children are also learnt from their parent's last page.
    page_records_max
        Limit of one GetRecords, ``1..10000``.
    buffer_records_max
        Records held of one shard before the mapping stops reading it.
    retention_ms
        Retention period of the stream, or None if records never expire.
    """

    poll_interval_ms: int = 1_000
    activation_delay_ms: int = 0
    backoff_ms: int = 500
    backoff_max_ms: int = 30_000
    backoff_jitter_percent: int = 50
    shard_list_interval_ms: int = 10_000
    page_records_max: int = 10_000
    buffer_records_max: int = 100_000
    retention_ms: int | None = None


def destination_kind(arn: str | None) -> DestinationKind | None:
    """Return which service an on-failure destination is.

    Raises
    ------
    ValueError
        If it is not of SQS, SNS or S3.
    """
    if arn is None:
        return None
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    match service:
        case "sqs" | "sns" | "s3":
            return service
    raise ValueError(f"DestinationConfig.OnFailure.Destination must be an SQS, SNS or S3 ARN, not {arn!r}")


def _timestamp_ms(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return round(value * 1000)
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return round(moment.astimezone(UTC).timestamp() * 1000)


def _reports_failures(types: list[str]) -> bool:
    if any(name != "ReportBatchItemFailures" for name in types):
        raise ValueError(f"FunctionResponseTypes may hold ReportBatchItemFailures only, not {types!r}")
    return bool(types)
