"""HTTP requests and responses as values, used by every stage.

How a load balancer spells them is known to `tapstack.entrypoints.alb` alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import ClassVar

import msgspec

from tapstack.errors import TapstackError

ENCODINGS_MAX = 2  # of one body; each costs as much as the body may have bytes
ECHO_CHARS_MAX = 64  # of what a sender wrote, in a message
INFLATE_BYTES = 4_096  # fed at once: what follows a gzip member is copied, and a body may have many members

HTML = "text/html; charset=utf-8"
# Of a page of ours: nothing may be loaded or run; its style is in it.
PAGE_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ),
    "x-content-type-options": "nosniff",
}

_encoder = msgspec.json.Encoder()


class RequestError(TapstackError):
    """The request cannot be answered as it is; the root of the errors below, never raised itself.

    Parameters
    ----------
    message
        What was expected, in words for the sender.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    headers: Mapping[str, str] = {}

    def response(self) -> Response:
        """Return the response for this error."""
        return error_response(self.status, self.code, str(self), self.headers)


class BadRequest(RequestError):  # noqa: N818 - named as HTTP names it
    """A parameter, a header or the body is not what it must be; the message names it."""

    status = 400
    code = "invalid_request"


class NotFound(RequestError):  # noqa: N818 - likewise
    """Nothing is known under this path."""

    status = 404
    code = "not_found"


class Gone(RequestError):  # noqa: N818 - likewise
    """What a cursor leads to is no longer there; the message says how to begin anew."""

    status = 410
    code = "cursor_expired"


class MethodNotAllowed(RequestError):  # noqa: N818 - likewise
    """The path answers other methods; ``Allow`` must name them (RFC 9110, section 15.5.6).

    Parameters
    ----------
    allowed
        Those.
    """

    status = 405
    code = "method_not_allowed"

    def __init__(self, *allowed: str) -> None:
        super().__init__(f"expected {' or '.join(allowed)}")
        self.allowed = allowed
        self.headers = {"allow": ", ".join(allowed)}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request.

    Parameters
    ----------
    method
        As sent: methods are case-sensitive (RFC 9110, section 9.1).
    path
        Its segments, percent-decoded after splitting, since an id may hold a slash. One trailing slash is
        passed over; the root is one empty segment.
    query
        Names and values in their order, decoded.
    headers
        Names in lower case.
    raw_body
        The body as sent, perhaps compressed.
    """

    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    raw_body: bytes = b""

    def body(self, bytes_max: int) -> bytes:
        """Return the body, decompressed; what begins as gzip does is gzip, though no header says so.

        It costs time and memory in proportion to what was sent and `bytes_max`, whatever it would inflate to.

        Raises
        ------
        BadRequest
            If it is larger than `bytes_max`, or not compressed as its header says.
        """
        body = self.raw_body
        header = self.headers.get("content-encoding")
        encodings = _encodings(header) if header else []
        if not encodings and body[:2] == _GZIP_MAGIC:
            encodings = ["gzip"]
        for encoding in reversed(encodings):  # in the order in which they were applied
            body = _inflate(body, encoding, bytes_max)
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        return body


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response.

    Parameters
    ----------
    status
        ``200..599``.
    headers
        Names in lower case; those that frame the body are the load balancer's.
    body
        As it is sent.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return `value` as JSON."""
    return Response(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=_encoder.encode(value),
    )


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error: always with a code and a message, which SDKs rely on."""
    return json_response(status, {"code": code, "message": message}, headers)


def options_response(methods: Iterable[str]) -> Response:
    """Return the answer to OPTIONS: the methods that a path takes."""
    return Response(status=204, headers={"allow": ", ".join(methods)})


def echo(text: str) -> str:
    """Quote what a sender wrote in a message, cut after `ECHO_CHARS_MAX` characters."""
    return repr(text) if len(text) <= ECHO_CHARS_MAX else f"{text[:ECHO_CHARS_MAX]!r}..."


_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}  # RFC 9110, section 8.4.1


def _encodings(header: str) -> list[str]:
    """Read a list of content codings: names in any case; empty members count for nothing [1]_.

    References
    ----------
    .. [1] RFC 9110, sections 5.6.1 and 8.4
    """
    named = [name for part in header.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if not _CODINGS.keys() >= set(named):  # what was sent is not said: the collector logs this message
        raise BadRequest("content-encoding: expected gzip, deflate or identity")
    if len(named) > ENCODINGS_MAX:
        raise BadRequest(f"content-encoding: expected at most {ENCODINGS_MAX} encodings, got {len(named)}")
    return [_CODINGS[name] for name in named]


def _inflate(data: bytes, encoding: str, bytes_max: int) -> bytes:
    """Decompress `data`; gzip may have several members (RFC 1952, section 2.2)."""
    window_bits = _window_bits(data, encoding)
    inflater = zlib.decompressobj(window_bits)
    inflated = bytearray()
    for start in range(0, len(data), INFLATE_BYTES):
        chunk = data[start : start + INFLATE_BYTES]
        while chunk:
            if inflater.eof:
                if window_bits != _GZIP:
                    raise BadRequest(_NOT_WHOLE)
                inflater = zlib.decompressobj(_GZIP)
            try:
                inflated += inflater.decompress(chunk, bytes_max + 1 - len(inflated))
            except zlib.error:
                raise BadRequest("content-encoding: the body is not compressed as it says") from None
            if len(inflated) > bytes_max:
                raise _too_large(bytes_max)
            chunk = inflater.unused_data
    if not inflater.eof:
        raise BadRequest(_NOT_WHOLE)
    return bytes(inflated)


_GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, section 2.3.1; no text begins so
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's numbers for the format, each with the largest window
_NOT_WHOLE = "content-encoding: expected one whole compressed body"


def _window_bits(data: bytes, encoding: str) -> int:
    """Return the window bits for the format of the first bytes; many senders confuse the names of the two.

    Deflate is zlib's format by RFC 9110, and bare in what some send. A bare stream that begins like zlib's
    header would begin with an uncompressed block whose padding is not zero, which no compressor writes.
    """
    if data[:2] == _GZIP_MAGIC:
        return _GZIP
    if len(data) >= 2 and data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0:
        return _ZLIB
    return _RAW if encoding == "deflate" else _GZIP


def _too_large(bytes_max: int) -> BadRequest:
    return BadRequest(f"expected a body of at most {bytes_max} bytes")
