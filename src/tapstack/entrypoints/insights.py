"""The insights API's Lambda function, behind the load balancer."""

from __future__ import annotations

from typing import Any

from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.table_reader import TableReader
from tapstack.entrypoints.alb import read_request, write_response
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.jitter import jitter
from tapstack.entrypoints.request_log import RequestLog
from tapstack.entrypoints.settings import aws_settings, insights_settings
from tapstack.errors import Throttled, Unavailable, UndecodableRow
from tapstack.http import RequestError, error_response
from tapstack.insights.routes import respond, route_at
from tapstack.metrics import METRICS

# RFC 9110, section 9, and RFC 5789; a sender may write any other word, and it is not logged.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})

_settings = insights_settings()
_aws = aws_settings()
_clock = SystemClock()
_requests = RequestLog(_settings.log_interval_s, METRICS["insights"])
_reader = TableReader(
    JsonApi(Endpoint("dynamodb", _aws.region, _aws.dynamodb_url), "DynamoDB_20120810", "1.0"),
    _settings.table,
    _clock,
    jitter,
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer a read."""
    began_ms = _clock.now_ms()
    method, route = "", None
    trouble: dict[str, str] = {}
    level = "WARNING"
    try:
        request = read_request(event)
        method, route = request.method, route_at(request.path)
        response = respond(request, _reader, began_ms // 1000)
    except RequestError as error:
        response = error.response()
    except Unavailable as error:
        reason = "is throttled" if isinstance(error, Throttled) else "does not answer"  # in full in the log
        message = f"the table {reason}; try again"
        response = error_response(503, "unavailable", message, {"retry-after": "1"})
        trouble = {"error": str(error)}
    except UndecodableRow as error:
        message = "a row of the table cannot be read; the error is logged for its operator"
        response = error_response(500, "internal", message)
        level, trouble = "ERROR", {"undecodable": error.kind, "reason": error.reason}
    now_ms = _clock.now_ms()
    answer: dict[str, str | int] = {
        "method": method if method in METHODS else "other",
        "route": route.path if route else "none",
        "status": response.status,
    }
    _requests.record(
        answer,
        now_ms - began_ms,
        now_ms=now_ms,
        counts={"reads_failed": int(response.status >= 500)},
        warnings=[{**answer, **trouble}] if trouble else [],
        level=level,
    )
    return write_response(response, method)
