"""The load balancer: the event that a request becomes, and the answer that a response becomes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tapstack_emulator.lambda_host.host import InvokeResponse
from tapstack_emulator.load_balancer.server import (
    judge,
)
from tapstack_emulator.load_balancer.wire import (
    RESPONSE_JSON_BYTES_MAX,
    Client,
    MalformedResponseError,
    decode_response,
    encode_event,
    error_page,
)

CLIENT = Client(
    address="10.1.2.3", port=443, protocol="https", trace_id="1-00000001-000000000000000000000002"
)


def event_of(
    target: str = "/", headers: list[tuple[str, str]] | None = None, body: bytes = b"", method: str = "POST"
) -> dict[str, Any]:
    encoded = encode_event(
        method=method,
        target=target,
        headers=headers or [],
        body=body,
        client=CLIENT,
        target_group_arn="arn:tg",
    )
    event: dict[str, Any] = json.loads(encoded)
    return event


def test_a_request_becomes_the_documented_event() -> None:
    event = event_of(
        "/v1/events?a=1&b=x%20y",
        [("Host", "tapstack.internal"), ("Content-Type", "application/json"), ("User-Agent", "sdk/1")],
        b'{"n":1}',
    )
    assert event == {
        "requestContext": {"elb": {"targetGroupArn": "arn:tg"}},
        "httpMethod": "POST",
        "path": "/v1/events",
        "queryStringParameters": {"a": "1", "b": "x%20y"},
        "headers": {
            "host": "tapstack.internal",
            "content-type": "application/json",
            "user-agent": "sdk/1",
            "x-forwarded-for": "10.1.2.3",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "x-amzn-trace-id": "Root=1-00000001-000000000000000000000002",
        },
        "body": '{"n":1}',
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", {}),
        ("?", {}),
        ("?a=1&a=2", {"a": "2"}),
        ("?a=%2B+%26", {"a": "%2B+%26"}),
        ("?flag&b=", {"flag": "", "b": ""}),
        ("?n%C3%A9=1", {"n%C3%A9": "1"}),
        ("?a=b=c", {"a": "b=c"}),
        ("?a=1?b=2", {"a": "1?b=2"}),
    ],
)
def test_query_values_stay_encoded_and_the_last_one_wins(query: str, parameters: dict[str, str]) -> None:
    assert event_of("/x" + query)["queryStringParameters"] == parameters


def test_the_path_stays_encoded() -> None:
    assert event_of("/v1/users/a%2Fb%20c")["path"] == "/v1/users/a%2Fb%20c"


@pytest.mark.parametrize(
    ("headers", "body", "encoded"),
    [
        ([("content-type", "text/plain")], b"hello", False),
        ([("content-type", "text/csv; charset=utf-8")], b"a,b", False),
        ([("content-type", "application/json")], b"{}", False),
        ([("Content-Type", "Application/JSON; charset=utf-8")], b"{}", False),
        ([("content-type", "application/javascript")], b"x()", False),
        ([("content-type", "application/xml")], b"<a/>", False),
        ([("content-type", "application/vnd.api+json")], b"{}", True),
        ([("content-type", "application/x-www-form-urlencoded")], b"a=1", True),
        ([("content-type", "image/png")], b"\x89PNG", True),
        ([], b"untyped", True),
        ([("content-type", "application/json"), ("content-encoding", "gzip")], b"\x1f\x8b", True),
        ([("content-type", "application/json"), ("content-encoding", "identity")], b"{}", True),
        ([("content-type", "text/plain")], b"\xff", True),
        ([], b"", False),
        ([("content-type", "image/png")], b"", False),
    ],
    ids=str,
)
def test_only_listed_text_is_passed_as_text(
    headers: list[tuple[str, str]], body: bytes, encoded: bool
) -> None:
    event = event_of(headers=headers, body=body)
    assert event["isBase64Encoded"] is encoded
    assert event["body"] == (base64.b64encode(body).decode() if encoded else body.decode())


def test_of_repeated_headers_the_last_counts_and_proxies_are_kept() -> None:
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
    headers = event_of(
        headers=[("X-A", "1"), ("x-a", "2"), ("X-Forwarded-For", "203.0.113.7"), ("X-Amzn-Trace-Id", trace)]
    )["headers"]
    assert headers["x-a"] == "2"
    assert headers["x-forwarded-for"] == "203.0.113.7, 10.1.2.3"
    assert headers["x-amzn-trace-id"] == f"Self=1-00000001-000000000000000000000002;{trace}"


def response(**fields: Any) -> bytes:
    return json.dumps({"statusCode": 200, **fields}).encode()


def test_a_response_becomes_http() -> None:
    answer = decode_response(
        response(
            statusCode=201,
            statusDescription="201 Made",
            headers={"Content-Type": "application/json", "Content-Length": "7", "Connection": "close"},
            body='{"a":1}',
            isBase64Encoded=False,
        )
    )
    assert (answer.status, answer.reason, answer.body) == (201, "Made", b'{"a":1}')
    assert answer.headers == {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (response(), b""),
        (response(body=None, headers=None), b""),
        (response(body="é"), "é".encode()),
        (response(body="/w==", isBase64Encoded=True), b"\xff"),
    ],
)
def test_what_a_response_may_leave_out(payload: bytes, body: bytes) -> None:
    assert decode_response(payload).body == body


@pytest.mark.parametrize(
    "payload",
    [
        b"null",
        b'"hello"',
        b"[]",
        b"{}",
        b"not json",
        b'{"statusCode":"200"}',
        b'{"statusCode":99}',
        b'{"statusCode":200,"body":{"a":1}}',
        b'{"statusCode":200,"headers":{"x":1}}',
        b'{"statusCode":200,"headers":["x"]}',
        b'{"statusCode":200,"body":"?","isBase64Encoded":true}',
        b'{"statusCode":200,"headers":{"x":"a\\r\\nset-cookie: b"}}',
        response(body="x" * RESPONSE_JSON_BYTES_MAX),
    ],
)
def test_a_malformed_response_is_a_502(payload: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        decode_response(payload)
    assert judge(InvokeResponse(kind="success", payload=payload)) == error_page(502)


@pytest.mark.parametrize("kind", ["function_error", "throttled"])
def test_a_function_that_failed_is_a_502_page_without_its_error(kind: Any) -> None:
    answer = judge(InvokeResponse(kind=kind, payload=b'{"errorMessage":"secret"}'))
    assert answer.body == (
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
        b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    assert answer.headers == {"Content-Type": "text/html"}


def test_bytes_in_a_target_that_do_not_belong_there_are_percent_encoded() -> None:
    assert event_of("/v1/caf\udce9/%41?q=\u00e9&r=a+b")["path"] == "/v1/caf%E9/%41"
    assert event_of("/x?q=\u00e9&r=a+b")["queryStringParameters"] == {"q": "%C3%A9", "r": "a+b"}
