"""What an Application Load Balancer makes of a request for a Lambda function, and of its response.

Source, unless a comment names another: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/
lambda-functions.html, read 2026-11-23. Multi-value headers are off.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import msgspec

# "The maximum size of the request body that you can send to a Lambda function is 1 MB", and of "the
# response JSON that the Lambda function can send". Which megabyte is not said; the larger one is taken.
REQUEST_BODY_BYTES_MAX = 1024 * 1024
RESPONSE_JSON_BYTES_MAX = 1024 * 1024
# "Entire response header: 32 K", load-balancer-limits.html, read 2026-11-29
RESPONSE_HEADERS_BYTES_MAX = 32 * 1024

_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})
# The load balancer frames the response itself.
_FRAMING = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_encode = msgspec.json.Encoder().encode


class MalformedResponseError(ValueError):
    """The function's response cannot be made into HTTP: 502."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where a request came from and where it arrived.

    Parameters
    ----------
    address
        The client's IP address.
    port
        The listener's port.
    protocol
        ``http`` or ``https``.
    trace_id
        A fresh trace identifier, ``1-...``.
    """

    address: str
    port: int
    protocol: str
    trace_id: str


def encode_event(
    *,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    client: Client,
    target_group_arn: str,
) -> bytes:
    """Make the event a Lambda function gets.

    Parameters
    ----------
    method
        The HTTP method.
    target
        Path and query exactly as they stood in the request line; bytes outside ASCII, which do not belong
        there, are percent-encoded.
    headers
        In their order; of several with the same name the last one counts. Bytes that are no UTF-8 stand as
        surrogates (PEP 383) and become the characters that Latin-1 has for them: what AWS does is not
        documented, and a browser's odd header must not cost an event.
    body
        As it came, ``0..REQUEST_BODY_BYTES_MAX`` bytes.
    client
        Goes into the ``x-forwarded-`` headers.
    target_group_arn
        Goes into the request's context.

    Returns
    -------
    bytes
        The event, JSON.
    """
    path, _, query = _ascii(target).partition("?")
    lowered = _forward({name.lower(): _readable(value) for name, value in headers}, client)
    text = _as_text(body, lowered)
    return _encode(
        {
            "requestContext": {"elb": {"targetGroupArn": target_group_arn}},
            "httpMethod": method,
            "path": path,
            "queryStringParameters": _parameters(query),
            "headers": lowered,
            "body": base64.b64encode(body).decode() if text is None else text,
            "isBase64Encoded": text is None,
        }
    )


def _ascii(target: str) -> str:
    return target if target.isascii() else quote(target.encode("utf-8", "surrogateescape"), safe=_PRINTABLE)


def _readable(value: str) -> str:
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _forward(headers: dict[str, str], client: Client) -> dict[str, str]:
    """Add what the load balancer adds.

    ``x-forwarded-for`` is appended to (the default of routing.http.xff_header_processing.mode), a trace
    of the client's own keeps its root (load-balancer-request-tracing.html).
    """
    came_by = headers.get("x-forwarded-for")
    trace = headers.get("x-amzn-trace-id")
    headers["x-forwarded-for"] = f"{came_by}, {client.address}" if came_by else client.address
    headers["x-forwarded-port"] = str(client.port)
    headers["x-forwarded-proto"] = client.protocol
    headers["x-amzn-trace-id"] = (
        f"Self={client.trace_id};{trace}" if trace and "Root=" in trace else f"Root={client.trace_id}"
    )
    return headers


def _parameters(query: str) -> dict[str, str]:
    """Split a query; names and values stay percent-encoded, the last value of a name wins."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return {name: value for name, _, value in pairs}


def _as_text(body: bytes, headers: Mapping[str, str]) -> str | None:
    """Return the body as text if it is passed as such, None if it is passed in base64."""
    if not body:
        return ""
    if "content-encoding" in headers:
        return None
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _TEXT_TYPES and not media_type.startswith("text/"):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None  # what AWS does with text that is not UTF-8 is not documented; so nothing is lost


class _Response(msgspec.Struct):
    statusCode: int  # noqa: N815 - AWS's spelling, on the wire
    statusDescription: str | None = None  # noqa: N815
    headers: dict[str, str] | None = None
    body: str | None = None
    isBase64Encoded: bool | None = None  # noqa: N815


_decode = msgspec.json.Decoder(_Response).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP response to the client.

    Parameters
    ----------
    status
        ``100..599``.
    reason
        The reason phrase.
    headers
        Without those that frame the body.
    body
        The body.
    length
        What the function's ``content-length`` said, if anything: of HEAD, how long the body left out is (RFC
        9110, section 8.6). What AWS makes of it is not documented.
    """

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes
    length: int | None = None


def decode_response(payload: bytes) -> Answer:
    """Read a function's response.

    Parameters
    ----------
    payload
        What the function returned, JSON.

    Returns
    -------
    Answer
        What the client gets.

    Raises
    ------
    MalformedResponseError
        If it is too large, or not of the documented shape.
    """
    if len(payload) > RESPONSE_JSON_BYTES_MAX:
        raise MalformedResponseError(
            f"the response has {len(payload)} bytes, at most {RESPONSE_JSON_BYTES_MAX} pass"
        )
    try:
        response = _decode(payload)
        text = response.body or ""
        body = base64.b64decode(text, validate=True) if response.isBase64Encoded else text.encode()
    except (msgspec.DecodeError, binascii.Error) as error:
        raise MalformedResponseError(str(error)) from None
    if not 100 <= response.statusCode <= 599:
        raise MalformedResponseError(f"statusCode {response.statusCode}")
    given = response.headers or {}
    headers = {name: value for name, value in given.items() if name.lower() not in _FRAMING}
    lengths = [value for name, value in given.items() if name.lower() == "content-length"]
    if (
        sum(len(name.encode() + value.encode()) for name, value in headers.items())
        > RESPONSE_HEADERS_BYTES_MAX
    ):
        raise MalformedResponseError(f"the headers have more than {RESPONSE_HEADERS_BYTES_MAX} bytes")
    if any(character in name + value for name, value in headers.items() for character in "\r\n\0"):
        raise MalformedResponseError("a header holds a line break")
    return Answer(
        status=response.statusCode,
        reason=_reason(response.statusCode, response.statusDescription),
        headers=headers,
        body=body,
        length=int(lengths[-1]) if lengths and lengths[-1].isdecimal() else None,
    )


def error_page(status: int) -> Answer:
    """Make the page the load balancer itself answers with."""
    reason = _reason(status, None)
    body = (
        f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {reason}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status=status, reason=reason, headers={"Content-Type": "text/html"}, body=body.encode())


def _reason(status: int, description: str | None) -> str:
    """Take the phrase of a ``statusDescription`` such as ``200 OK``, or the standard one."""
    if description and "\n" not in description and "\r" not in description:
        return description.removeprefix(str(status)).strip()
    # nginx's word, which the load balancer's own 413 uses, where Python 3.13 has "Content Too Large".
    known = {413: "Request Entity Too Large", 414: "Request-URI Too Large", 504: "Gateway Time-out"}
    return known.get(status) or (HTTPStatus(status).phrase if status in _STATUSES else "")


_STATUSES = frozenset(int(status) for status in HTTPStatus)
