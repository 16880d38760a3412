"""What a row of a recording says: its columns are recognised by name, its cells become an event.

Names are recognised whatever their case; ``--map canonical=column`` overrides. A cell that is empty,
``NA``, ``NULL`` or ``None`` is no value.

============  =====================================  ===================================================
canonical     recognised columns                     meaning
============  =====================================  ===================================================
user_id       user_id, userid, user, customer_id     a known user
anonymous_id  anonymous_id, visitorid, visitor_id    an unknown one; without both, the session's id
session_id    the same, sessionid, user_session      the visit; also called session
item_id       item_id, itemid, product_id, item      the item
event_type    event_type, event, type, action        default ``item_view``; a row without an item says it
occurred_at   occurred_at, timestamp, event_time     RFC 3339, Unix seconds or milliseconds, or
                                                     ``2019-10-01 00:00:00 UTC``
date          eventdate, date                        the day, as YYYY-MM-DD
offset_ms     timeframe, offset_ms                   milliseconds since the session began
price         price                                  of the item
quantity      quantity                               of the item
value         value                                  of the event
currency      currency                               three capital letters
query         query                                  what was searched
============  =====================================  ===================================================

An event type is one of ours, or one that two public recordings use: ``view`` is an ``item_view``;
``addtocart``, ``add_to_cart`` and ``cart`` are a ``cart_add``; ``remove_from_cart`` is a ``cart_remove``;
``transaction`` is a ``purchase``. So the files of RetailRocket (``timestamp,visitorid,event,itemid``) [1]_
and of REES46 (``event_time,event_type,product_id,price,user_id,user_session``) [2]_ are read as they are.

.. [1] https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset
.. [2] https://www.kaggle.com/datasets/mkechinov/ecommerce-behavior-data-from-multi-category-store
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tapstack.core.events import ClientEvent
from tapstack.errors import InvalidEvent, UsageError

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "user_id": ("user_id", "userid", "user", "customer_id"),
    "anonymous_id": ("anonymous_id", "visitorid", "visitor_id"),
    "session_id": ("session_id", "sessionid", "session", "user_session"),
    "item_id": ("item_id", "itemid", "product_id", "item"),
    "event_type": ("event_type", "event", "type", "action"),
    "occurred_at": ("occurred_at", "timestamp", "event_time"),
    "date": ("eventdate", "date"),
    "offset_ms": ("timeframe", "offset_ms"),
    "price": ("price",),
    "quantity": ("quantity",),
    "value": ("value",),
    "currency": ("currency",),
    "query": ("query",),
}
_EVENT_TYPES: Mapping[str, str] = {
    "view": "item_view",
    "addtocart": "cart_add",
    "add_to_cart": "cart_add",
    "cart": "cart_add",
    "remove_from_cart": "cart_remove",
    "transaction": "purchase",
}
_ABSENT = frozenset({"", "na", "null", "none"})
_WHOLE = frozenset(ClientEvent.__struct_fields__)
# A row could not say these, and to drop them would change what is counted: their line is a whole event.
_WHOLE_ONLY = frozenset({"items", "impressions", "event_id", "client_id", "n"})


class RecordedRow(NamedTuple):
    """An event as it was recorded.

    Parameters
    ----------
    line
        Of the file, from 1.
    visit
        Whose rows keep their inner timing: a session, or a user where none is named.
    at_ms
        When it happened, Unix milliseconds; 0 if the row does not say.
    event
        As ``POST /v1/events`` takes it, its time and identity perhaps left out.
    """

    line: int
    visit: str
    at_ms: int
    event: dict[str, Any]


def is_whole_event(cells: Mapping[str, Any]) -> bool:
    """Tell whether an object is an event already, and not a row."""
    return bool(
        cells.keys() & _WHOLE_ONLY
        or ("event_type" in cells and "item_id" not in cells and cells.keys() <= _WHOLE)
    )


class RowParser:
    """Turns rows into events; knows where it is, for messages.

    Parameters
    ----------
    path
        The file, as the person named it.
    overrides
        Canonical names and the columns that hold them.
    """

    def __init__(self, path: Path, overrides: Mapping[str, str]) -> None:
        self._path = path
        self._overrides = overrides
        self._names: dict[str, str] = {}
        self._days: dict[str, int] = {}
        self.line = 0

    def recognise(self, columns: list[str]) -> None:
        """Find out which column holds what."""
        self._names = {}  # of this row alone: the lines of a JSON-lines file need not agree
        for canonical, column in self._overrides.items():
            if column not in columns:
                raise UsageError(
                    f"{self._path}: no column {column!r} for {canonical}; there are {', '.join(columns)}"
                )
            self._names[canonical] = self._only([found for found in columns if found == column])
        for canonical, aliases in COLUMNS.items():
            if canonical in self._names:
                continue
            for alias in aliases:
                found = [column for column in columns if column.strip().lower() == alias]
                if found:
                    self._names[canonical] = self._only(found)
                    break
        if not {"user_id", "anonymous_id", "session_id"} & self._names.keys():
            raise self.problem("", "a user_id, anonymous_id or session_id column; see --map")
        if not {"item_id", "event_type"} & self._names.keys():
            raise self.problem("", "an item_id or event_type column; see --map")

    def row(self, cells: Mapping[str, Any]) -> RecordedRow:
        """Read one row."""
        text = {
            canonical: self._text(canonical, cells[column])
            for canonical, column in self._names.items()
            if cells.get(column) is not None
        }
        known = {canonical: cell for canonical, cell in text.items() if cell.lower() not in _ABSENT}
        session = known.get("session_id")
        event: dict[str, Any] = self._item(known)
        if "user_id" in known:
            event["user_id"] = known["user_id"]
        elif "anonymous_id" in known or session is not None:
            event["anonymous_id"] = known.get("anonymous_id", f"session-{session}")
        else:
            raise self.problem("user_id", "a user, an anonymous visitor or a session")
        if session is not None:
            event["session_id"] = session
        event |= {name: known[name] for name in ("currency", "query") if name in known}
        if "value" in known:
            event["value"] = self._number(known, "value")
        who = session or event.get("user_id") or event["anonymous_id"]
        return RecordedRow(self.line, who, self._at_ms(known, who), event)

    def whole(self, event: dict[str, Any]) -> RecordedRow:
        """Take an event that is one already."""
        beside = min(event.keys() & _WHOLE_ONLY, default="event_type")
        if unknown := sorted(event.keys() - _WHOLE):
            raise UsageError(
                f"{self._path}: line {self.line}: {unknown[0]!r} is no field of an event, "
                f"and {beside!r} is no column of a row"
            )
        who = event.get("session_id") or event.get("user_id") or event.get("anonymous_id")
        at_ms = self._moment("occurred_at", str(event["occurred_at"])) if event.get("occurred_at") else 0
        return RecordedRow(self.line, str(who), at_ms, dict(event))

    def problem(self, canonical: str, expected: str, got: str | int | None = None) -> UsageError:
        """Make the one line that a person reads."""
        column = f", column {self._names.get(canonical, canonical)!r}" if canonical else ""
        found = "" if got is None else f", got {got!r}"
        return UsageError(f"{self._path}: line {self.line}{column}: expected {expected}{found}")

    def refused(self, error: InvalidEvent) -> UsageError:
        """Make the line for a row whose event the collector would refuse."""
        field = f", {error.field!r} of its event" if error.field else ""
        return UsageError(f"{self._path}: line {self.line}{field}: {error.reason}")

    def _only(self, found: list[str]) -> str:
        if len(found) > 1:
            raise self.problem("", f"one column {found[0]!r}", len(found))
        return found[0]

    def _text(self, canonical: str, cell: object) -> str:
        if isinstance(cell, dict | list | bool):
            what = "true or false" if isinstance(cell, bool) else "a list or an object"
            raise self.problem(canonical, f"text or a number, not {what}")
        return str(cell).strip()

    def _item(self, known: Mapping[str, str]) -> dict[str, Any]:
        event_type = known.get("event_type", "item_view")
        event_type = _EVENT_TYPES.get(event_type.lower(), event_type)
        if "item_id" not in known:
            if "event_type" not in known:
                raise self.problem("item_id", "an item")
            return {"event_type": event_type}
        item: dict[str, Any] = {"item_id": known["item_id"]}
        if "price" in known:
            item["price"] = self._number(known, "price")
        if "quantity" in known:
            item["quantity"] = self._whole_number(known, "quantity")
        return {"event_type": event_type, "items": [item]}

    def _at_ms(self, known: Mapping[str, str], who: str) -> int:
        if "occurred_at" in known:
            return self._moment("occurred_at", known["occurred_at"])
        day = self._day(known["date"]) if "date" in known else 0
        if "offset_ms" not in known:
            return day
        # A session over midnight has rows of two days, and all their offsets count from its beginning.
        return self._days.setdefault(who, day) + self._whole_number(known, "offset_ms")

    def _day(self, text: str) -> int:
        try:
            return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1_000)
        except ValueError:
            raise self.problem("date", "a day such as 2026-01-31", text) from None

    def _moment(self, canonical: str, text: str) -> int:
        try:
            number = float(text)
        except ValueError:
            pass
        else:
            if not 0 <= number < 1e14:  # nor is NaN; 1e11 s and 1e14 ms lie in the year 5138
                raise self.problem(canonical, "Unix seconds or milliseconds", text)
            return int(number if number > 1e11 else number * 1_000)
        try:
            moment = datetime.fromisoformat(f"{text[:-4]}Z" if text.endswith(" UTC") else text)
        except ValueError:
            raise self.problem(
                canonical, "a time such as 2026-01-31T12:00:00Z, or Unix seconds", text
            ) from None
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)

    def _number(self, known: Mapping[str, str], canonical: str) -> float:
        try:
            number = float(known[canonical])
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.problem(canonical, "a number", known[canonical])
        return number

    def _whole_number(self, known: Mapping[str, str], canonical: str) -> int:
        try:
            return int(known[canonical])
        except ValueError:
            raise self.problem(canonical, "a whole number", known[canonical]) from None
