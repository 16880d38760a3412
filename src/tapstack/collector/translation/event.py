"""The last step of every format: times, ids and items of an event, and what of it does not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

import msgspec

from tapstack.collector.intake import Translated
from tapstack.collector.translation import times
from tapstack.collector.translation.fields import Object
from tapstack.collector.translation.fitting import fit, keep_unread
from tapstack.collector.translation.items import as_id, take_items
from tapstack.core.client_events import NOTES_MAX, Said, fault_in, read_client_object
from tapstack.core.currencies import CURRENCIES
from tapstack.core.events import EVENT_BYTES_MAX, ITEMS_MAX, ITEMS_REQUIRED
from tapstack.core.normalisation import are_plain_ids
from tapstack.errors import InvalidEvent

EVENT_ID_CHARS_MAX = 100  # as the event's schema has it
ID_NUMBERS = ("user_id", "anonymous_id", "session_id")
MADE_UP = "event_id: neither an id nor a time came; a copy of this event will be counted as well"
REPLACED = "it holds U+FFFD, as which bytes that are no UTF-8 are read: ids may be one that were several"
_KNOWN = CURRENCIES | {""}

ReadTime = Callable[[object], datetime | None]


def translate(
    event: Object,
    *,
    protocol: str,
    bytes_said: int,
    read_time: ReadTime = times.iso,
    sent_at: object = None,
) -> Translated | InvalidEvent:
    """Finish an event whose fields have been moved.

    Parameters
    ----------
    event
        Our fields, their values as the sender wrote them; ``properties`` may still hold items and value.
    protocol
        The name of the format.
    bytes_said
        How long the event was, as it came.
    read_time
        How the format writes times.
    sent_at
        When the client sent it, as it wrote that.

    Returns
    -------
    Translated | InvalidEvent
        The event; or why it cannot be one: above all if it has no user.
    """
    if bytes_said > EVENT_BYTES_MAX:
        return InvalidEvent(
            "", f"expected at most {EVENT_BYTES_MAX} bytes, got {bytes_said}", "too_many_bytes"
        )
    notes: list[str] = []
    take_items(event)
    items = event.get("items")
    if isinstance(items, list) and len(items) > ITEMS_MAX:
        return InvalidEvent("items", f"expected at most {ITEMS_MAX} elements")
    for name in ("properties", "context"):
        if event.get(name) == {}:
            del event[name]
    _read_ids(event, notes)
    _read_time(event, read_time, notes)
    keep_unread(event, _odd_currencies(event))
    is_id_derived = _set_event_id(event, notes)
    sent = read_time(sent_at)  # after the id, since it differs when the same event is sent again
    if sent is None and sent_at not in (None, ""):
        keep_unread(event, {"sent_at": sent_at})
    try:
        said = _read(event, notes)
    except InvalidEvent:
        try:
            said = _read(fit(event, notes), notes)
        except InvalidEvent as error:
            return _why(event, error)
    told = tuple(dict.fromkeys([*notes, *said.notes]))[:NOTES_MAX]
    return Translated(
        said=Said(said.event, told),
        bytes_said=bytes_said,
        protocol=protocol,
        sent_at=sent,
        is_id_derived=is_id_derived,
    )


def digest(text: bytes) -> str:
    """Return an id that is the same for the same text."""
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _odd_currencies(event: Object) -> Object:
    """Return the currencies that are counted as ``XXX``, as they were written."""
    items = event.get("items")
    said = {"currency": event.get("currency")}
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and "currency" in item:
            said[f"items[{index}].currency"] = item["currency"]
    return {
        path: code
        for path, code in said.items()
        if isinstance(code, str) and code not in CURRENCIES and code.strip().upper() not in _KNOWN
    }


def _read_ids(event: Object, notes: list[str]) -> None:
    for name in ID_NUMBERS:
        said = event.get(name)
        if type(said) is int:
            event[name] = as_id(said)
        elif isinstance(said, str) and "\ufffd" in said:
            notes.append(f"{name}: {REPLACED}")


def _read_time(event: Object, read_time: ReadTime, notes: list[str]) -> None:
    said = event.pop("occurred_at", None)
    if said is None:
        return
    moment = read_time(said)
    if moment is not None:
        event["occurred_at"] = moment
        return
    notes.append("occurred_at: no time that can be read; kept in properties.unread")
    keep_unread(event, {"occurred_at": said})


def _set_event_id(event: Object, notes: list[str]) -> bool:
    """Give an event an id of 100 characters at most: its own, or one that follows from all it says.

    Without a time two equal events may be two events, so each gets an id of its own. Returns whether the id
    follows from what the event says.
    """
    said = event.pop("event_id", None)
    if isinstance(said, str) and are_plain_ids((said,)):
        event["event_id"] = said if len(said) <= EVENT_ID_CHARS_MAX else digest(said.encode())
    elif type(said) is int:
        event["event_id"] = str(said)
    elif "occurred_at" in event:
        event["event_id"] = digest(msgspec.json.encode([said, event], order="sorted"))
        return True
    else:
        event["event_id"] = str(uuid4())
        notes.append(MADE_UP)
    return False


def _why(event: Object, error: InvalidEvent) -> InvalidEvent:
    """Return why an event is refused: if it lacks a user, what was wrong with the one that it says."""
    if error.field != "user_id":
        return error
    faults = (fault_in({name: event[name]}) for name in ("user_id", "anonymous_id") if name in event)
    return next((fault for fault in faults if fault is not None), error)


def _read(event: Object, notes: list[str]) -> Said:
    kind = event["event_type"]
    if kind in ITEMS_REQUIRED and not event.get("items"):
        notes.append(f"event_type: {kind} needs at least one item; counted as custom")
        event = {**event, "event_type": "custom", "event_name": event.get("event_name") or kind}
    return read_client_object(event)
