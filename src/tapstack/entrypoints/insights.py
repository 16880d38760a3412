"""The insights API's Lambda function, behind the load balancer."""

from __future__ import annotations

from typing import Any

from tapstack.aws.dynamodb import DynamoTable
from tapstack.aws.http import Endpoint, JsonApi
from tapstack.entrypoints.alb import read_request, write_response
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.log import write_line
from tapstack.entrypoints.settings import aws_settings, insights_settings
from tapstack.errors import Unavailable
from tapstack.http import MethodNotAllowed, Request, RequestError, Response, error_response, json_response
from tapstack.insights.routes import respond, route_of

# RFC 9110, section 9, and RFC 5789; a sender may write any other word, and it is not logged.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})

_settings = insights_settings()
_aws = aws_settings()
_clock = SystemClock()
_reader = DynamoTable(
    JsonApi(Endpoint("dynamodb", _aws.region, _aws.dynamodb_url), "DynamoDB_20120810", "1.0"), _settings.table
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer a read."""
    began_ms = _clock.now_ms()
    method, route, trouble = "other", "none", {}
    try:
        request = read_request(event)
        method = request.method if request.method in METHODS else "other"
        route = route_of(request.path) or "none"
        response = _respond(request, began_ms // 1000)
    except RequestError as error:
        response = error.response()
    except Unavailable as error:
        message = "the table does not answer; try again"
        response = error_response(503, "unavailable", message, {"retry-after": "1"})
        trouble = {"error": str(error)}
    now_ms = _clock.now_ms()
    fields = {"method": method, "route": route, "status": response.status, "duration_ms": now_ms - began_ms}
    write_line("WARNING" if trouble else "INFO", {**fields, **trouble}, now_ms=now_ms)
    return write_response(response)


def _respond(request: Request, now_s: int) -> Response:
    if request.method != "GET":
        raise MethodNotAllowed("GET")
    body = respond(request.path, dict(request.query), _reader, now_s)
    return json_response(200, body, {"cache-control": "private, max-age=1"})
