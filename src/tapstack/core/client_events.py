"""What a sender wrote, read as a `ClientEvent`: normalised where it is not in our spelling.

Its fields, and the words for what is wrong with them, are in `tapstack.core.events`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from tapstack.core.events import (
    EVENT_BYTES_MAX,
    ClientEvent,
    check_fields,
    check_size,
    explained,
    not_json,
)
from tapstack.core.normalisation import are_plain_ids, normalise
from tapstack.core.traits import trait_notes
from tapstack.errors import InvalidEvent

NOTES_MAX = 3  # of an event's
NESTING_MAX = 64  # so that every reader of the record can decode it, however deep its call stack

_client_decoder = msgspec.json.Decoder(ClientEvent)
_json_decoder = msgspec.json.Decoder(dict[str, Any])
# Compiled when it is needed first, which is seldom.
_STRINGS_OUT = rb'(?s)"(?:[^"\\]|\\.)*"?|[^][{}"]+'
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}  # by which a bracket changes the depth
NOT_OPENING = bytes(set(range(256)) - set(b"[{\0"))


class Said(msgspec.Struct, gc=False, frozen=True):
    """A sender's event, and notes on what was changed."""

    event: ClientEvent
    notes: Sequence[str] = ()


def read_client_event(data: bytes | msgspec.Raw) -> Said:
    """Parse what a sender said, and normalise it where it is not in our spelling.

    Raises
    ------
    InvalidEvent
        Naming the first field that is wrong, and what was expected there.
    """
    check_size(data, EVENT_BYTES_MAX)
    text = bytes(data)
    check_nesting(text)
    notes: list[str] = []
    try:
        return checked(_read(text, notes), notes)
    except InvalidEvent as error:
        raise _noted(error, notes) from None


def read_client_object(said: Mapping[str, Any]) -> Said:
    """Parse what a wire format made of a sender's words; see `read_client_event`.

    Parameters
    ----------
    said
        The event's fields as `msgspec.json` decodes them, or times as such.

    Raises
    ------
    InvalidEvent
        Naming the first field that is wrong, and what was expected there.
    """
    notes: list[str] = []
    try:
        return checked(_convert(said, notes), notes)
    except InvalidEvent as error:
        raise _noted(error, notes) from None


def fault_in(fields: Mapping[str, Any]) -> InvalidEvent | None:
    """Return what is wrong with some fields of an event, whatever the others are."""
    try:
        _convert({"event_type": "custom", **fields}, [])
    except InvalidEvent as error:
        return error
    return None


def check_nesting(data: bytes) -> None:
    """Refuse JSON that some reader's call stack may not hold."""
    if nested_too_deep(data):
        raise InvalidEvent("", f"expected at most {NESTING_MAX} levels of nesting")


def checked(event: ClientEvent, notes: Sequence[str]) -> Said:
    """Return what a sender said in an event that the schema's reader took, with notes on how it was read.

    Raises
    ------
    InvalidEvent
        If its fields do not go together.
    """
    check_fields(event)
    if len(event.user_id or "") > 128 or len(event.anonymous_id or "") > 128:
        _check_partition_key(event)
    if event.traits:
        notes = [*notes, *trait_notes(event.traits)]
    return Said(event, tuple(dict.fromkeys(notes))[:NOTES_MAX] if notes else ())


def _noted(error: InvalidEvent, notes: Sequence[str]) -> InvalidEvent:
    """Return the error with the first note: a field that is missing may be there, and count as left out."""
    return InvalidEvent(error.field, "; ".join([error.reason, *notes[:1]]), error.code)


def decode_client_event(data: bytes | msgspec.Raw) -> ClientEvent:
    """Parse what a sender said; see `read_client_event`."""
    return read_client_event(data).event


def ids_of(events: Iterable[ClientEvent]) -> list[str]:
    """Return all ids in events that are opaque to us."""
    ids: list[str] = []  # one by one: neither a tuple of each event's nor what it has not is made
    add = ids.append
    for event in events:
        if event.event_id is not None:
            add(event.event_id)
        if event.user_id is not None:
            add(event.user_id)
        if event.anonymous_id is not None:
            add(event.anonymous_id)
        if event.session_id is not None:
            add(event.session_id)
        if event.recommendation_id is not None:
            add(event.recommendation_id)
        if event.impressions:
            ids += event.impressions
        for item in event.items:
            add(item.item_id)
            if item.list_id is not None:
                add(item.list_id)
    return ids


def _read(data: bytes, notes: list[str]) -> ClientEvent:
    """Read an event as the schema has it; if it is not written so, normalised."""
    strict: msgspec.ValidationError | None = None
    try:
        event = _client_decoder.decode(data)
        if are_plain_ids(ids_of((event,))):
            return event
    except msgspec.ValidationError as error:
        strict = error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error, data) from None
    try:
        return msgspec.convert(normalise(_json_decoder.decode(data), notes), ClientEvent)
    except msgspec.ValidationError as error:
        # A number that is out of range ends the reading of JSON: only the schema's reader knows its field.
        message = strict if strict is not None and "`$[...]" in str(error) else error
        raise explained(str(message)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error, data) from None


def _convert(said: Mapping[str, Any], notes: list[str]) -> ClientEvent:
    """Convert an event's fields; if they are not written as the schema has them, normalised."""
    try:
        event = msgspec.convert(said, ClientEvent)
        if are_plain_ids(ids_of((event,))):
            return event
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.convert(normalise(said, notes), ClientEvent)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None


def _check_partition_key(event: ClientEvent) -> None:
    # Kinesis speaks of 256 Unicode characters and counts as Java does, or one entry spoils a whole call.
    for name in (event.user_id, event.anonymous_id):
        if name is not None and len(name.encode("utf-16-le", "surrogatepass")) > 512:
            raise InvalidEvent("user_id", "user_id and anonymous_id have at most 256 UTF-16 units")


def nested_too_deep(data: bytes) -> bool:
    """Return whether JSON has more than `NESTING_MAX` levels."""
    if data.count(b"[") + data.count(b"{") <= NESTING_MAX:
        return False  # the usual case, at the cost of two scans
    brackets = re.sub(_STRINGS_OUT, b"", data)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > NESTING_MAX
