"""What a row of a recording says: its cells become an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tapstack.core.normalisation import normalise
from tapstack.errors import InvalidEvent
from tapstack_local.recording import times
from tapstack_local.recording.cells import CUT, DOT_ZERO, number_of, text_of, whole_number_of, without_absent
from tapstack_local.recording.columns import ITEM_COLUMNS, Names, recognise
from tapstack_local.recording.event_types import event_type_of, squashed
from tapstack_local.recording.nested import WHOLE, WHOLE_ONLY
from tapstack_local.recording.problems import BadRow, refused

OFFSET_MAX_MS = 10**14
CUSTOM_NAMES_MAX = 100  # different ones that are counted
_ITEM_NAMES = {squashed(alias): name for name, aliases in ITEM_COLUMNS.items() for alias in aliases}


@dataclass(slots=True)
class RecordedRow:
    """An event as it was recorded.

    Parameters
    ----------
    line
        Of the file, from 1.
    visit
        The number of the visit it belongs to: of one person, and of one session if one is named.
    event
        As ``POST /v1/events`` takes it, its time and identity perhaps left out.
    said
        When it happened: Unix milliseconds, or a number of `clock`; None if the row does not say.
    clock
        The column whose numbers are of one unit, which the whole column shows; None for milliseconds.
    at_ms
        When it happened, in milliseconds, once that is settled.
    """

    line: int
    visit: int
    event: dict[str, Any]
    said: int | float | None
    clock: str | None
    at_ms: int = 0


class RowParser:
    """Makes events of rows, and remembers what only whole columns can show.

    Parameters
    ----------
    overrides
        Canonical names and the columns that hold them.
    """

    def __init__(self, overrides: Names) -> None:
        self.custom_names: Counter[str] = Counter()
        self.meanings: Counter[str] = Counter()  # what the collector would note on whole events
        self.cut_ids: Counter[str] = Counter()  # by column
        self.overrides = overrides
        self._columns: list[str] = []
        self._names: Names = {}
        self._visits: dict[tuple[str | None, str | None], int] = {}
        self._days: dict[int, int] = {}
        self._dot_zero: dict[str, bool] = {}  # of columns of ids: whether all are as pandas writes 5.0

    def recognise(self, columns: list[str]) -> None:
        """Find out which column holds what; the lines of JSON need not agree."""
        if columns != self._columns or not columns:
            self._names = recognise(columns, self.overrides)
            self._columns = columns

    def row(self, cells: Mapping[str, Any], line: int) -> RecordedRow:
        """Read one row.

        Raises
        ------
        BadRow
            Naming the column, what was expected and what came.
        """
        known = self._known(cells)
        event = self._what(known, cells)
        session = known.get("session_id")
        if "user_id" in known:
            event["user_id"] = known["user_id"]
        elif "anonymous_id" in known or session is not None:
            event["anonymous_id"] = known.get("anonymous_id", f"session-{session}")
        else:
            raise self._problem("user_id", "a user, an anonymous visitor or a session")
        if session is not None:
            event["session_id"] = session
        event |= {name: known[name] for name in ("query", "event_id") if name in known}
        if "currency" in known:
            event["currency"] = known["currency"].upper()
        if "value" in known:
            event["value"] = self._number("value", known["value"])
        visit = self._visit(known.get("anonymous_id") or known.get("user_id"), session)
        said, clock = self._said(known, visit)
        for canonical in ("user_id", "anonymous_id", "session_id", "item_id"):
            if canonical in known:
                self._note_id(canonical, known[canonical])
        return RecordedRow(line, visit, event, said, clock)

    def whole(self, cells: Mapping[str, Any], line: int) -> RecordedRow:
        """Take an event that is one already, as the collector reads it."""
        beside = min(cells.keys() & WHOLE_ONLY, default="items" if "items" in cells else "event_type")
        if unknown := sorted(cells.keys() - WHOLE):
            advice = " (but for --map event_id=event_id)" if beside == "event_id" else ""
            raise BadRow(
                f": {unknown[0]!r} is no field of an event, and {beside!r} is no column of a row{advice}"
            )
        notes: list[str] = []
        try:
            event = normalise(cells, notes)  # before it is known whose it is: a placeholder is nobody
        except InvalidEvent as error:
            raise refused(error) from None
        self.meanings.update(notes)
        who = event.get("anonymous_id") or event.get("user_id")
        visit = self._visit(str(who), None if "session_id" not in event else str(event["session_id"]))
        said, clock = None, None
        if occurred_at := event.get("occurred_at"):
            said, clock = self._moment("occurred_at", str(occurred_at))
        self._dot_zero |= dict.fromkeys(("user_id", "anonymous_id", "session_id", "item_id"), False)
        return RecordedRow(line, visit, event, said, clock)

    def settle_ids(self, rows: list[RecordedRow]) -> tuple[str, ...]:
        """Take the ``.0`` off the ids of columns in which every id has one; return the columns."""
        columns = tuple(name for name, always in self._dot_zero.items() if always)
        for row in rows if columns else ():
            _take_dot_zero(row.event, columns)
        return columns

    def _known(self, cells: Mapping[str, Any]) -> dict[str, str]:
        known: dict[str, str] = {}
        for canonical, column in self._names.items():
            if canonical == "items":
                continue
            try:
                text = text_of(cells.get(column))
            except TypeError as error:
                raise self._problem(canonical, f"text or a number, not {error}") from None
            if text is not None:
                known[canonical] = text
        return known

    def _what(self, known: Mapping[str, str], cells: Mapping[str, Any]) -> dict[str, Any]:
        event: dict[str, Any] = {"event_type": "item_view"}
        if "event_type" in known:
            event_type = event_type_of(known["event_type"])
            if event_type is None:
                event_type = "custom"
                event["event_name"] = known["event_type"]
                self._note_name(known["event_type"])
            event["event_type"] = event_type
        items = self._items(cells, required="item_id" not in known)
        if items and "item_id" in known:
            raise self._problem("item_id", "an item or a list of items, not both")
        if "item_id" in known:
            items = [self._item(known)]
        elif not items and "event_type" not in known:
            raise self._problem("item_id", "an item")
        if items:
            event["items"] = items
        return event

    def _item(self, known: Mapping[str, str], named: str | None = None) -> dict[str, Any]:
        item: dict[str, Any] = dict(known) if named else {"item_id": known["item_id"]}
        if "price" in known:
            item["price"] = self._number("price", known["price"], named)
        if "quantity" in known:
            item["quantity"] = self._whole_number("quantity", known["quantity"], named)
        if named and "currency" in known:
            item["currency"] = known["currency"].upper()
        return item

    def _items(self, cells: Mapping[str, Any], *, required: bool) -> list[dict[str, Any]]:
        column = self._names.get("items")
        listed = None if column is None else cells.get(column)
        if listed is None or (isinstance(listed, str) and text_of(listed) is None):
            return []
        text = listed if isinstance(listed, str) else None
        if text is not None:
            try:
                listed = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                listed = None
        if not isinstance(listed, list):
            if not required:
                return []  # how many there are, or what they are called: nothing that is read
            raise self._problem("items", "a JSON array of items", text)
        return [self._listed(each, f"{column}[{place}]") for place, each in enumerate(without_absent(listed))]

    def _listed(self, item: object, where: str) -> dict[str, Any]:
        fields = item if isinstance(item, dict) else {"item_id": item}
        known: dict[str, str] = {}
        for column, cell in fields.items():
            name = _ITEM_NAMES.get(squashed(str(column)))
            if name is None or name in known:
                continue
            try:
                text = text_of(cell)
            except TypeError as error:
                raise BadRow(f", column {where}.{name}: expected text or a number, not {error}") from None
            if text is not None:
                known[name] = text
        if "item_id" not in known:
            raise BadRow(f", column {where}: expected an item with an item_id")
        return self._item(known, where)

    def _visit(self, who: str | None, session: str | None) -> int:
        return self._visits.setdefault((who, session), len(self._visits))

    def _said(self, known: Mapping[str, str], visit: int) -> tuple[int | float | None, str | None]:
        if "occurred_at" in known:
            return self._moment("occurred_at", known["occurred_at"])
        day_ms = clock = None
        if "date" in known:
            day_ms = times.day_in_digits_ms(known["date"])
            if day_ms is None:
                day, clock = self._moment("date", known["date"])
                if clock is not None or not isinstance(day, int):
                    return day, clock
                day_ms = day
        if "offset_ms" not in known:
            return day_ms, None
        offset_ms = self._whole_number("offset_ms", known["offset_ms"])
        if abs(offset_ms) > OFFSET_MAX_MS:
            raise self._problem("offset_ms", "milliseconds since the session began", known["offset_ms"])
        # A session over midnight has rows of two days, and all their offsets count from its beginning.
        first_ms = self._days.get(visit, 0) if day_ms is None else self._days.setdefault(visit, day_ms)
        return first_ms + offset_ms, None

    def _moment(self, canonical: str, text: str) -> tuple[int | float, str | None]:
        number = number_of(text)
        if number is not None:
            if not 0 <= number < times.CLOCK_MAX:
                raise self._problem(canonical, times.EXPECTED, text)
            exact = whole_number_of(text)
            return (number if exact is None else exact), self._names.get(canonical, canonical)
        at_ms = times.moment_ms(text)
        if at_ms is None:
            raise self._problem(canonical, times.expected_of(text), text)
        return at_ms, None

    def _number(self, canonical: str, text: str, named: str | None = None) -> float:
        number = number_of(text)
        if number is None:
            raise self._problem(canonical, "a number such as 1234.5", text, named)
        return number

    def _whole_number(self, canonical: str, text: str, named: str | None = None) -> int:
        number = whole_number_of(text)
        if number is None:
            raise self._problem(canonical, "a whole number", text, named)
        return number

    def _problem(
        self, canonical: str, expected: str, got: str | None = None, named: str | None = None
    ) -> BadRow:
        column = f"{named}.{canonical}" if named else repr(self._names.get(canonical, canonical))
        return BadRow(f", column {column}: expected {expected}{'' if got is None else f', got {got!r}'}")

    def _note_name(self, name: str) -> None:
        if len(self.custom_names) < CUSTOM_NAMES_MAX or name in self.custom_names:
            self.custom_names[name] += 1
        else:
            self.custom_names["others"] += 1

    def _note_id(self, canonical: str, text: str) -> None:
        if self._dot_zero.get(canonical, True):
            self._dot_zero[canonical] = DOT_ZERO.fullmatch(text) is not None
        if "+" in text and CUT.fullmatch(text):
            self.cut_ids[self._names[canonical]] += 1


def _take_dot_zero(event: dict[str, Any], columns: tuple[str, ...]) -> None:
    session = event.get("session_id")
    if "session_id" in columns and session is not None:
        if event.get("anonymous_id") == f"session-{session}":
            event["anonymous_id"] = event["anonymous_id"].removesuffix(".0")
        event["session_id"] = session.removesuffix(".0")
    for canonical in ("user_id", "anonymous_id"):
        if canonical in columns and canonical in event:
            event[canonical] = event[canonical].removesuffix(".0")
    if "item_id" in columns:
        for item in event.get("items", ()):
            item["item_id"] = item["item_id"].removesuffix(".0")
