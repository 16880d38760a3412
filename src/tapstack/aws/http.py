"""Signed HTTP to AWS: SigV4 by awscrt, AWS's own C runtime; answers read by llhttp.

boto3 would do as well, and costs more than 200 ms of a cold start and many times the CPU of a call. awscrt's
own HTTP client needs a thread that calls back, and leaves Nagle's algorithm on: 45 ms for a request
of 66 KB where this takes 1. Measurements are in docs/decisions/0004-how-dynamodb-is-called.md.
"""

from __future__ import annotations

import ssl
from functools import cache
from io import BytesIO
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

from tapstack.aws.connection import Answer, Connection
from tapstack.errors import Misconfigured, OutcomeUnknown, Unavailable
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
    """

    def __init__(self, service: str, region: str, url: str | None = None) -> None:
        parts = urlsplit(url or f"https://{service}.{region}.{_domain(region)}")
        if parts.hostname is None or parts.scheme not in {"http", "https"}:
            raise ValueError(f"url: expected http(s)://host[:port], got {url!r}")
        self._service = service
        self._region = region
        self._host = parts.netloc
        is_tls = parts.scheme == "https"
        self._connection = Connection(
            parts.hostname,
            parts.port or (443 if is_tls else 80),
            _trusted_authorities() if is_tls else None,
            TIMEOUT_S,
        )
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
        try:
            self._connection.open()
        except OSError as error:
            message = f"{self._service}: cannot connect to {self._host} ({_name(error)})"
            raise Unavailable(message) from None
        try:
            return self._connection.exchange(_head(method, path, signed) + body)
        except OSError as error:
            raise OutcomeUnknown(f"{self._service}: no answer ({_name(error)})") from None

    def _sign(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> HttpHeaders:
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
        return request.headers

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


def _head(method: str, path: str, headers: HttpHeaders) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if any("\n" in line or "\r" in line for line in lines):
        raise Misconfigured("AWS_SESSION_TOKEN", "no header may hold a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


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
