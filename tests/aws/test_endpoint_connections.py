"""What becomes of a request when its connection does not last, and whom a connection trusts.

What was decided, and is held here: a request is never sent twice by the endpoint itself. If the peer
closed the idle connection, that is seen before anything is sent, and a new one is opened: nothing fails.
If the connection ends after something was sent, nobody can know: `OutcomeUnknown`, and the caller, who
knows whether its request may be repeated, decides.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from peer import Line, Peer, answering, closing_after, saying

from tapstack.aws.connection import Answer
from tapstack.aws.http import Endpoint, _trusted_authorities
from tapstack.errors import OutcomeUnknown, Unavailable

pytestmark = pytest.mark.usefixtures("credentials")


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


def test_an_answer_that_nobody_took_is_not_taken_for_the_next(line: Callable[..., Line]) -> None:
    """Whoever started the first request failed before it could wait for the answer."""

    def until_hung_up(peer: socket.socket, _: bytes) -> bool:
        return peer.recv(1) != b""

    here = line(until_hung_up, answering(b"second"))
    here.endpoint.start("POST", "/", [], b"first")
    assert here.send(b"second") == Answer(200, b"second")
    assert here.peer.connections == 2


def test_requests_over_two_connections_are_on_their_way_together(line: Callable[..., Line]) -> None:
    lines = [line(answering(name)) for name in (b"a", b"b")]
    first, second = [each.api.start("Query", b"{}") for each in lines]
    assert (second(), first()) == (b"b", b"a")
    assert [each.send() for each in lines] == 2 * [Answer(200, b"{}")]
    assert [each.peer.connections for each in lines] == [1, 1]


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
