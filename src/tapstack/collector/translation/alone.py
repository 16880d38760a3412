"""The events of a request, each in a body of its own, which the same path takes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from tapstack.collector.translation.reading import SHARED_BYTES_MAX, read_json
from tapstack.http import Request


def each_alone(body: bytes, name: str, also: Mapping[str, str] | None = None) -> list[bytes]:
    """Return the object that a body is once for each element of an array in it, with this element alone.

    Parameters
    ----------
    body
        The body.
    name
        Of the array.
    also
        What else each object is to say, unless it says it itself.

    Returns
    -------
    list[bytes]
        Empty if what stands once in the request would be too much when it stands beside each event.

    Raises
    ------
    InvalidEvent
        If the body is no such object.
    """
    said = read_json(body, dict[str, msgspec.Raw])
    events = read_json(said.pop(name, msgspec.Raw(b"[]")), list[msgspec.Raw])
    shared = {**{key: msgspec.Raw(msgspec.json.encode(value)) for key, value in (also or {}).items()}, **said}
    shared_bytes = sum(len(key) + len(value) for key, value in shared.items())
    if shared_bytes * len(events) > SHARED_BYTES_MAX:
        return []
    return [msgspec.json.encode({**shared, name: [event]}) for event in events]


def query_alone(request: Request) -> list[bytes]:
    """Return the query of a request that is one event; nothing if it is empty."""
    return [urlencode(request.query).encode()] if request.query else []
