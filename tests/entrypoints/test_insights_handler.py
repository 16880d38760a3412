"""The insights API as the load balancer calls it: answers and refusals."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from hashlib import sha256
from typing import Any

import pytest
from functions_world import NOW_S, Cloud, Context, event, line, lines, mapped, request

from tapstack.core.ranking import TRENDS
from tapstack.entrypoints.alb import MalformedInvocation
from tapstack.errors import Misconfigured
from tapstack.http import Response
from tapstack.insights.freshness import AGE_MAX_S
from tapstack.ports import AwsApi
from tapstack_emulator import FaultScript, FaultyApi, Injection, ManualClock


def test_what_was_consumed_is_read_over_http(cloud: Cloud) -> None:
    cloud.function("consumer").handler(mapped(event(1)), Context())
    answer = cloud.function("insights").handler(request("GET", "/v1/users/secret-user"), Context())
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["counts"] == {"item_view": 1}


def test_an_item_is_read_once_it_is_projected(cloud: Cloud) -> None:
    cloud.function("consumer").handler(mapped(event(1)), Context())
    insights = cloud.function("insights")
    assert insights.handler(request("GET", "/v1/items/item-1"), Context())["statusCode"] == 404
    cloud.project()
    answer = insights.handler(request("GET", "/v1/items/item-1"), Context())
    assert (answer["statusCode"], json.loads(answer["body"])["counts"]) == (200, {"item_view": 1})


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
    answer = cloud.function("insights").handler(asked, Context())
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (status, code)


def test_a_table_that_does_not_answer_is_a_503(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.aws.services["DynamoDB"] = FaultyApi(cloud.dynamodb, FaultScript({1: Injection("throttle")}))
    answer = cloud.function("insights").handler(request("GET", "/v1/users/secret-user"), Context())
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    said, summary = lines(capsys)
    assert (said["level"], said["status"], said["route"]) == ("WARNING", 503, "/v1/users/{id}")
    assert said["error"]
    assert said["request_id"] == answer["headers"]["x-request-id"] == Context.aws_request_id
    assert summary["answers"] == {"GET /v1/users/{id} 503": 1}
    assert "secret" not in json.dumps([said, summary])


def test_a_row_that_cannot_be_decoded_is_a_500_that_shows_nothing_of_it(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    key = {"pk": {"S": "U#secret-user"}, "sk": {"S": "-"}, "v": {"N": "1"}}
    state = {"s": {"B": base64.b64encode(b"\x91\xa6secret").decode()}}
    cloud.dynamodb.call("PutItem", json.dumps({"TableName": "behaviour", "Item": key | state}).encode())
    function = cloud.function("insights")
    for _ in range(2):
        answer = function.handler(request("GET", "/v1/users/secret-user"), Context())
        assert answer["statusCode"] == 500
        assert answer["headers"]["content-type"] == "application/problem+json"
        assert json.loads(answer["body"]) == {
            "type": "about:blank",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "a row of the table cannot be read; the error is logged for its operator",
            "code": "internal",
            "message": "a row of the table cannot be read; the error is logged for its operator",
        }
    said, summary, again = lines(capsys)
    assert (said["level"], said["undecodable"], said["route"]) == ("ERROR", "user", "/v1/users/{id}")
    assert said["reason"]
    assert (again["level"], again["undecodable"]) == ("ERROR", "user")
    assert summary["answers"] == {"GET /v1/users/{id} 500": 1}
    assert summary["reads_failed"] == 1
    assert "secret" not in json.dumps([said, summary, again])


class CountingApi:
    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self.calls: Counter[str] = Counter()

    def call(self, operation: str, body: bytes) -> bytes:
        self.calls[operation] += 1
        return self._api.call(operation, body)


PATHS = [
    "/v1/users/secret-user",
    "/v1/users/nobody",
    "/v1/items/item-1",
    "/v1/items/item-1/also-viewed",
    "/v1/items/item-1/also-bought",
    "/v1/trending",
    "/v1/status",
    "/healthz",
    "/v1/nothing",
    "/v1/events",
    "/",
]


@pytest.fixture
def insights(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    cloud.function("consumer").handler(mapped(event(1)), Context())
    cloud.project()
    function = cloud.function("insights")
    monkeypatch.setattr(function, "_clock", ManualClock(NOW_S * 1_000))  # answers say as of when they are
    return function


@pytest.mark.parametrize("path", PATHS[:-1])
def test_a_trailing_slash_makes_no_difference(insights: Any, path: str) -> None:
    plain, slashed = (insights.handler(request("GET", each), Context()) for each in (path, f"{path}/"))
    assert plain == slashed
    query = {"queryStringParameters": {"x": "1"}}
    assert insights.handler(request("GET", f"{path}/", **query), Context())["statusCode"] in {400, 404}


@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_like_get_without_the_body(insights: Any, path: str) -> None:
    got, headed = (insights.handler(request(method, path), Context()) for method in ("GET", "HEAD"))
    length = str(len(got["body"].encode()))
    assert headed == {**got, "headers": {**got["headers"], "content-length": length}, "body": ""}


@pytest.mark.parametrize("path", PATHS)
def test_options_names_the_methods_wherever_there_is_a_path(insights: Any, path: str) -> None:
    answer = insights.handler(request("OPTIONS", path), Context())
    known = insights.route_at(tuple(path[1:].split("/"))) is not None
    assert answer["statusCode"] == (204 if known else 404)
    assert answer["headers"].get("allow") == ("GET, HEAD, OPTIONS" if known else None)


TROUBLE: dict[str, tuple[str, str]] = {
    "throttled": ("throttle", "the table is throttled; try again"),
    "failed": ("fail_before", "the table does not answer; try again"),
}


@pytest.mark.parametrize(("injected", "message"), TROUBLE.values(), ids=TROUBLE)
def test_health_is_no_better_than_the_tables(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], injected: Any, message: str
) -> None:
    cloud.aws.services["DynamoDB"] = FaultyApi(cloud.dynamodb, FaultScript({1: Injection(injected)}))
    function = cloud.function("insights")
    answer = function.handler(request("GET", "/healthz"), Context())
    assert (answer["statusCode"], json.loads(answer["body"])["message"]) == (503, message)
    assert lines(capsys)[0]["route"] == "/healthz"
    assert function.handler(request("GET", "/healthz"), Context())["statusCode"] == 200


def test_an_event_that_no_balancer_sends_fails_and_says_what_was_wrong(cloud: Cloud) -> None:
    function = cloud.function("insights")
    with pytest.raises(MalformedInvocation, match=r"^path: expected a string, got null$"):
        function.handler({"httpMethod": "GET"}, Context())


def test_a_path_that_cannot_be_read_is_a_bad_request_with_a_line(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = cloud.function("insights").handler(request("GET", "/v1/users/secret%ff"), Context())
    assert answer["statusCode"] == 400
    said = line(capsys)
    assert said["answers"] == {"other none 400": 1}
    assert "secret" not in json.dumps(said)


def test_what_is_unchanged_is_not_sent_again(insights: Any) -> None:
    # From the beginning of a sub-window on, or the minutes below may lead into the next one.
    sub_window_s = TRENDS[0].window.length_s
    insights._clock.advance_ms((sub_window_s - NOW_S % sub_window_s) * 1_000)
    for path in ("/v1/users/secret-user", "/v1/items/item-1", "/v1/trending"):
        first = insights.handler(request("GET", path), Context())
        tag = first["headers"]["etag"]
        insights._clock.advance_ms(60_000)  # of an item `as_of` moves on, and nothing else
        for method in ("GET", "HEAD"):
            again = insights.handler(request(method, path, headers={"If-None-Match": tag}), Context())
            assert (again["statusCode"], again["body"]) == (304, "")
            assert again["headers"]["etag"] == tag
            assert again["headers"]["cache-control"] == first["headers"]["cache-control"]
            assert "content-type" not in again["headers"]


def test_the_journal_is_asked_how_far_it_is_once_in_a_while(cloud: Cloud, insights: Any) -> None:
    counting = CountingApi(cloud.dynamodb)
    cloud.aws.services["DynamoDB"] = counting

    def queries() -> int:
        counting.calls.clear()
        insights.handler(request("GET", "/v1/items/item-1"), Context())
        return counting.calls["Query"]

    assert [queries(), queries(), queries()] == [3, 1, 1]
    insights._clock.advance_ms(AGE_MAX_S * 1_000)
    assert [queries(), queries()] == [3, 1]


def test_an_answer_says_what_took_how_long_and_under_which_id_it_is_logged(insights: Any) -> None:
    for path in PATHS:
        headers = insights.handler(request("GET", path), Context())["headers"]
        assert headers["x-request-id"] == Context.aws_request_id
        assert re.fullmatch(r"store;dur=\d+, total;dur=\d+", headers["server-timing"])


def test_an_answer_that_the_balancer_would_not_take_is_refused(
    insights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(["x"] * 200_000).encode()
    monkeypatch.setattr(insights, "respond", lambda *_: Response(status=200, body=body))
    answer = insights.handler(request("GET", "/v1/trending"), Context())
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (413, "too_large")
    packed = insights.handler(request("GET", "/v1/trending", headers={"accept-encoding": "gzip"}), Context())
    assert (packed["statusCode"], packed["headers"]["content-encoding"]) == (200, "gzip")
    assert gzip.decompress(base64.b64decode(packed["body"])) == body


def test_a_stack_with_readers_answers_those_only(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.function("consumer").handler(mapped(event(1)), Context())
    hashes = [sha256(key.encode()).hexdigest() for key in ("old-key", "new-key")]
    readers = {"ranker": {"key_hashes": hashes, "scopes": ["users"]}}
    monkeypatch.setenv("TAPSTACK_READERS", json.dumps(readers))
    insights = cloud.function("insights")

    def asked(path: str, **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = insights.handler(request("GET", path, headers=named), Context())
        return answer["statusCode"], answer["headers"].get("www-authenticate", "")

    assert asked("/v1/users/secret-user") == (401, 'Bearer realm="tapstack"')
    for key in ("old-key", "new-key"):
        assert asked("/v1/users/secret-user", authorization=f"Bearer {key}") == (200, "")
    assert asked("/v1/users/secret-user", x_api_key="other-key")[0] == 401
    assert asked("/v1/trending", x_api_key="new-key")[0] == 403
    assert asked("/healthz") == (200, "")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": {}}', '{"A": {"key_hashes": [], "scopes": []}}'])
def test_readers_that_cannot_be_read_fail_at_import(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TAPSTACK_READERS", text)
    with pytest.raises(Misconfigured, match=r"^TAPSTACK_READERS: expected readers by id, JSON: "):
        cloud.function("insights")
