"""From a request's body to its events, each still as the sender wrote it."""

from __future__ import annotations

import re
from itertools import accumulate

import msgspec

from tapstack.core.wording import malformed
from tapstack.errors import InvalidEvent

EVENTS_MAX = 2_500  # of one request
NO_BATCH = "expected a JSON object, an array of objects, or one object a line"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which a parser may ignore: RFC 8259, section 8.1
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_SPACE = b" \t\r\n"
# Possessive, so that no text makes it go back.
_STRING = rb'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_CLOSED_BY = {b"[": b"]", b"{": b"}"}
_COMMA = ord(",")
_STEPS = {byte: (byte in b"[{") - (byte in b"]}") for byte in range(256)}  # by which a byte changes the depth


def split(body: bytes) -> list[msgspec.Raw]:
    """Split a body into its events: a JSON array of them, one object, or one object a line.

    An event that is no JSON is split off like any other, so that it alone is refused: what
    JavaScript makes of half an emoji, for one, is an escape that JSON readers do not take.

    Raises
    ------
    InvalidEvent
        If the body is none of these; nothing of it was taken.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK).strip(_SPACE)
    if not text:
        raise InvalidEvent("", f"{NO_BATCH}; the body is empty")
    events = _array(body, text) if text[:1] == b"[" else _object_or_lines(body, text)
    if not events:
        raise InvalidEvent("", "expected at least one event")
    if len(events) > EVENTS_MAX:
        raise InvalidEvent("", f"expected at most {EVENTS_MAX} events, got {len(events)}")
    return events


def _array(body: bytes, text: bytes) -> list[msgspec.Raw]:
    try:
        return _decode_array(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        parts = _cut(text)
        if parts is None or not all(parts):  # an empty part: a comma too many
            raise _no_batch(error, body, text) from None
        return [msgspec.Raw(part) for part in parts]


def _object_or_lines(body: bytes, text: bytes) -> list[msgspec.Raw]:
    try:
        return [msgspec.json.decode(text, type=msgspec.Raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _cut(text) is not None:  # one object, though it is no JSON
            return [msgspec.Raw(text)]
        lines = [line.removeprefix(_BYTE_ORDER_MARK).strip(_SPACE) for line in text.split(b"\n")]
        lines = [line for line in lines if line]
        if not any(map(_is_object, lines[:EVENTS_MAX])):
            raise _no_batch(error, body, text) from None
        return [msgspec.Raw(line) for line in lines]


def _is_object(line: bytes) -> bool:
    try:
        return line[:1] == b"{" and bool(msgspec.json.decode(line, type=msgspec.Raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _cut(text: bytes) -> list[bytes] | None:
    """Cut at its own commas what one pair of brackets holds, by brackets and strings alone.

    The parts may be anything: each is parsed strictly by itself later, and only the bad ones are refused.
    Returns None if the text is not one pair of brackets and what it holds.
    """
    if text[-1:] != _CLOSED_BY.get(text[:1]):
        return None
    bare = re.sub(_STRING, lambda string: b"_" * len(string[0]), text)
    depths = list(accumulate(map(_STEPS.__getitem__, bare)))
    if b'"' in bare or depths.pop() or min(depths) < 1:  # a string without end; brackets that do not match
        return None
    commas = [at for at, byte in enumerate(bare) if byte == _COMMA and depths[at] == 1]
    return [
        text[start + 1 : end].strip(_SPACE)
        for start, end in zip([0, *commas], [*commas, len(text) - 1], strict=True)
    ]


def _no_batch(error: Exception, body: bytes, text: bytes) -> InvalidEvent:
    """Return what is wrong with a body, and where."""
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return InvalidEvent("", f"{NO_BATCH}; the body is UTF-16, not UTF-8")
    if body[:2] == b"\x1f\x8b":
        return InvalidEvent("", f"{NO_BATCH}; the body is compressed once more than Content-Encoding says")
    if re.match(rb"[A-Za-z0-9_.%+\[\]-]+=", text):
        return InvalidEvent("", f"{NO_BATCH}; the body looks like a form (name=value)")
    what, byte = malformed(error, text)
    if byte is None:
        return InvalidEvent("", f"{NO_BATCH}; {what}")
    byte += body.index(text)
    before = body[:byte].removeprefix(_BYTE_ORDER_MARK)
    line, column = (
        before.count(b"\n") + 1,
        len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1,
    )
    return InvalidEvent("", f"{NO_BATCH}; line {line}, column {column} (byte {byte}): {what}")
