"""Write keys: where a request may hold one, for who reads it and for what is kept without it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from functools import cache
from urllib.parse import parse_qsl, urlencode

import msgspec

from tapstack.collector.translation.reading import from_base64
from tapstack.collector.wire_format import Format
from tapstack.errors import InvalidEvent
from tapstack.http import Request, RequestError

KEY_HEADER = "x-write-key"
KEYS_OF_QUERIES = ("writeKey", "write_key", "client_key", "api_key", "api_secret")
_PACKED = "data"  # the field of a query or form that holds JSON in base64


def presented_key(request: Request, spoken: Format, body_bytes_max: int) -> str | None:
    """Return the write key that a request brings: of several, the first in the order of the code."""
    query = dict(request.query)
    said = (
        _of_authorization(request.headers.get("authorization", "")),
        request.headers.get(KEY_HEADER),
        *(query.get(name) for name in KEYS_OF_QUERIES),
    )
    found = next((key for key in said if key), None)
    if found is not None:
        return found
    try:
        return spoken.write_key(request, body_bytes_max)
    except (RequestError, InvalidEvent):  # no body that can be read
        return None


def _of_authorization(header: str) -> str | None:
    """Return the user of Basic, or a Bearer's token; other schemes, such as AWS's signature, say no key."""
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0] or None
    except ValueError:
        return None


def unkeyed(request: Request) -> Request:
    """Return a request whose query has no parameter for a key: formats keep those that they do not know."""
    query = tuple([(name, value) for name, value in request.query if name not in KEYS_OF_QUERIES])
    return request if len(query) == len(request.query) else msgspec.structs.replace(request, query=query)


def query_without_keys(request: Request, spoken: Format) -> Request:
    """Return a request without the write keys of its query."""
    return msgspec.structs.replace(request, query=_pairs_without_keys(request.query, spoken))


def text_without_keys(text: bytes, spoken: Format) -> bytes:
    """Return a body with an empty string in place of each write key; all else stays, byte for byte.

    Parameters
    ----------
    text
        JSON or what should be, such as a part of it, or a form with JSON in its field ``data``.
    spoken
        Its wire format, which names the members that hold keys. They are looked for at any depth: each event
        of a batch may repeat the key.
    """
    if not spoken.KEYS:
        return text
    if not text.startswith(b"data="):
        return _members(spoken.KEYS).sub(rb'\1""', text)
    try:
        pairs = parse_qsl(text.decode(), keep_blank_values=True)
    except ValueError:
        return text
    without = _pairs_without_keys(pairs, spoken)
    return text if without == tuple(pairs) else urlencode(without).encode()


def _pairs_without_keys(pairs: Iterable[tuple[str, str]], spoken: Format) -> tuple[tuple[str, str], ...]:
    names = {*KEYS_OF_QUERIES, *spoken.KEYS}
    return tuple(
        (name, _unpacked_without_keys(value, spoken) if name == _PACKED else value)
        for name, value in pairs
        if name not in names
    )


def _unpacked_without_keys(value: str, spoken: Format) -> str:
    """Return a value that is JSON, perhaps in base64, without its keys."""
    if value.lstrip()[:1] in {"{", "["}:
        return text_without_keys(value.encode(), spoken).decode()
    try:
        text = from_base64(value.strip())
    except InvalidEvent:
        return value
    without = text_without_keys(text, spoken)
    return value if without == text else base64.b64encode(without).decode()


@cache
def _members(names: Sequence[str]) -> re.Pattern[bytes]:
    """Return a pattern of members with a string; letters may be escapes, and the text may end early."""
    spelled = "|".join("".join(rf"(?:{re.escape(c)}|\\u(?i:{ord(c):04x}))" for c in name) for name in names)
    # Possessive, so that no text makes it go back.
    return re.compile(rf'(?s)("(?:{spelled})"\s*+:\s*+)"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'.encode())
