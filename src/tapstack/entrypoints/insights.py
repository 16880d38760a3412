"""The insights API's Lambda function, behind the load balancer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tapstack.aws.http import Endpoint, JsonApi
from tapstack.aws.table_reader import TableReader
from tapstack.entrypoints.alb import RESPONSE_JSON_BYTES_MAX, passes, read_request, write_response
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.context import Context
from tapstack.entrypoints.declared import read_declared
from tapstack.entrypoints.jitter import jitter
from tapstack.entrypoints.request_log import RequestLog
from tapstack.entrypoints.settings import InsightsSettings, aws_settings, insights_settings
from tapstack.errors import Misconfigured, Throttled, Unavailable, UndecodableRow
from tapstack.http import Request, RequestError, Response
from tapstack.insights.freshness import FreshnessCache
from tapstack.insights.problems import problem, problem_response
from tapstack.insights.readers import Readers, read_readers
from tapstack.insights.representation import represent
from tapstack.insights.respond import respond
from tapstack.insights.routes import route_at
from tapstack.metrics import METRICS
from tapstack.ports import AwsApi

# RFC 9110, section 9, and RFC 5789; a sender may write any other word, and it is not logged.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


class _TimedApi:
    """`tapstack.ports.AwsApi` that sums how long calls take."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self.spent_ms = 0

    def call(self, operation: str, body: bytes) -> bytes:
        began_ms = _clock.now_ms()
        try:
            return self._api.call(operation, body)
        finally:
            self.spent_ms += _clock.now_ms() - began_ms


def build_readers(settings: InsightsSettings) -> Readers | None:
    """Return who may read; None if no keys are asked for. Raises `Misconfigured`."""
    try:
        return read_readers(settings.readers) if settings.readers else None
    except ValueError as error:
        raise Misconfigured("TAPSTACK_READERS", f"expected readers by id, JSON: {error}") from None


_settings = insights_settings()
_readers = build_readers(_settings)
_declared = read_declared(_settings.attributes)
_aws = aws_settings()
_clock = SystemClock()
_requests = RequestLog(_settings.log_interval_s, METRICS["insights"])
_dynamodb = _TimedApi(
    JsonApi(Endpoint("dynamodb", _aws.region, _aws.dynamodb_url), "DynamoDB_20120810", "1.0")
)
_reader = TableReader(_dynamodb, _settings.table, _clock, jitter)
_freshness = FreshnessCache(_reader)


class _Failure(NamedTuple):
    """A read that failed for no fault of its sender: the answer, and a line of the log that says more."""

    response: Response
    level: str
    detail: Mapping[str, str]


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Answer a read."""
    began_ms = _clock.now_ms()
    _dynamodb.spent_ms = 0
    request, route, failure = Request(method="", path=()), None, None
    try:
        request = read_request(event)
        route = route_at(request.path)
        response = respond(
            request,
            _reader,
            began_ms // 1000,
            _freshness,
            _readers,
            _settings.history,
            _settings.trending_weights,
            _declared,
        )
    except RequestError as error:
        response = problem(error)
    except (Unavailable, UndecodableRow) as error:
        failure = _failure(error)
        response = failure.response
    written = _write(request, response, context, began_ms)
    answer: dict[str, str | int] = {
        "method": request.method if request.method in METHODS else "other",
        "route": route.path if route else "none",
        "status": written["statusCode"],
    }
    _log(answer, response, failure, context, began_ms)
    return written


def _failure(error: Unavailable | UndecodableRow) -> _Failure:
    if isinstance(error, UndecodableRow):
        message = "a row of the table cannot be read; the error is logged for its operator"
        detail = {"undecodable": error.kind, "reason": error.reason}
        return _Failure(problem_response(500, "internal", message), "ERROR", detail)
    reason = "is throttled" if isinstance(error, Throttled) else "does not answer"  # in full in the log
    message = f"the table {reason}; try again"
    response = problem_response(503, "unavailable", message, {"retry-after": "1"})
    return _Failure(response, "WARNING", {"error": str(error)})


def _log(
    answer: dict[str, str | int],
    response: Response,
    failure: _Failure | None,
    context: Context,
    began_ms: int,
) -> None:
    now_ms = _clock.now_ms()
    trouble = {} if failure is None else {**answer, **failure.detail, "request_id": context.aws_request_id}
    _requests.record(
        answer,
        now_ms - began_ms,
        now_ms=now_ms,
        counts={"reads_failed": int(response.status >= 500)},
        warnings=[trouble] if trouble else [],
        level="WARNING" if failure is None else failure.level,
    )


def _write(request: Request, response: Response, context: Context, began_ms: int) -> dict[str, Any]:
    """Write a response as its reader takes it, with what a developer asks of it."""
    written = write_response(represent(request, _told(response, context, began_ms)), request.method)
    if passes(written):
        return written
    message = f"the answer has more than {RESPONSE_JSON_BYTES_MAX} bytes as the load balancer counts them"
    refused = problem_response(413, "too_large", f"{message}: ask for less, or send Accept-Encoding: gzip")
    return write_response(represent(request, _told(refused, context, began_ms)), request.method)


def _told(response: Response, context: Context, began_ms: int) -> Response:
    """Add what finds the request in the log, and what took how long."""
    total_ms = _clock.now_ms() - began_ms
    headers = {
        **response.headers,
        "x-request-id": context.aws_request_id,
        "server-timing": f"store;dur={_dynamodb.spent_ms}, total;dur={total_ms}",
    }
    return msgspec.structs.replace(response, headers=headers)
