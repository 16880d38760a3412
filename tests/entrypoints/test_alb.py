"""HTTP as the load balancer hands it over."""

from __future__ import annotations

import base64
import gzip
import zlib
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapstack.entrypoints.alb import answer, read_request, refusal
from tapstack.errors import InvalidEvent

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


def sent(body: bytes, encoding: str | None = None) -> dict[str, Any]:
    headers = {} if encoding is None else {"content-encoding": encoding}
    return alb_event(body=base64.b64encode(body).decode(), isBase64Encoded=True, headers=headers)


@given(st.binary(max_size=200))
def test_a_body_in_base64_is_unwrapped(body: bytes) -> None:
    assert read_request(sent(body)).body(1_000) == body


@given(TEXTS)
def test_a_text_body_is_utf8(body: str) -> None:
    assert read_request(alb_event(body=body)).body(1_000) == body.encode()


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_body_is_an_empty_one(nothing: str | None) -> None:
    assert read_request(alb_event(body=nothing)).body(10) == b""


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "identity", None])
@given(body=st.binary(max_size=200))
def test_a_compressed_body_is_opened(encoding: str | None, body: bytes) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get((encoding or "").lower(), bytes)
    assert read_request(sent(pack(body), encoding)).body(1_000) == body


@given(st.integers(0, 3))
def test_the_limit_is_of_the_opened_body(over: int) -> None:
    request = read_request(sent(gzip.compress(b"x" * (100 + over)), "gzip"))
    if not over:
        assert request.body(100) == b"x" * 100
    else:
        with pytest.raises(InvalidEvent, match=r"^expected a body of at most 100 bytes$"):
            request.body(100)


def test_a_small_body_that_opens_to_a_huge_one_is_not_opened_whole() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    with pytest.raises(InvalidEvent, match=r"at most 1000 bytes"):
        read_request(sent(bomb, "gzip")).body(1_000)


PACKED = gzip.compress(b"[{}]")
NOT_WHOLE = "expected one whole compressed body"
BROKEN: dict[str, tuple[bytes, str, str]] = {
    "not gzip at all": (b"{}", "gzip", "the body is not compressed as it says"),
    "check sum wrong": (PACKED[:-8] + bytes(8), "gzip", "the body is not compressed as it says"),
    "cut off in the middle": (PACKED[:-12], "gzip", NOT_WHOLE),
    "cut off before its check sum": (PACKED[:-8], "gzip", NOT_WHOLE),
    "two in a row": (PACKED + PACKED, "gzip", NOT_WHOLE),
    "nothing": (b"", "gzip", NOT_WHOLE),
    "an encoding of tomorrow": (b"{}", "zstd", "expected gzip, deflate or identity, got 'zstd'"),
}


@pytest.mark.parametrize(("body", "encoding", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_body_that_cannot_be_opened_is_refused(body: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        read_request(sent(body, encoding)).body(10_000)
    assert (caught.value.field, caught.value.reason) == ("content-encoding", reason)


def test_a_body_in_broken_base64_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r"^the body is not base64$"):
        read_request(alb_event(body="%%%", isBase64Encoded=True))


PATHS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain": ("/v1/users/ann", ("v1", "users", "ann")),
    "a trailing slash": ("/v1/users/ann/", ("v1", "users", "ann")),
    "a slash inside": ("/v1/users/a%2Fb", ("v1", "users", "a/b")),
    "a percent sign": ("/v1/users/100%25", ("v1", "users", "100%")),
    "decoded once": ("/v1/users/%2525", ("v1", "users", "%25")),
    "a plus is a plus": ("/v1/users/a+b", ("v1", "users", "a+b")),
    "UTF-8": ("/v1/items/%E2%82%AC", ("v1", "items", "€")),
    "the root": ("/", ("",)),
}


@pytest.mark.parametrize(("path", "segments"), PATHS.values(), ids=PATHS)
def test_a_path_is_split_and_then_decoded(path: str, segments: tuple[str, ...]) -> None:
    assert read_request(alb_event(path=path)).path == segments


@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=4))
def test_any_segments_come_through(segments: list[str]) -> None:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    assert read_request(alb_event(path=path)).path == tuple(segments)


@given(st.dictionaries(TEXTS, TEXTS, max_size=4))
def test_any_query_comes_through(query: dict[str, str]) -> None:
    encoded = {quote_plus(name): quote_plus(value) for name, value in query.items()}
    assert read_request(alb_event(queryStringParameters=encoded)).query == query


@pytest.mark.parametrize("nothing", [{}, None])
def test_no_query_is_an_empty_one(nothing: Any) -> None:
    assert read_request(alb_event(queryStringParameters=nothing)).query == {}


def test_an_answer_is_json_in_the_load_balancers_form() -> None:
    assert answer(200, {"a": "€"}, {"x-y": "1"}) == {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "x-y": "1"},
        "body": '{"a":"€"}',
        "isBase64Encoded": False,
    }


def test_a_refusal_has_a_code_and_a_message() -> None:
    refused = refusal(404, "not_found", "no such path")
    assert refused["statusCode"] == 404
    assert msgspec.json.decode(refused["body"]) == {"code": "not_found", "message": "no such path"}
