"""JSON as other programs write it: with halves of emojis, ``NaN``, and bytes that are no UTF-8."""

from __future__ import annotations

import base64
import re
from typing import Any, TypeVar, get_origin

import msgspec

from tapstack.collector.bodies import EVENTS_MAX
from tapstack.collector.translation.fields import Object
from tapstack.core.client_events import check_nesting
from tapstack.core.wording import expectation, malformed, place_of
from tapstack.errors import InvalidEvent
from tapstack.http import BadRequest

T = TypeVar("T")
SHARED_BYTES_MAX = 8 * 1024 * 1024  # twice as much as a call of PutRecords takes
# Possessive, so that no text makes it go back.
_STRING_OR_NONE = rb'(?s)"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?\b(?:NaN|Infinity)\b'
_ESCAPE = (
    rb"(?s)\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def read_json(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Decode JSON; what JSON does not have becomes null, half a character U+FFFD.

    Raises
    ------
    InvalidEvent
        If it is not JSON all the same, or not of the kind.
    """
    try:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(_repaired(bytes(data)), type=kind)
    except msgspec.ValidationError as error:
        if str(error).startswith(("Number out of range", "Integer value out of range")):
            raise InvalidEvent("", "expected numbers that 64 bits hold") from None
        what, field = place_of(str(error))
        if field:
            raise InvalidEvent(field, expectation(what)) from None
        wanted = "array of objects" if get_origin(kind) is list else "object"
        raise InvalidEvent("", f"expected a JSON {wanted}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent("", f"expected JSON: {malformed(error, bytes(data))[0]}") from None


def read_object(data: bytes | msgspec.Raw) -> Object:
    """Decode an event that is one JSON object; raises `InvalidEvent`."""
    check_nesting(bytes(data))
    return read_json(data, dict[str, Any])


def read_container(data: bytes) -> object:
    """Decode an object or an array of anything; raises `InvalidEvent`."""
    check_nesting(data)
    return read_json(data, list[Any] if data.lstrip()[:1] == b"[" else dict[str, Any])


def read_several(data: bytes | msgspec.Raw) -> list[msgspec.Raw]:
    """Decode an array of events; raises `InvalidEvent`."""
    return checked_count(read_json(data, list[msgspec.Raw]))


def read_listed(data: bytes, name: str) -> tuple[Object, list[msgspec.Raw]]:
    """Decode an object that holds events in an array, each still as it was written, and what it says for all.

    Parameters
    ----------
    data
        The object.
    name
        Of the array.

    Returns
    -------
    tuple[Object, list[Raw]]
        The other members, and the events; none if there is no array of this name.

    Raises
    ------
    InvalidEvent
        If it is not such an object, or what it says for all events cannot be read.
    """
    said = read_json(data, dict[str, msgspec.Raw])
    listed = bytes(said.pop(name, b""))
    events = read_several(listed) if listed[:1] == b"[" else []
    return read_object(msgspec.json.encode(said)), events


def checked_count(events: list[T]) -> list[T]:
    """Refuse more events than a request may have."""
    if len(events) > EVENTS_MAX:
        raise InvalidEvent("", f"expected at most {EVENTS_MAX} events, got {len(events)}")
    return events


def shared_bytes(shared: object, events_count: int) -> int:
    """Return how long that is which a request says once for all of its events.

    Raises
    ------
    InvalidEvent
        If the events that carry it would be too long together: a small request must not become a large one.
    """
    size = len(msgspec.json.encode(shared)) if shared else 0
    if size * events_count > SHARED_BYTES_MAX:
        raise InvalidEvent("", f"expected at most {SHARED_BYTES_MAX} bytes of events with what they share")
    return size


def member(data: bytes, *names: str) -> str | None:
    """Return the first string among some members of an object, or of an array's first object.

    If it has none, its ``properties`` are asked. Raises `InvalidEvent` if the text is neither.
    """
    text = data.lstrip()
    several = read_several(text) if text[:1] == b"[" else [msgspec.Raw(text)]
    place = read_json(several[0], dict[str, msgspec.Raw]) if several else {}
    for _ in range(2):
        for name in names:
            if name in place and bytes(place[name])[:1] == b'"':
                return read_json(place[name], str)
        if "properties" not in place or bytes(place["properties"])[:1] != b"{":
            break
        place = read_json(place["properties"], dict[str, msgspec.Raw])
    return None


def refused(error: BadRequest | InvalidEvent) -> list[InvalidEvent]:
    """Return a request that cannot be read as one event that is refused: it is reported and counted."""
    field, reason = (error.field, error.reason) if isinstance(error, InvalidEvent) else ("", str(error))
    return [InvalidEvent(field, reason, "unreadable")]


def from_base64(text: str) -> bytes:
    """Decode base64 in either alphabet, its padding left out or not; raises `InvalidEvent`."""
    try:
        standard = text.replace("-", "+").replace("_", "/").replace(" ", "+").rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError:
        raise InvalidEvent("", "expected base64") from None


def _repaired(data: bytes) -> bytes:
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").encode()
    return re.sub(_STRING_OR_NONE, lambda found: _whole(found[0]), text)


def _whole(text: bytes) -> bytes:
    if text[:1] != b'"':
        return b"null"
    return re.sub(_ESCAPE, lambda found: rb"\ufffd" if found["half"] else found[0], text)
