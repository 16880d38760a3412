"""Several events of a sender, read in fewer steps than one by one; what is found is the same."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tapstack.core.client_events import (
    NESTING_MAX,
    NOT_OPENING,
    Said,
    checked,
    ids_of,
    nested_too_deep,
    read_client_event,
)
from tapstack.core.events import EVENT_BYTES_MAX, ClientEvent
from tapstack.core.normalisation import are_plain_ids
from tapstack.errors import InvalidEvent

_decoder = msgspec.json.Decoder(ClientEvent)
_array_decoder = msgspec.json.Decoder(list[ClientEvent])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_client_array(text: bytes) -> list[Said | InvalidEvent] | None:
    """Parse a JSON array of events at once, the usual case.

    Returns
    -------
    list[Said | InvalidEvent] or None
        What `read_client_event` returns or raises of each; None if each has to be read by itself to know.
    """
    if len(text) > EVENT_BYTES_MAX:
        return None
    try:
        events = _array_decoder.decode(text)
    except _UNREADABLE:
        return None
    if not are_plain_ids(ids_of(events)) or _may_be_nested_too_deep(text, events):
        return None
    found: list[Said | InvalidEvent] = []
    for event in events:
        try:
            found.append(checked(event, ()))
        except InvalidEvent as error:
            found.append(error)
    return found


def read_client_events(texts: Sequence[bytes | msgspec.Raw]) -> list[Said | InvalidEvent]:
    """Parse several texts.

    Returns
    -------
    list[Said | InvalidEvent]
        What `read_client_event` returns or raises of each.
    """
    events: Sequence[ClientEvent | None] = [None] * len(texts)
    if max(map(len, texts), default=0) <= EVENT_BYTES_MAX and not _any_nested_too_deep(texts):
        events = _all_as_written(texts)
    are_plain = are_plain_ids(ids_of([event for event in events if event is not None]))
    found: list[Said | InvalidEvent] = []
    for text, event in zip(texts, events, strict=True):
        try:
            if event is not None and (are_plain or are_plain_ids(ids_of((event,)))):
                found.append(checked(event, ()))
            else:
                found.append(read_client_event(text))
        except InvalidEvent as error:
            found.append(error)
    return found


def _all_as_written(texts: Sequence[bytes | msgspec.Raw]) -> Sequence[ClientEvent | None]:
    try:
        return [*map(_decoder.decode, texts)]  # the usual case
    except _UNREADABLE:
        return [*map(_as_written, texts)]


def _as_written(text: bytes | msgspec.Raw) -> ClientEvent | None:
    """Read an event as the schema has it, if it is written so."""
    try:
        return _decoder.decode(text)
    except _UNREADABLE:
        return None


def _may_be_nested_too_deep(text: bytes, events: Sequence[ClientEvent]) -> bool:
    """Return whether there may be an event with too many levels; far more often than there is one.

    Its own level and that of an object that may hold anything are two; every further one takes a bracket
    besides those that the schema opens.
    """
    opened = len(text.translate(None, NOT_OPENING))
    if opened <= NESTING_MAX:
        return False
    of_schema = [
        1
        + (len(event.items) + 1 if event.items else 0)
        + (event.context is not None)
        + (event.properties is not None)
        + (event.traits is not None)
        for event in events
    ]
    return 2 + opened - sum(of_schema, 1) > NESTING_MAX


def _any_nested_too_deep(texts: Sequence[bytes | msgspec.Raw]) -> bool:
    # NUL is nowhere in JSON: a text that has one is refused, wherever it is cut here.
    opened = b"\0".join(texts).translate(None, NOT_OPENING)
    return max(map(len, opened.split(b"\0"))) > NESTING_MAX and any(map(nested_too_deep, map(bytes, texts)))
