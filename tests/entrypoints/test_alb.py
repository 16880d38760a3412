"""HTTP as the load balancer hands it over."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.entrypoints.alb import MalformedInvocation, read_request, write_response
from tapstack.http import BadRequest, Response

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def alb_event(**changes: Any) -> dict[str, Any]:
    """A request in the form of AWS's example (docs: lambda-functions.html, read 2026-11-23)."""
    return {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/6"}
        },
        "httpMethod": "POST",
        "path": "/v1/events",
        "queryStringParameters": {},
        "headers": {"accept": "*/*", "content-type": "application/json", "x-forwarded-for": "72.12.164.125"},
        "body": "",
        "isBase64Encoded": False,
        **changes,
    }


@given(st.binary(max_size=200))
def test_a_body_in_base64_is_unwrapped(body: bytes) -> None:
    event = alb_event(body=base64.b64encode(body).decode(), isBase64Encoded=True)
    assert read_request(event).raw_body == body


@given(TEXTS)
def test_a_text_body_is_utf8(body: str) -> None:
    assert read_request(alb_event(body=body)).raw_body == body.encode()


def test_headers_have_small_letters_whoever_wrote_them() -> None:
    assert read_request(alb_event(headers={"Content-Encoding": "GZIP"})).headers == {
        "content-encoding": "GZIP"
    }


@pytest.mark.parametrize("name", ["queryStringParameters", "headers", "body", "isBase64Encoded"])
def test_null_is_absent_and_absent_is_empty(name: str) -> None:
    empty = {"queryStringParameters": {}, "headers": {}, "body": "", "isBase64Encoded": False}[name]
    absent = alb_event()
    del absent[name]
    asked = [read_request(event) for event in (alb_event(**{name: None}), absent, alb_event(**{name: empty}))]
    assert asked[0] == asked[1] == asked[2]


PATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain": ("/v1/users/ann", ("v1", "users", "ann")),
    "a trailing slash": ("/v1/users/ann/", ("v1", "users", "ann")),
    "two trailing slashes": ("/v1/users/ann//", ("v1", "users", "ann", "")),
    "two slashes inside": ("/v1//ann", ("v1", "", "ann")),
    "a slash inside": ("/v1/users/a%2Fb", ("v1", "users", "a/b")),
    "a percent sign": ("/v1/users/100%25", ("v1", "users", "100%")),
    "decoded once": ("/v1/users/%2525", ("v1", "users", "%25")),
    "a plus is a plus": ("/v1/users/a+b", ("v1", "users", "a+b")),
    "UTF-8": ("/v1/items/%E2%82%AC", ("v1", "items", "€")),
    "dots are a name": ("/v1/users/..", ("v1", "users", "..")),
    "encoded dots are a name": ("/v1/users/%2e%2E", ("v1", "users", "..")),
    "a dot is a name": ("/v1/./users", ("v1", ".", "users")),
    "the root": ("/", ("",)),
    "nothing": ("", ("",)),
}


@pytest.mark.parametrize(("path", "segments"), PATHS.values(), ids=PATHS)
def test_a_path_is_split_and_then_decoded(path: str, segments: tuple[str, ...]) -> None:
    assert read_request(alb_event(path=path)).path == segments


@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=4), st.sampled_from(["", "/"]))
def test_any_segments_come_through(segments: list[str], end: str) -> None:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments) + end
    assert read_request(alb_event(path=path)).path == tuple(segments)


@given(st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=4))
def test_any_query_comes_through(query: dict[str, str]) -> None:
    encoded = {quote_plus(name): quote_plus(value) for name, value in query.items()}
    assert read_request(alb_event(queryStringParameters=encoded)).query == tuple(query.items())


QUERIES: dict[str, tuple[dict[str, str], tuple[tuple[str, str], ...]]] = {
    "a name without a value": ({"n": ""}, (("n", ""),)),
    "a value without a name": ({"": "5"}, (("", "5"),)),
    "a lone ampersand": ({"": ""}, ()),
    "one name spelt in two ways": ({"n": "1", "%6e": "2"}, (("n", "1"), ("n", "2"))),
}


@pytest.mark.parametrize(("given_", "query"), QUERIES.values(), ids=QUERIES)
def test_an_odd_query_is_read(given_: dict[str, str], query: tuple[tuple[str, str], ...]) -> None:
    assert read_request(alb_event(queryStringParameters=given_)).query == query


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "path that is no UTF-8": ({"path": "/v1/users/%ff"}, "path: expected percent-encoded UTF-8"),
    "path with half an emoji": ({"path": "/v1/users/\ud83d"}, "path: expected UTF-8"),
    "parameter that is no UTF-8": (
        {"queryStringParameters": {"n": "%C3"}},
        "query: expected percent-encoded UTF-8",
    ),
    "parameter's name that is no UTF-8": (
        {"queryStringParameters": {"%C3": "1"}},
        "query: expected percent-encoded UTF-8",
    ),
    "parameter with half an emoji": (
        {"queryStringParameters": {"\ude00": ""}},
        "queryStringParameters: expected UTF-8",
    ),
    "header with half an emoji": ({"headers": {"x": "\ud83d"}}, "headers: expected UTF-8"),
    "method with half an emoji": ({"httpMethod": "\ud83d"}, "httpMethod: expected UTF-8"),
    "body with half an emoji": ({"body": "\ud83d"}, "body: expected UTF-8"),
    "body that is not base64": ({"body": "%%%", "isBase64Encoded": True}, "the body is not base64"),
    "body cut within its base64": ({"body": "e30", "isBase64Encoded": True}, "the body is not base64"),
    "body in letters beyond base64": ({"body": "é", "isBase64Encoded": True}, "the body is not base64"),
}


@pytest.mark.parametrize(("changes", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_a_client_cannot_have_meant_is_a_bad_request(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_request(alb_event(**changes))
    assert str(caught.value) == message


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in alb_event(**changes).items() if name not in names}


OF_NO_BALANCER: dict[str, tuple[object, str]] = {
    "nothing": (None, "event: expected an object, got null"),
    "a list": ([alb_event()], "event: expected an object, got an array"),
    "text": ("GET /", "event: expected an object, got a string"),
    "of another service": ({"Records": []}, "path: expected a string, got null"),
    "no method": (without("httpMethod"), "httpMethod: expected a string, got null"),
    "method of null": (alb_event(httpMethod=None), "httpMethod: expected a string, got null"),
    "method of the wrong type": (alb_event(httpMethod=1), "httpMethod: expected a string, got a number"),
    "no path": (without("path"), "path: expected a string, got null"),
    "path in parts": (alb_event(path=["v1"]), "path: expected a string, got an array"),
    "body as an object": (alb_event(body={"secret": 1}), "body: expected a string, got an object"),
    "body that is false": (alb_event(body=False), "body: expected a string, got true or false"),
    "headers in a list": (alb_event(headers=[["a", "secret"]]), "headers: expected an object, got an array"),
    "header of null": (alb_event(headers={"secret": None}), "headers: expected strings, got null"),
    "header of several": (alb_event(headers={"a": ["secret"]}), "headers: expected strings, got an array"),
    "query as text": (
        alb_event(queryStringParameters="n=secret"),
        "queryStringParameters: expected an object, got a string",
    ),
    "parameter that is a number": (
        alb_event(queryStringParameters={"n": 5}),
        "queryStringParameters: expected strings, got a number",
    ),
    "flag as text": (
        alb_event(isBase64Encoded="true"),
        "isBase64Encoded: expected true or false, got a string",
    ),
    "multi-value headers on": (
        without("headers", "queryStringParameters", multiValueHeaders={"a": ["b"]}),
        "multiValueHeaders: expected a target group with multi-value headers off",
    ),
}


@pytest.mark.parametrize(("event", "message"), OF_NO_BALANCER.values(), ids=OF_NO_BALANCER)
def test_an_event_that_no_balancer_sends_fails_and_names_the_member(event: object, message: str) -> None:
    with pytest.raises(MalformedInvocation) as caught:
        read_request(event)
    assert str(caught.value) == message


MEMBERS = ["httpMethod", "path", "queryStringParameters", "headers", "body", "isBase64Encoded"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*MEMBERS, "multiValueHeaders"]), JSON) | JSON)
def test_any_json_is_a_request_or_refused_in_one_of_two_ways(changes: Any) -> None:
    event = alb_event(**changes) if isinstance(changes, dict) else changes
    try:
        request = read_request(event)
    except (MalformedInvocation, BadRequest) as error:
        assert str(error)  # noqa: PT017 - either is right
    else:
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in request.query)


def test_a_response_is_spelt_in_the_load_balancers_form() -> None:
    response = Response(status=200, headers={"x-y": "1"}, body='{"a":"€"}'.encode())
    assert write_response(response, "GET") == {
        "statusCode": 200,
        "headers": {"x-y": "1"},
        "body": '{"a":"€"}',
        "isBase64Encoded": False,
    }


@given(st.binary(max_size=50))
def test_any_body_is_answered(body: bytes) -> None:
    written = write_response(Response(status=200, body=body), "GET")
    text = written["body"]
    assert (base64.b64decode(text) if written["isBase64Encoded"] else text.encode()) == body


@given(st.binary(max_size=50))
def test_head_gets_the_length_of_the_body_in_its_place(body: bytes) -> None:
    written = write_response(Response(status=404, headers={"x": "y"}, body=body), "HEAD")
    assert written["headers"] == {"x": "y", "content-length": str(len(body))}
    assert (written["statusCode"], written["body"], written["isBase64Encoded"]) == (404, "", False)
