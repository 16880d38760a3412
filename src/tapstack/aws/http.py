"""Signed HTTP to AWS, a request at a time.

boto3 would do as well, and costs more than 200 ms of a cold start and many times the CPU of a call.
Measurements are in docs/decisions/0004-how-dynamodb-is-called.md.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from functools import cache, lru_cache
from urllib.parse import urlsplit

import msgspec

from tapstack.aws.connection import Answer, Connection
from tapstack.aws.signing import Headers, Scope, credentials, sign
from tapstack.errors import OutcomeUnknown, Unavailable
from tapstack.ports import AwsError

# Of connecting, and of each wait for bytes; far above the slowest transaction that AWS documents. A peer that
# drips its answer outlasts it, and the invocation with it: then Lambda ends it, and the records come again.
TIMEOUT_S = 3.0


class Endpoint:
    """One service at one address, over one kept-alive connection.

    Parameters
    ----------
    service
        The signing name: ``dynamodb``, ``kinesis`` or ``s3``.
    region
        The AWS region.
    url
        Address other than AWS's own, such as an emulator's or an interface endpoint's.
    timeout_s
        Of connecting, and of each wait for bytes.
    """

    def __init__(
        self, service: str, region: str, url: str | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        parts = urlsplit(url or f"https://{service}.{region}.{_domain(region)}")
        if parts.hostname is None or parts.scheme not in {"http", "https"}:
            raise ValueError(f"url: expected http(s)://host[:port], got {url!r}")
        self._service = service
        self._scope = Scope(region, service)
        self._host = parts.netloc
        is_tls = parts.scheme == "https"
        self._connection = Connection(
            parts.hostname,
            parts.port or (443 if is_tls else 80),
            _trusted_authorities() if is_tls else None,
            timeout_s,
        )

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        """Send one request and wait for its answer; no retries.

        Parameters
        ----------
        method, target, headers, body
            The request; see `tapstack.aws.signing.sign` for how the target is written.

        Raises
        ------
        Misconfigured
            If the environment has no credentials: nothing was sent.
        Unavailable
            If no connection could be made: nothing was sent.
        OutcomeUnknown
            If the connection ended, or time was up, before the whole answer came.
        """
        return self.start(method, target, headers, body)()

    def start(self, method: str, target: str, headers: Headers, body: bytes) -> Callable[[], Answer]:
        """Send one request; return what waits for its answer, which is to be taken before the next request.

        Both raise what `send` does. So requests over several connections can be on their way together.
        """
        at = _written(int(time.time()))
        to_sign = [("Host", self._host), *headers]
        signed = sign(method, target, to_sign, body, credentials(), self._scope, at)
        try:
            self._connection.open()
        except OSError as error:
            message = f"{self._service}: cannot connect to {self._host} ({type(error).__name__})"
            raise Unavailable(message) from None
        try:
            self._connection.send(_head(method, target, signed, len(body)) + body)
        except OSError as error:
            raise self._no_answer(error) from None
        return self._receive

    def _receive(self) -> Answer:
        try:
            return self._connection.receive()
        except OSError as error:
            raise self._no_answer(error) from None

    def _no_answer(self, error: OSError) -> OutcomeUnknown:
        return OutcomeUnknown(f"{self._service}: no answer ({type(error).__name__})")


@lru_cache(maxsize=1)  # several calls are made in a second, or none
def _written(at_s: int) -> str:
    """Return a time as signatures have it."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_s))


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """Read the system's certificates once for all endpoints: a quarter of the consumer's import."""
    return ssl.create_default_context()


def _head(method: str, target: str, headers: Headers, length: int) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return f"{method} {target} HTTP/1.1\r\n{lines}Content-Length: {length}\r\n\r\n".encode()


def _domain(region: str) -> str:
    """Return the DNS suffix of a region's partition."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


class JsonApi:
    """A service that speaks AWS JSON, as `tapstack.ports.AwsApi`.

    Parameters
    ----------
    endpoint
        Where it is.
    target
        What precedes the operation in ``X-Amz-Target``.
    version
        The protocol's version: 1.0 for DynamoDB, 1.1 for Kinesis.
    """

    def __init__(self, endpoint: Endpoint, target: str, version: str) -> None:
        self._endpoint = endpoint
        self._target = target
        self._content_type = f"application/x-amz-json-{version}"

    def call(self, operation: str, body: bytes) -> bytes:
        """Call one operation, once; see `tapstack.ports.AwsApi.call`."""
        return self.start(operation, body)()

    def start(self, operation: str, body: bytes) -> Callable[[], bytes]:
        """Send one call; return what waits for its answer, as `Endpoint.start` does. Both raise as `call`."""
        headers = [("Content-Type", self._content_type), ("X-Amz-Target", f"{self._target}.{operation}")]
        receive = self._endpoint.start("POST", "/", headers, body)

        def answer() -> bytes:
            received = receive()
            if received.status == 200:
                return received.body
            raise _error(received)

        return answer


class _Fault(msgspec.Struct):
    type_: str = msgspec.field(default="", name="__type")
    message: str | None = None
    Message: str | None = None


def _error(answer: Answer) -> AwsError:
    try:
        fault = msgspec.json.decode(answer.body, type=_Fault)
    except (msgspec.DecodeError, UnicodeDecodeError):
        fault = _Fault()
    code = fault.type_.rpartition("#")[2] or f"Http{answer.status}"
    return AwsError(code, fault.message or fault.Message or "", status=answer.status, body=answer.body)
