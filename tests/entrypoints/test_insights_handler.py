"""The insights API as the load balancer calls it: answers and refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from functions_world import Cloud, Context, event, line, mapped, request

from tapstack_emulator import FaultScript, FaultyApi, Injection


def test_what_was_consumed_is_read_over_http(cloud: Cloud) -> None:
    cloud.function("consumer").handler(mapped(event(1)), Context())
    answer = cloud.function("insights").handler(request("GET", "/v1/users/secret-user"), None)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["counts"] == {"item_view": 1}


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no such user": (request("GET", "/v1/users/nobody"), 404, "not_found"),
    "no such path": (request("GET", "/v2"), 404, "not_found"),
    "a bad parameter": (
        request("GET", "/v1/trending", queryStringParameters={"n": "0"}),
        400,
        "invalid_request",
    ),
    "a write": (request("POST", "/v1/users/ann"), 405, "method_not_allowed"),
}


@pytest.mark.parametrize(("asked", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_answered_is_refused_with_a_code(
    cloud: Cloud, asked: dict[str, Any], status: int, code: str
) -> None:
    answer = cloud.function("insights").handler(asked, None)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (status, code)


def test_a_table_that_does_not_answer_is_a_503(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.aws.services["DynamoDB"] = FaultyApi(cloud.dynamodb, FaultScript({1: Injection("throttle")}))
    answer = cloud.function("insights").handler(request("GET", "/v1/users/secret-user"), None)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    said = line(capsys)
    assert (said["level"], said["status"], said["route"]) == ("WARNING", 503, "/v1/users/{id}")
    assert said["error"]
    assert "secret" not in json.dumps(said)
