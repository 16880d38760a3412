"""Rows that JSON nests: GA4's event parameters, Segment's properties, the events of OTTO's sessions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tapstack.core.events import EVENT_TYPES, ClientEvent
from tapstack_local.recording.cells import is_null
from tapstack_local.recording.event_types import squashed

WHOLE = frozenset(ClientEvent.__struct_fields__)
# A row could not say these, and to drop them would change what is counted: their line is a whole event.
WHOLE_ONLY = frozenset({"impressions", "event_id", "client_id", "n"})


def is_whole_event(cells: Mapping[str, Any], mapped: Collection[str]) -> bool:
    """Return whether an object is an event already, and not a row: names that are mapped are columns."""
    if (cells.keys() & WHOLE_ONLY).difference(mapped):
        return True
    is_event = "items" in cells or cells.get("event_type") in EVENT_TYPES
    return is_event and "item_id" not in cells and cells.keys() <= WHOLE


def unnested(cells: Mapping[str, Any], mapped: Collection[str]) -> Iterator[dict[str, Any]]:
    """Return the rows of an object of JSON: without nulls, and with what was nested beside the rest."""
    row = {name: cell for name, cell in cells.items() if not is_null(cell)}
    if is_whole_event(row, mapped):
        yield row
        return
    events = row.get("events")
    if isinstance(events, list) and events and all(isinstance(event, dict) for event in events):
        del row["events"]
        for event in events:
            yield from unnested({**row, **event}, mapped)
        return
    properties = row.get("properties")
    inner = (
        {name: cell for name, cell in properties.items() if not is_null(cell)}
        if isinstance(properties, dict)
        else {}
    )
    inner = {**_parameters(row.get("event_params")), **inner}
    outer = {squashed(name) for name in row} if inner else set()
    yield {name: cell for name, cell in inner.items() if squashed(name) not in outer} | row


def _parameters(listed: object) -> dict[str, Any]:
    """Return GA4's parameters by key: each has one value, under the name of its type."""
    found: dict[str, Any] = {}
    for parameter in listed if isinstance(listed, list) else ():
        value = parameter.get("value") if isinstance(parameter, dict) else None
        for typed in value.values() if isinstance(value, dict) else ():
            if not is_null(typed):
                found[str(parameter["key"])] = typed
                break
    return found
