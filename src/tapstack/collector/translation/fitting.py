"""What does not fit the field that it was meant for is kept in ``properties.unread``; the event is counted.

A name of 300 characters, or a price of ``12,50``, is no reason to lose a purchase.
"""

from __future__ import annotations

from typing import Any

from tapstack.collector.translation.fields import Object, keep
from tapstack.core.client_events import fault_in
from tapstack.errors import InvalidEvent

UNREAD = "unread"


def fit(event: Object, notes: list[str]) -> Object:
    """Return the event with the fields that fit; `notes` receives what was wrong with the others."""
    unread: Object = {}
    fitting: Object = {}
    for name, value in event.items():
        if name == "items" and isinstance(value, list):
            fitting["items"] = _fit_items(value, unread, notes)
        elif fault := fault_in({name: value}):
            _put(unread, name, value, fault, notes)
        else:
            fitting[name] = value
    keep_unread(fitting, unread)
    return fitting


def keep_unread(event: Object, unread: Object) -> None:
    """Keep what was not understood, under the paths of our fields."""
    if not unread:
        return
    properties = event.get("properties")
    if properties is None or not isinstance(properties, dict):
        properties = {} if properties is None else {"properties": properties}
    name = UNREAD
    while not isinstance(kept := properties.get(name, {}), dict):  # a sender's own
        name += "_"
    kept = dict(kept)
    for path, value in unread.items():
        keep(kept, path, value)
    event["properties"] = {**properties, name: kept}


def _fit_items(items: list[Any], unread: Object, notes: list[str]) -> list[Any]:
    fitting = []
    for index, item in enumerate(items):
        path = f"items[{index}]"
        known = {"item_id": item.get("item_id")} if isinstance(item, dict) else item
        if fault := fault_in({"items": [known]}):
            _put(unread, path, item, fault, notes)
        elif isinstance(item, dict):
            fitting.append(_fit_item(item, path, unread, notes))
    return fitting


def _fit_item(item: Object, path: str, unread: Object, notes: list[str]) -> Object:
    if fault_in({"items": [item]}) is None:
        return item
    fitting: Object = {}
    for name, value in item.items():
        fault = fault_in({"items": [{"item_id": "any", name: value}]})
        if fault is None:
            fitting[name] = value
        else:
            _put(unread, f"{path}.{name}", value, fault, notes)
    return fitting


def _put(unread: Object, path: str, value: object, fault: InvalidEvent, notes: list[str]) -> None:
    unread[path] = value
    notes.append(f"{path}: {fault.reason}; kept in properties.{UNREAD}")
