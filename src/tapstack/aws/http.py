"""Signed HTTP to AWS on AWS's own C runtime: SigV4, TLS and connections are awscrt's.

boto3 would do as well and costs 350 ms of a cold start and five times the CPU of a call; measurements
in docs/decisions/0004-how-dynamodb-is-called.md.
"""

from __future__ import annotations

import threading
from concurrent.futures import TimeoutError as FutureTimeout
from io import BytesIO
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignedBodyHeaderType,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.exceptions import AwsCrtError
from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest
from awscrt.io import (
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    TlsContextOptions,
)

from tapstack.errors import OutcomeUnknown, Unavailable
from tapstack.ports import AwsError

CONNECT_TIMEOUT_S = 3.0
# One call at most; the slowest transaction AWS documents is far below it, and the caller's
# patience keeps as much in reserve.
ANSWER_TIMEOUT_S = 5.0


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    body: bytes


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
    """

    def __init__(self, service: str, region: str, url: str | None = None) -> None:
        parts = urlsplit(url or f"https://{service}.{region}.{_domain(region)}")
        if parts.hostname is None:
            raise ValueError(f"url: expected http(s)://host[:port], got {url!r}")
        self._service = service
        self._region = region
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._host_header = parts.netloc
        self._connection: HttpClientConnection | None = None
        self._runtime = _runtime()

    def send(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """Send one request and wait for its answer; no retries.

        Raises
        ------
        Unavailable
            If no connection could be made: nothing was sent.
        OutcomeUnknown
            If the connection ended, or time was up, before the whole answer came.
        """
        request = HttpRequest(
            method,
            path,
            HttpHeaders([("Host", self._host_header), ("Content-Length", str(len(body))), *headers]),
            BytesIO(body),
        )
        aws_sign_request(request, self._signing()).result(CONNECT_TIMEOUT_S)
        connection = self._connect()
        exchange = _Exchange()
        try:
            stream = connection.request(request, exchange.on_response, exchange.on_body)
            stream.activate()
            status = stream.completion_future.result(ANSWER_TIMEOUT_S)
        except (AwsCrtError, FutureTimeout) as error:
            self._drop()
            raise OutcomeUnknown(f"{self._service}: no answer ({_name(error)})") from None
        if not connection.is_open():
            self._connection = None
        return Answer(status, b"".join(exchange.chunks))

    def _connect(self) -> HttpClientConnection:
        if self._connection is not None and self._connection.is_open():
            return self._connection
        tls = None
        if self._secure:
            tls = self._runtime.tls.new_connection_options()
            tls.set_server_name(self._host)
        try:
            opening = HttpClientConnection.new(self._host, self._port, self._runtime.bootstrap, None, tls)
            self._connection = opening.result(CONNECT_TIMEOUT_S)
        except (AwsCrtError, FutureTimeout) as error:
            raise Unavailable(
                f"{self._service}: cannot connect to {self._host_header} ({_name(error)})"
            ) from None
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _signing(self) -> AwsSigningConfig:
        is_s3 = self._service == "s3"
        return AwsSigningConfig(
            credentials_provider=self._runtime.credentials,
            region=self._region,
            service=self._service,
            # S3 takes paths as they are and wants the body's hash in a header.
            # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, read 2026-11-23
            use_double_uri_encode=not is_s3,
            should_normalize_uri_path=not is_s3,
            signed_body_header_type=(
                AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256 if is_s3 else AwsSignedBodyHeaderType.NONE
            ),
        )


def _domain(region: str) -> str:
    """Tell the DNS suffix of a region's partition."""
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
        headers = [("Content-Type", self._content_type), ("X-Amz-Target", f"{self._target}.{operation}")]
        answer = self._endpoint.send("POST", "/", headers, body)
        if answer.status == 200:
            return answer.body
        raise _error(answer)


class _Fault(msgspec.Struct):
    type_: str = msgspec.field(default="", name="__type")
    message: str = ""
    Message: str = ""


def _error(answer: Answer) -> AwsError:
    try:
        fault = msgspec.json.decode(answer.body, type=_Fault)
    except msgspec.DecodeError:
        fault = _Fault()
    code = fault.type_.rpartition("#")[2] or f"Http{answer.status}"
    return AwsError(code, fault.message or fault.Message, status=answer.status, body=answer.body)


class _Exchange:
    """Collects one response; awscrt calls back from its own thread."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def on_response(self, **_: object) -> None:
        """Ignore the headers: the status comes with the end of the stream."""

    def on_body(self, *, chunk: bytes, **_: object) -> None:
        """Keep a part of the body."""
        self.chunks.append(bytes(chunk))


class _Runtime(NamedTuple):
    bootstrap: ClientBootstrap
    tls: ClientTlsContext
    credentials: AwsCredentialsProvider


_shared: list[_Runtime] = []
_shared_lock = threading.Lock()


def _runtime() -> _Runtime:
    """Start awscrt's event loop, once a process: a thread of its own that idles between calls."""
    with _shared_lock:
        if not _shared:
            group = EventLoopGroup(1)
            bootstrap = ClientBootstrap(group, DefaultHostResolver(group))
            credentials = AwsCredentialsProvider.new_default_chain(bootstrap)
            _shared.append(_Runtime(bootstrap, ClientTlsContext(TlsContextOptions()), credentials))
    return _shared[0]


def _name(error: Exception) -> str:
    return getattr(error, "name", "") or type(error).__name__
