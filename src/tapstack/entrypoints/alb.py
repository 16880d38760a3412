"""HTTP as an Application Load Balancer hands it to a Lambda function, and takes it back.

Multi-value headers are off; query values come percent-encoded, as AWS passes them [1]_.

References
----------
.. [1] https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html,
   read 2026-11-23
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

import msgspec

from tapstack.errors import InvalidEvent

_encoder = msgspec.json.Encoder()


class Request(msgspec.Struct, frozen=True):
    """A request.

    Parameters
    ----------
    method
        In capitals.
    path
        Segments between slashes, percent-decoded after splitting: an id may hold a slash.
    query
        The last value of each parameter, decoded.
    headers
        Names in lower case.
    raw_body
        The body as sent, perhaps compressed.
    """

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw_body: bytes

    def body(self, bytes_max: int) -> bytes:
        """Tell the body, decompressed.

        Raises
        ------
        InvalidEvent
            If it is larger than `bytes_max`, or not compressed as its header says.
        """
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding == "identity":
            body = self.raw_body
        elif encoding in {"gzip", "deflate"}:
            body = _decompress(self.raw_body, bytes_max)
        else:
            raise InvalidEvent("content-encoding", f"expected gzip, deflate or identity, got {encoding!r}")
        if len(body) > bytes_max:
            raise InvalidEvent("", f"expected a body of at most {bytes_max} bytes")
        return body


def _decompress(data: bytes, bytes_max: int) -> bytes:
    opened = zlib.decompressobj(47)  # 32 + 15: a zlib or a gzip header, whichever is there
    try:
        body = opened.decompress(data, bytes_max + 1)
    except zlib.error:
        raise InvalidEvent("content-encoding", "the body is not compressed as it says") from None
    if len(body) <= bytes_max and (not opened.eof or opened.unused_data):
        # Cut off, or followed by what would be left out and yet be acknowledged.
        raise InvalidEvent("content-encoding", "expected one whole compressed body")
    return body


def read_request(event: Mapping[str, Any]) -> Request:
    """Read the load balancer's event."""
    body = event.get("body") or ""
    return Request(
        method=event["httpMethod"],
        path=tuple(unquote(part) for part in event["path"].strip("/").split("/")),
        query={
            unquote_plus(name): unquote_plus(value)
            for name, value in (event.get("queryStringParameters") or {}).items()
        },
        headers=event.get("headers") or {},
        raw_body=_unwrap(body) if event.get("isBase64Encoded") else body.encode(),
    )


def answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Make the answer the load balancer takes: JSON."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": _encoder.encode(body).decode(),
        "isBase64Encoded": False,
    }


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Make an error answer: always with a code and a message, which SDKs rely on."""
    return answer(status, {"code": code, "message": message}, headers)


def _unwrap(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise InvalidEvent("", "the body is not base64") from None
