"""One kept-alive HTTP/1.1 connection: a socket, and answers read by llhttp, Node's parser.

The standard library's client reads headers as those of e-mail: a quarter of the CPU of a call and of its
import. Measurements are in docs/decisions/0004-how-dynamodb-is-called.md.
"""

from __future__ import annotations

import select
import socket
import ssl
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# At a time. Memory of more than 128 KiB is mapped and unmapped by the C library for each read: an answer
# of 30 KB took 78 us then, and takes 6 (Python 3.11 on Linux, 2026-11-30).
READ_BYTES = 64 * 1024

Place = tuple[int, int, int, str, tuple[Any, ...]]


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    body: bytes


class Connection:
    """A connection to one host, opened when it is needed.

    Parameters
    ----------
    host, port
        The peer.
    context
        Whom to trust, for TLS; None for plain HTTP.
    timeout_s
        Of connecting, and of each wait for bytes.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, timeout_s: float) -> None:
        self.sock: socket.socket | None = None
        self._hang_up: weakref.finalize[[], Connection] | None = None
        self._is_awaited = False  # an answer, of a request that was sent
        self._address = host, port
        self._context = context
        self._timeout_s = timeout_s

    def open(self) -> None:
        """Connect; again if the peer closed the connection while it was idle, as every server does.

        Raises
        ------
        OSError
            If that is not possible; nothing was sent.
        """
        if self.sock is not None and (self._is_awaited or _is_readable(self.sock)):
            self.close()  # an answer that nobody took would be taken for the next one
        if self.sock is not None:
            return
        self.sock = self._connected()
        # Not `__del__`: of a cycle the garbage collector may finalize the socket first, which warns.
        self._hang_up = weakref.finalize(self, self.sock.close)

    def _connected(self) -> socket.socket:
        plain = connect(socket.getaddrinfo(*self._address, type=socket.SOCK_STREAM), self._timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is None:
            return plain
        try:
            return self._context.wrap_socket(plain, server_hostname=self._address[0])
        except OSError:
            plain.close()
            raise

    def send(self, request: bytes) -> None:
        """Send a request over the open connection, once; its answer is to be received before the next one.

        Raises
        ------
        OSError
            If the connection ended or time was up before that.
        """
        if self.sock is None:
            raise ConnectionError("the connection is not open")
        self._is_awaited = True
        try:
            self.sock.sendall(request)
        except BaseException:
            self.close()
            raise

    def receive(self) -> Answer:
        """Wait for the whole answer to the request that was sent.

        Raises
        ------
        OSError
            If the connection ended or time was up before that, or the answer is not HTTP.
        """
        if self.sock is None:
            raise ConnectionError("the connection is not open")
        try:
            answer, is_kept_alive = _read(self.sock)
        except (HttpParserError, HttpParserUpgrade):
            self.close()
            raise ConnectionAbortedError("the answer is not one of HTTP") from None
        except BaseException:
            self.close()  # or the rest of this answer would be taken for the next one
            raise
        self._is_awaited = False
        if not is_kept_alive:
            self.close()
        return answer

    def close(self) -> None:
        """Close the connection if it is open."""
        if self._hang_up is not None:
            self._hang_up()
        self.sock = self._hang_up = None
        self._is_awaited = False


def connect(places: Sequence[Place], timeout_s: float) -> socket.socket:
    """Connect to the first of a host's places that answers.

    Parameters
    ----------
    places
        As `socket.getaddrinfo` returns them: S3 has eight. `socket.create_connection` would wait for each of
        them the whole time, and an invocation ends before that.
    timeout_s
        For all of them together; and of each wait for bytes later.

    Raises
    ------
    OSError
        The last place's, if none answers.
    """
    failure = OSError("the host has no address")
    for *_, address in places:
        try:
            peer = socket.create_connection(address[:2], timeout_s / len(places))
        except OSError as error:
            failure = error
        else:
            peer.settimeout(timeout_s)
            return peer
    raise failure


class _Reader:
    """Collects one answer; llhttp calls its methods."""

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.is_whole = False
        self.is_kept_alive = False

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise ConnectionAbortedError("more than one answer")

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.is_whole = self.parser.get_status_code() >= 200  # 1xx precede the answer
        self.is_kept_alive = self.parser.should_keep_alive()  # llhttp forgets it afterwards


def _read(peer: socket.socket) -> tuple[Answer, bool]:
    """Read one whole response; return it, and whether another one may follow."""
    reader = _Reader()
    try:
        while not reader.is_whole:
            data = peer.recv(READ_BYTES)
            if not data:
                raise ConnectionAbortedError("the answer was cut off")
            reader.parser.feed_data(data)
        return Answer(reader.parser.get_status_code(), b"".join(reader.parts)), reader.is_kept_alive
    finally:
        del reader.parser  # they refer to each other, and the garbage collector comes seldom


def _is_readable(idle: socket.socket) -> bool:
    """Return whether an idle connection is readable, which means that the peer closed it."""
    return bool(select.select([idle], [], [], 0)[0])
