"""Signed HTTP to AWS: SigV4 by awscrt, AWS's own C runtime; connections by the standard library.

boto3 would do as well, and costs more than 200 ms of a cold start and many times the CPU of a call. awscrt's
own HTTP client needs a thread that calls back, and leaves Nagle's algorithm on: 45 ms for a request
of 66 KB where this takes 1. Measurements are in docs/decisions/0004-how-dynamodb-is-called.md.
"""

from __future__ import annotations

import select
import ssl
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BytesIO
from socket import socket as Socket  # noqa: N812 - a class, named as one
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
from awscrt.http import HttpHeaders, HttpRequest

from tapstack.errors import Misconfigured, OutcomeUnknown, Unavailable
from tapstack.ports import AwsError

# Of connecting, and of each wait for bytes; far above the slowest transaction that AWS documents. A peer that
# drips its answer outlasts it, and the invocation with it: then Lambda ends it, and the records come again.
TIMEOUT_S = 3.0


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
        if parts.hostname is None or parts.scheme not in {"http", "https"}:
            raise ValueError(f"url: expected http(s)://host[:port], got {url!r}")
        self._service = service
        self._region = region
        self._host = parts.netloc
        self._connection: HTTPConnection
        if parts.scheme == "https":
            self._connection = HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_S, context=_trusted_authorities()
            )
        else:
            self._connection = HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._credentials = AwsCredentialsProvider.new_environment()

    def send(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """Send one request and wait for its answer; no retries.

        Raises
        ------
        Unavailable
            If no connection could be made: nothing was sent.
        OutcomeUnknown
            If the connection ended, or time was up, before the whole answer came.
        """
        signed = self._sign(method, path, headers, body)
        self._connect()
        try:
            self._connection.request(method, path, body, signed)
            return _read(self._connection.getresponse())
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise OutcomeUnknown(f"{self._service}: no answer ({_name(error)})") from None

    def _connect(self) -> None:
        """Open the connection; anew if the peer closed it while it was idle, as every server does."""
        socket = self._connection.sock
        if socket is not None and _is_readable(socket):
            self._connection.close()
            socket = None
        if socket is None:
            try:
                self._connection.connect()
            except OSError as error:
                self._connection.close()
                message = f"{self._service}: cannot connect to {self._host} ({_name(error)})"
                raise Unavailable(message) from None

    def _sign(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> dict[str, str]:
        length = ("Content-Length", str(len(body)))
        request = HttpRequest(
            method, path, HttpHeaders([("Host", self._host), length, *headers]), BytesIO(body)
        )
        try:
            aws_sign_request(request, self._signing()).result(TIMEOUT_S)
        except AwsCrtError as error:
            raise Misconfigured(
                "AWS_ACCESS_KEY_ID", f"credentials are expected in the environment ({_name(error)})"
            ) from None
        return dict(request.headers)

    def _signing(self) -> AwsSigningConfig:
        is_s3 = self._service == "s3"
        return AwsSigningConfig(
            credentials_provider=self._credentials,
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


@cache
def _trusted_authorities() -> ssl.SSLContext:
    """Read the system's certificates once for all endpoints: a fifth of the consumer's import."""
    return ssl.create_default_context()


def _read(response: HTTPResponse) -> Answer:
    if response.length is None and not response.chunked:
        # Cut off in its headers, which http.client takes for their end.
        raise HTTPException("an answer of no length")
    return Answer(response.status, response.read())


def _is_readable(socket: Socket) -> bool:
    """Tell whether an idle connection has something to say: only that it is over."""
    return bool(select.select([socket], [], [], 0)[0])


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
    message: str | None = None
    Message: str | None = None


def _error(answer: Answer) -> AwsError:
    try:
        fault = msgspec.json.decode(answer.body, type=_Fault)
    except (msgspec.DecodeError, UnicodeDecodeError):
        fault = _Fault()
    code = fault.type_.rpartition("#")[2] or f"Http{answer.status}"
    return AwsError(code, fault.message or fault.Message or "", status=answer.status, body=answer.body)


def _name(error: Exception) -> str:
    return getattr(error, "name", "") or type(error).__name__
