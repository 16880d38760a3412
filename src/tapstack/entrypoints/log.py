"""A line of the log: JSON, with its metrics in CloudWatch's embedded format.

Lines hold counts, outcomes and ``duration_ms``, how long the handler took by the wall clock; never a
payload, never a user's identifier, never a name that a sender chose.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

import msgspec

from tapstack.entrypoints.settings import LOG_LEVELS
from tapstack.metrics import NAMESPACE, Metric

_encoder = msgspec.json.Encoder()


def write_line(
    level: str, fields: Mapping[str, object], *, metrics: Iterable[Metric] = (), now_ms: int
) -> None:
    """Write one line to standard output, where Lambda takes it to the log group.

    The metrics' one dimension is the function's name, so that two stacks in one account do not add up.

    Parameters
    ----------
    level
        ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``; lines below ``TAPSTACK_LOG_LEVEL`` are left out
        unless they carry metrics.
    fields
        What to say.
    metrics
        Those among `fields` that CloudWatch counts [1]_.
    now_ms
        Unix time in milliseconds.

    References
    ----------
    .. [1] https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
       CloudWatch_Embedded_Metric_Format_Specification.html, read 2026-11-23
    """
    counted = [{"Name": metric.name, "Unit": metric.unit} for metric in metrics]
    if not counted and not is_written(level):
        return
    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    line: dict[str, object] = {"level": level, "FunctionName": function_name, **fields}
    if counted:
        directive = {"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": counted}
        line["_aws"] = {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}
    sys.stdout.write(_encoder.encode(line).decode() + "\n")


def is_written(level: str) -> bool:
    """Return whether lines of a level are written that carry no metrics."""
    threshold = os.environ.get("TAPSTACK_LOG_LEVEL", "INFO")
    return LOG_LEVELS.index(level) >= (LOG_LEVELS.index(threshold) if threshold in LOG_LEVELS else 1)
