"""The insights API's Lambda function, behind the load balancer."""

from __future__ import annotations

from typing import Any

from tapstack.aws.dynamodb import DynamoTable
from tapstack.aws.http import Endpoint, JsonApi
from tapstack.entrypoints.alb import Request, answer, read_request, refusal
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.log import write_line
from tapstack.entrypoints.settings import aws_settings, insights_settings
from tapstack.errors import Unavailable
from tapstack.insights.routes import BadRequest, NotFound, respond, route_of

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
    request = read_request(event)
    answered, trouble = _respond(request, began_ms // 1000)
    now_ms = _clock.now_ms()
    fields = {
        "method": request.method if request.method in METHODS else "other",
        "route": route_of(request.path) or "none",
        "status": answered["statusCode"],
        "duration_ms": now_ms - began_ms,
        **trouble,
    }
    write_line("WARNING" if trouble else "INFO", fields, now_ms=now_ms)
    return answered


def _respond(request: Request, now_s: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Answer, and tell what is to be logged of a dependency's trouble."""
    if request.method != "GET":
        return refusal(405, "method_not_allowed", "only GET is answered here", {"allow": "GET"}), {}
    try:
        body = respond(request.path, request.query, _reader, now_s)
    except BadRequest as error:
        return refusal(400, "invalid_request", str(error)), {}
    except NotFound as error:
        return refusal(404, "not_found", str(error)), {}
    except Unavailable as error:
        message = "the table does not answer; try again"
        return refusal(503, "unavailable", message, {"retry-after": "1"}), {"error": str(error)}
    return answer(200, body, {"cache-control": "private, max-age=1"}), {}
