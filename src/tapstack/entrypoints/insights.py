"""The insights API's Lambda function, behind the load balancer."""

from __future__ import annotations

from typing import Any

from tapstack.aws.dynamodb import DynamoTable
from tapstack.aws.http import Endpoint, JsonApi
from tapstack.entrypoints.alb import answer, read_request, refusal
from tapstack.entrypoints.clock import SystemClock
from tapstack.entrypoints.log import write_line
from tapstack.entrypoints.settings import aws_settings, insights_settings
from tapstack.errors import Unavailable
from tapstack.insights.routes import BadRequest, NotFound, respond

_settings = insights_settings()
_aws = aws_settings()
_clock = SystemClock()
_reader = DynamoTable(
    JsonApi(Endpoint("dynamodb", _aws.region, _aws.dynamodb_url), "DynamoDB_20120810", "1.0"), _settings.table
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer a read."""
    request = read_request(event)
    if request.method != "GET":
        return refusal(405, "method_not_allowed", "only GET is answered here", {"allow": "GET"})
    try:
        body = respond(request.path, request.query, _reader, _clock.now_ms() // 1000)
    except BadRequest as error:
        return refusal(400, "invalid_request", str(error))
    except NotFound as error:
        return refusal(404, "not_found", str(error))
    except Unavailable as error:
        write_line("WARNING", {"error": str(error)}, now_ms=_clock.now_ms())
        return refusal(503, "unavailable", "the table does not answer; try again", {"retry-after": "1"})
    return answer(200, body, {"cache-control": "private, max-age=1"})
