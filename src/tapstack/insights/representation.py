"""An answer as its reader takes it: 304 if the reader has it already, else compressed if asked for."""

from __future__ import annotations

import re
import zlib
from hashlib import blake2b

import msgspec

from tapstack.http import Request, Response

GZIP_BYTES_MIN = 1_024  # what is shorter fits a packet or two as it is
GZIP_LEVEL = 1  # the highest saves a tenth of the bytes for five times the time
VARY = "accept-encoding, authorization, x-api-key"

# RFC 9110, section 15.4.5, and what tells of the request itself.
_KEPT_OF_304 = frozenset({"etag", "cache-control", "vary", "x-request-id", "server-timing"})
_GZIP = 31  # zlib's number for the format, with the largest window
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
_ZERO = re.compile(r"\s*q=0(?:\.0*)?\s*")


def entity_tag(body: bytes) -> str:
    """Return a weak tag: gzip or not, and whatever `as_of` says, the answer is the same."""
    return f'W/"{blake2b(body, digest_size=12).hexdigest()}"'


def represent(request: Request, response: Response) -> Response:
    """Return a response in the representation that a request asks for.

    Parameters
    ----------
    request
        Its ``If-None-Match`` and ``Accept-Encoding`` count. Without the latter nothing is compressed, though
        RFC 9110 would allow it: boto3 asks for ``identity``, and simple clients for nothing.
    response
        An answer or an error; with an ``etag`` it may become 304.
    """
    headers = {**response.headers, "vary": VARY}
    if response.status == 200 and _has(request.headers.get("if-none-match", ""), headers.get("etag")):
        kept = {name: value for name, value in headers.items() if name in _KEPT_OF_304}
        return Response(status=304, headers=kept)
    if len(response.body) < GZIP_BYTES_MIN or not _takes_gzip(request.headers.get("accept-encoding", "")):
        return msgspec.structs.replace(response, headers=headers)
    packed = zlib.compress(response.body, GZIP_LEVEL, wbits=_GZIP)
    return Response(status=response.status, headers={**headers, "content-encoding": "gzip"}, body=packed)


def _has(if_none_match: str, etag: str | None) -> bool:
    """Return whether a reader has the answer with this tag; compared weakly (RFC 9110, section 13.1.2)."""
    if etag is None:
        return False
    return if_none_match.strip() == "*" or etag.removeprefix("W/") in _ENTITY_TAG.findall(if_none_match)


def _takes_gzip(accept_encoding: str) -> bool:
    """Return whether gzip is listed and not refused by a weight of 0 (RFC 9110, section 12.5.3)."""
    takes: dict[str, bool] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, weight = part.partition(";")
        takes[coding.strip()] = not _ZERO.fullmatch(weight)
    return takes.get("gzip", takes.get("x-gzip", takes.get("*", False)))
