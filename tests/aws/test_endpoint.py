"""Requests over real sockets, to a peer that does what the test says.

What was decided, and is held here: a request is never sent twice by the endpoint itself. If the peer
closed the idle connection, that is seen before anything is sent, and a new one is opened: nothing fails.
If the connection ends after something was sent, nobody can know: `OutcomeUnknown`, and the caller, who
knows whether its request may be repeated, decides.
"""

from __future__ import annotations

import gc
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tapstack.aws.connection import Answer
from tapstack.aws.http import Endpoint, JsonApi, _trusted_authorities
from tapstack.aws.s3 import S3Bucket
from tapstack.aws.signing import Scope, sign
from tapstack.aws.signing import credentials as signing_credentials
from tapstack.errors import Misconfigured, OutcomeUnknown, Unavailable
from tapstack.ports import AwsError

Script = Callable[[socket.socket, bytes], bool]  # answers a request; True to keep the connection


def answering(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> Script:
    def answer(peer: socket.socket, _: bytes) -> bool:
        head = "".join(
            f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
        )
        peer.sendall(head.encode() + b"\r\n" + body)
        return True

    return answer


def closing_after(script: Script) -> Script:
    def answer(peer: socket.socket, request: bytes) -> bool:
        script(peer, request)
        return False

    return answer


def saying(text: bytes) -> Script:
    """Say these bytes and hang up."""

    def answer(peer: socket.socket, _: bytes) -> bool:
        peer.sendall(text)
        return False

    return answer


class Peer:
    """A server that answers its requests, one after another, as scripted; then with ``{}``."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._scripts = list(scripts)
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            with suppress(OSError), self._shaken(peer) as peer:
                while (request := self._request(peer)) and self._answer(peer, request):
                    pass

    def _shaken(self, peer: socket.socket) -> socket.socket:
        return peer if self._tls is None else self._tls.wrap_socket(peer, server_side=True)

    def _answer(self, peer: socket.socket, request: bytes) -> bool:
        self.requests.append(request)
        return (self._scripts.pop(0) if self._scripts else answering())(peer, request)

    def _request(self, peer: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := peer.recv(65_536)):
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < int(lengths[0].partition(b":")[2]):
            body += peer.recv(65_536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


class Line:
    """An endpoint and its peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.endpoint = Endpoint("dynamodb", "us-east-1", f"http://127.0.0.1:{peer.port}")
        self.api = JsonApi(self.endpoint, "DynamoDB_20120810", "1.0")

    def send(self, body: bytes = b"{}") -> Answer:
        return self.endpoint.send("POST", "/", [], body)

    def wait_until_the_peer_is_gone(self) -> None:
        """Block until the close of the peer has arrived, however long that takes."""
        connected = self.endpoint._connection.sock
        assert connected is not None
        assert select.select([connected], [], [], 10)[0]


@pytest.fixture
def line() -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def make(*scripts: Script) -> Line:
        lines.append(Line(Peer(*scripts)))
        return lines[-1]

    yield make
    for each in lines:
        each.endpoint._connection.close()
        each.peer.close()


# What is sent and answered.


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


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("PUT", "/bucket/late/49-0.json")])
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


# What goes wrong.


def test_a_refused_connection_is_unavailable_and_nothing_was_sent() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable, match=rf"^dynamodb: cannot connect to 127.0.0.1:{port} \(") as caught:
        Endpoint("dynamodb", "us-east-1", f"http://127.0.0.1:{port}").send("POST", "/", [], b"{}")
    assert type(caught.value) is Unavailable


DROPPED: dict[str, bytes] = {
    "before the answer": b"",
    "in the status line": b"HTTP/1.1 20",
    "in the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "before the body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}",
    "with nonsense": b"220 mail.example.com ESMTP\r\n",
    "with another protocol": b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "with two answers": 2 * b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
}


@pytest.mark.parametrize("said", DROPPED.values(), ids=DROPPED)
def test_a_connection_dropped_after_the_request_leaves_the_outcome_unknown(
    line: Callable[..., Line], said: bytes
) -> None:
    here = line(saying(said))
    with pytest.raises(
        OutcomeUnknown, match=r"^dynamodb: no answer \((ConnectionAborted|ConnectionReset)Error\)$"
    ):
        here.send()
    assert len(here.peer.requests) == 1, "never sent twice"
    assert here.send() == Answer(200, b"{}"), "and the next request has a connection of its own"
    assert here.peer.connections == 2


class Interrupted(Exception):  # noqa: N818 - what a signal's handler raises
    pass


def test_the_answer_to_an_interrupted_request_is_never_taken_for_the_next_ones(
    line: Callable[..., Line],
) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    def interrupting(_: socket.socket, __: bytes) -> bool:
        os.kill(os.getpid(), signal.SIGUSR1)
        return True  # its answer may still come

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        here = line(interrupting)
        with pytest.raises(Interrupted):
            here.send()
        assert here.send().body == b"{}"
        assert here.peer.connections == 2
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_connection_that_the_peer_closed_while_idle_is_opened_anew(line: Callable[..., Line]) -> None:
    here = line(closing_after(answering(b"1")))
    assert here.send().body == b"1"
    here.wait_until_the_peer_is_gone()
    assert here.send().body == b"{}"
    assert (here.peer.connections, len(here.peer.requests)) == (2, 2)


def test_a_peer_that_announces_its_close_is_left_in_time(line: Callable[..., Line]) -> None:
    here = line(closing_after(answering(b"1", "200 OK", "Connection: close")))
    for _ in range(2):
        here.send()
    assert (here.peer.connections, len(here.peer.requests)) == (2, 2)


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


# TLS.


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of localhost, its key beside it."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed: it makes the certificate")
    made = tmp_path / "localhost.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(made)]
    subprocess.run([program, "req", "-x509", *curve, *names, *files], check=True, capture_output=True)
    return made


@pytest.mark.parametrize(
    ("host", "is_trusted", "reason"),
    [
        ("localhost", True, ""),
        ("localhost", False, "SSLCertVerificationError"),
        ("127.0.0.1", True, "SSLCert"),
    ],
)
def test_a_peer_must_be_who_it_says(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, is_trusted: bool, reason: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    _trusted_authorities.cache_clear()
    with closing(Peer(tls=context)) as peer:
        endpoint = Endpoint("dynamodb", "us-east-1", f"https://{host}:{peer.port}")
        if not reason:
            for _ in range(2):
                assert endpoint.send("POST", "/", [], b"{}") == Answer(200, b"{}")
            assert peer.connections == 1
            endpoint._connection.close()
        else:
            with pytest.raises(Unavailable, match=rf"cannot connect to {host}:{peer.port} \({reason}"):
                endpoint.send("POST", "/", [], b"{}")
            assert peer.requests == []
    _trusted_authorities.cache_clear()


# Buckets.


def test_an_object_is_put_under_its_key(line: Callable[..., Line]) -> None:
    here = line()
    bucket = S3Bucket(Endpoint("s3", "us-east-1", f"http://127.0.0.1:{here.peer.port}"), "b")
    bucket.put("late/shardId-000000000000/49-0.json", b"{}")
    bucket.put("a b/€", b"")
    bucket._endpoint._connection.close()
    assert here.peer.requests[0].startswith(b"PUT /b/late/shardId-000000000000/49-0.json HTTP/1.1\r\n")
    assert here.peer.requests[1].startswith(b"PUT /b/a%20b/%E2%82%AC HTTP/1.1\r\n")
    head = here.peer.requests[0].lower().split(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"content-type: application/json" in head
    assert any(header.startswith(b"x-amz-content-sha256: ") for header in head)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("403 Forbidden", Unavailable),
        ("503 Slow Down", OutcomeUnknown),
        ("301 Moved Permanently", Unavailable),
        ("201 Created", Unavailable),
        ("206 Partial Content", Unavailable),
    ],
)
def test_an_object_that_was_not_stored_is_not_said_to_be(
    line: Callable[..., Line], status: str, expected: type[Unavailable]
) -> None:
    here = line(answering(b"<Error/>", status))
    bucket = S3Bucket(here.endpoint, "b")
    with pytest.raises(expected, match=rf"^s3: Http{status[:3]}$") as caught:
        bucket.put("k", b"{}")
    assert type(caught.value) is expected
