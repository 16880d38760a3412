"""The in-memory services behind a real HTTP server, so that entry points run as they are in Lambda."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tapstack.ports import AwsApi, AwsError


class LocalAws:
    """Services by the first word of ``X-Amz-Target``; S3 is whatever is PUT.

    Attributes
    ----------
    objects
        What was PUT, by path.
    takes_objects
        Whether a PUT succeeds.
    url
        Where it listens.
    """

    def __init__(self, services: Mapping[str, AwsApi]) -> None:
        self.services = dict(services)
        self.objects: dict[str, bytes] = {}
        self.takes_objects = True
        self.url = ""


@contextmanager
def serving(aws: LocalAws) -> Iterator[LocalAws]:
    """Serve on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together: the peer's delayed acknowledgement takes 40 ms

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            target, _, operation = self.headers["x-amz-target"].partition(".")
            try:
                self._answer(200, aws.services[target.partition("_")[0]].call(operation, body))
            except AwsError as error:
                self._answer(error.status, error.body)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if aws.takes_objects:
                aws.objects[self.path] = body
            self._answer(200 if aws.takes_objects else 503, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        aws.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield aws
        finally:
            server.shutdown()
            thread.join()
