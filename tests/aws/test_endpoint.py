"""Requests over real sockets, to a peer that does what the test says: what is sent, and what is answered."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from peer import Line, answering, saying

from tapstack.aws.connection import Answer
from tapstack.aws.http import Endpoint
from tapstack.aws.s3 import S3Bucket
from tapstack.aws.signing import Scope, sign
from tapstack.aws.signing import credentials as signing_credentials
from tapstack.errors import Misconfigured, OutcomeUnknown
from tapstack.ports import AwsError

pytestmark = pytest.mark.usefixtures("credentials")


def test_a_request_is_signed_and_its_answer_read(line: Callable[..., Line]) -> None:
    here = line(answering(b'{"a":1}'))
    assert here.api.call("GetItem", b'{"b":2}') == b'{"a":1}'
    head, _, body = here.peer.requests[0].decode().partition("\r\n\r\n")
    names = dict(header.split(": ", 1) for header in head.split("\r\n")[1:])
    found = {name.lower(): value for name, value in names.items()}
    assert len(found) == len(head.split("\r\n")) - 1, "no header twice"
    assert head.startswith("POST / HTTP/1.1\r\n")
    assert body == '{"b":2}'
    assert found["host"] == f"127.0.0.1:{here.peer.port}"
    assert found["content-length"] == "7"
    assert found["content-type"] == "application/x-amz-json-1.0"
    assert found["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert found["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/dynamodb/aws4_request" in found["authorization"]
    for name in ("content-type", "host", "x-amz-date", "x-amz-target"):
        assert name in found["authorization"]


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Far from UTC, as Lambda never is and a laptop may be."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("PUT", "/bucket/late/49-0.json"), ("GET", "/b?list-type=2&prefix=late%2F")],
)
def test_the_signature_is_of_what_is_sent_and_of_this_moment(
    line: Callable[..., Line], in_tokyo: None, method: str, path: str
) -> None:
    here = line()
    before = datetime.now(tz=UTC).replace(microsecond=0)
    here.endpoint.send(method, path, [("Content-Type", "text/plain")], b"body")
    head, _, body = here.peer.requests[0].decode().partition("\r\n\r\n")
    request_line, *headers = head.split("\r\n")
    said = dict(header.split(": ", 1) for header in headers)
    at = datetime.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert before <= at <= datetime.now(tz=UTC)
    to_sign = [("Host", said["Host"]), ("Content-Type", "text/plain")]
    sent_method, sent_path, _ = request_line.split(" ")
    expected = dict(
        sign(
            sent_method,
            sent_path,
            to_sign,
            body.encode(),
            signing_credentials(),
            Scope("us-east-1", "dynamodb"),
            said["X-Amz-Date"],
        )
    )
    assert (sent_method, sent_path) == (method, path)
    assert said["Authorization"] == expected["Authorization"]


ADDRESSES: dict[str, tuple[str, str | None, tuple[str, int, str]]] = {
    "AWS": (
        "eu-central-1",
        None,
        ("dynamodb.eu-central-1.amazonaws.com", 443, "dynamodb.eu-central-1.amazonaws.com"),
    ),
    "AWS in China": (
        "cn-north-1",
        None,
        ("dynamodb.cn-north-1.amazonaws.com.cn", 443, "dynamodb.cn-north-1.amazonaws.com.cn"),
    ),
    "GovCloud": (
        "us-gov-west-1",
        None,
        ("dynamodb.us-gov-west-1.amazonaws.com", 443, "dynamodb.us-gov-west-1.amazonaws.com"),
    ),
    "plain": ("eu-central-1", "http://emulator", ("emulator", 80, "emulator")),
    "plain, a port": ("eu-central-1", "http://emulator:4566", ("emulator", 4566, "emulator:4566")),
    "TLS": ("eu-central-1", "https://vpce-1.example", ("vpce-1.example", 443, "vpce-1.example")),
    "TLS, a port": ("eu-central-1", "https://vpce-1.example:1", ("vpce-1.example", 1, "vpce-1.example:1")),
    "IPv6": ("eu-central-1", "http://[::1]:80", ("::1", 80, "[::1]:80")),
}


@pytest.mark.parametrize(("region", "url", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_where_a_service_is(region: str, url: str | None, expected: tuple[str, int, str]) -> None:
    endpoint = Endpoint("dynamodb", region, url)
    assert (*endpoint._connection._address, endpoint._host) == expected


def test_one_connection_serves_many_requests(line: Callable[..., Line]) -> None:
    here = line()
    for _ in range(5):
        assert here.send() == Answer(200, b"{}")
    assert (here.peer.connections, len(here.peer.requests)) == (1, 5)


def test_an_answer_is_freed_without_the_garbage_collector(line: Callable[..., Line]) -> None:
    # The consumer collects seldom; parser and callbacks refer to each other, and to the whole body.
    here = line()
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            here.send()
        kept = [each for each in gc.get_objects() if type(each).__module__ == "tapstack.aws.connection"]
    finally:
        gc.enable()
    assert {type(each).__name__ for each in kept} == {"Connection"}


def test_an_answer_in_chunks_is_put_together(line: Callable[..., Line]) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert line(saying(chunked)).send().body == b"abcde"


INFORMED: dict[str, list[bytes]] = {
    "100": [b"HTTP/1.1 100 Continue\r\n\r\n"],
    "102": [b"HTTP/1.1 102 Processing\r\n\r\n"],
    "103 with headers": [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 2\r\n\r\n"],
    "199": [b"HTTP/1.1 199 Whatever\r\n\r\n"],
    "two": [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"],
}
FINAL: dict[str, tuple[str, int]] = {"200": ("200 OK", 200), "400": ("400 Bad Request", 400)}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one piece", "piece by piece"])
@pytest.mark.parametrize(("status", "number"), FINAL.values(), ids=FINAL)
@pytest.mark.parametrize("before", INFORMED.values(), ids=INFORMED)
def test_what_precedes_the_answer_is_not_the_answer(
    line: Callable[..., Line], before: list[bytes], status: str, number: int, at_once: bool
) -> None:
    # RFC 9110, section 15.2: a client reads any number of 1xx before the answer. Taken for it, a 100 would
    # be an error for what was done, and the answer itself the next request's.
    def answer(peer: socket.socket, request: bytes) -> bool:
        for piece in [b"".join(before)] if at_once else before:
            peer.sendall(piece)
        return answering(b'{"a":1}', status)(peer, request)

    here = line(answer)
    assert here.send() == Answer(number, b'{"a":1}')
    assert here.send() == Answer(200, b"{}"), "and the next request has its own"


@pytest.mark.parametrize("before", INFORMED.values(), ids=INFORMED)
def test_what_precedes_an_answer_that_never_comes_leaves_the_outcome_unknown(
    line: Callable[..., Line], before: list[bytes]
) -> None:
    here = line(saying(b"".join(before)))
    with pytest.raises(OutcomeUnknown):
        here.send()
    bucket = S3Bucket(line(saying(b"".join(before))).endpoint, "b")
    with pytest.raises(OutcomeUnknown):
        bucket.put("k", b"{}")


def test_a_large_request_and_answer_come_through(line: Callable[..., Line]) -> None:
    here = line(answering(b"y" * 3_000_000))
    assert len(here.send(b"x" * 3_000_000).body) == 3_000_000
    assert here.peer.requests[0].endswith(b"x" * 1_000)


ERRORS: dict[str, tuple[str, bytes, str, str]] = {
    "DynamoDB's": (
        "400 Bad Request",
        b'{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no table"}',
        "ResourceNotFoundException",
        "no table",
    ),
    "a cancelled transaction's": (
        "400 Bad Request",
        b'{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"m"}',
        "TransactionCanceledException",
        "m",
    ),
    "Kinesis'": ("400 Bad Request", b'{"__type":"LimitExceededException"}', "LimitExceededException", ""),
    "of no message": (
        "400 Bad Request",
        b'{"__type":"com.amazon.coral.service#ThrottlingException","message":null}',
        "ThrottlingException",
        "",
    ),
    "of no JSON": ("503 Service Unavailable", b"<html>busy</html>", "Http503", ""),
    "of no UTF-8": ("500 Internal Server Error", b'{"message":"\xff"}', "Http500", ""),
    "of nothing": ("500 Internal Server Error", b"", "Http500", ""),
    "a redirect": ("307 Temporary Redirect", b"{}", "Http307", ""),
    "a success of another kind": ("206 Partial Content", b"{}", "Http206", ""),
    "of a list": ("400 Bad Request", b"[]", "Http400", ""),
}


@pytest.mark.parametrize(("status", "body", "code", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error_answer_is_an_error_with_its_code(
    line: Callable[..., Line], status: str, body: bytes, code: str, message: str
) -> None:
    with pytest.raises(AwsError) as caught:
        line(answering(body, status)).api.call("Query", b"{}")
    error = caught.value
    assert (error.code, error.message, error.status) == (code, message, int(status[:3]))
    assert error.body == body


def test_an_error_answer_leaves_the_connection_usable(line: Callable[..., Line]) -> None:
    here = line(answering(b"{}", "400 Bad Request"))
    assert here.send().status == 400
    assert here.send().status == 200
    assert here.peer.connections == 1


def test_without_credentials_the_variable_is_named(
    line: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    here = line()
    with pytest.raises(Misconfigured, match=r"^AWS_ACCESS_KEY_ID: "):
        here.send()
    assert here.peer.requests == []


@pytest.mark.parametrize("url", ["localhost:4566", "ftp://host", "http://"])
def test_an_address_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: expected http\(s\)://host\[:port\], got "):
        Endpoint("s3", "us-east-1", url)
