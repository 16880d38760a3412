"""A peer that does what the test says, over a real socket, and an endpoint that talks to it."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from tapstack.aws.connection import Answer
from tapstack.aws.http import Endpoint, JsonApi

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
