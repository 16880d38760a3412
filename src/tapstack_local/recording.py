"""Replaying a real recording: CSV or JSON lines, one event a row; see `recording_rows` for what a row says.

The delimiter of a CSV file is sniffed among comma, semicolon, tab and bar. A line of a JSON-lines file holds
an object with a row's columns as its keys, or a whole event as ``POST /v1/events`` takes it, without any
other key. Columns that are not recognised are not read. Each session keeps its inner timing, and the sessions
begin, in recorded order, within the last six hours. Every event without an identity of its own is numbered,
``(client_id, n)``, with one client a user.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from tapstack.core.events import decode_client_event
from tapstack.errors import InvalidEvent, UsageError
from tapstack_local.recording_rows import COLUMNS, RecordedRow, RowParser, is_whole_event
from tapstack_local.traffic import Request
from tapstack_local.traffic.people import uuid7

WITHIN_MS = 6 * 3_600_000
VISIT_GAP_MS = 30 * 60_000  # ends the visit of a user whose rows name no session
TOGETHER_MS = 500  # events of one session this near are sent in one request
DELIMITERS = ",;\t|"


def read_recording(
    path: Path,
    *,
    now_ms: int,
    seed: int,
    overrides: Mapping[str, str] | None = None,
    events: int | None = None,
) -> list[Request]:
    """Read a recording whole.

    Parameters
    ----------
    path
        The file.
    now_ms
        Unix time in milliseconds before which everything is to have happened.
    seed
        Makes the client ids.
    overrides
        Canonical names and the columns that hold them.
    events
        How many rows at most; None for all.

    Returns
    -------
    list[Request]
        In the order of their times, every event valid and with an identity.

    Raises
    ------
    UsageError
        If the file cannot be read, or a row is bad: names file, line, column and what was expected.
    """
    wrong = set(overrides or {}) - set(COLUMNS)
    if wrong:
        raise UsageError(f"--map: cannot map {min(wrong)!r}; there are {', '.join(COLUMNS)}")
    parser = RowParser(path, overrides or {})
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
        if not text.strip():
            raise UsageError(f"{path}: the file is empty")
        rows = list(_rows(text, parser, events))
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: expected text in UTF-8") from None
    if not rows:
        raise UsageError(f"{path}: expected at least one row of events")
    return _requests(_moved(rows, now_ms), parser, Random(seed))  # noqa: S311 - reproducible on purpose


def _rows(text: str, parser: RowParser, events: int | None) -> Iterator[RecordedRow]:
    first = text.lstrip()[:1]
    if first == "[":
        parser.line = 1
        raise parser.problem("", "CSV, or JSON lines: one object a line, and no array around them")
    rows = _json_rows(text, parser) if first == "{" else _csv_rows(text, parser)
    for place, row in enumerate(rows):
        if events is not None and place >= events:
            return
        yield row


def _json_rows(text: str, parser: RowParser) -> Iterator[RecordedRow]:
    for parser.line, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            cells = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeEncodeError, RecursionError):
            raise parser.problem("", "a JSON object") from None
        if is_whole_event(cells):
            yield parser.whole(cells)
        else:
            parser.recognise(list(cells))
            yield parser.row(cells)


def _csv_rows(text: str, parser: RowParser) -> Iterator[RecordedRow]:
    # Not str.splitlines: it splits at U+2028 and others, and takes the line feeds of quoted cells away.
    delimiter = max(DELIMITERS, key=io.StringIO(text, newline="").readline().count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    parser.line = 1
    try:
        columns = next(lines, [])
        parser.recognise(columns)
        for cells in lines:
            parser.line = lines.line_num
            if not cells:
                continue
            if len(cells) != len(columns):
                raise parser.problem("", f"{len(columns)} columns", len(cells))
            yield parser.row(dict(zip(columns, cells, strict=True)))
    except csv.Error as error:
        parser.line = lines.line_num
        raise parser.problem("", f"CSV ({error})") from None


def _moved(rows: list[RecordedRow], now_ms: int) -> list[RecordedRow]:
    """Move every visit as a whole into the last hours, the visits in recorded order."""
    visits = _visits(rows)
    spans = [max(row.at_ms for row in visit) - min(row.at_ms for row in visit) for visit in visits]
    room_ms = max(WITHIN_MS - max(spans), 0)
    moved = []
    for place, (visit, span_ms) in enumerate(zip(visits, spans, strict=True)):
        start_ms = min(now_ms - WITHIN_MS + room_ms * place // len(visits), now_ms - span_ms)
        shift_ms = start_ms - min(row.at_ms for row in visit)
        moved += [row._replace(at_ms=row.at_ms + shift_ms) for row in visit]
    return sorted(moved, key=lambda row: row.at_ms)


def _visits(rows: list[RecordedRow]) -> list[list[RecordedRow]]:
    """Group rows into visits; one without a session ends with half an hour of silence."""
    groups: dict[str, list[RecordedRow]] = {}
    for row in rows:
        groups.setdefault(row.visit, []).append(row)
    visits: list[list[RecordedRow]] = []
    for group in groups.values():
        group.sort(key=lambda row: row.at_ms)
        for place, row in enumerate(group):
            pause_ms = row.at_ms - group[place - 1].at_ms if place else 0
            if place == 0 or (pause_ms > VISIT_GAP_MS and "session_id" not in row.event):
                visits.append([])
            visits[-1].append(row)
    return sorted(visits, key=lambda visit: visit[0].at_ms)


def _requests(rows: list[RecordedRow], parser: RowParser, random: Random) -> list[Request]:
    start_ms = rows[0].at_ms
    clients: dict[tuple[str | None, str | None], list[Any]] = {}
    last: dict[str, Request] = {}
    requests: list[Request] = []
    for row in rows:
        event = row.event
        try:
            moment = datetime.fromtimestamp(row.at_ms / 1_000, tz=UTC)
        except (OverflowError, ValueError, OSError):
            parser.line = row.line
            raise parser.problem("", "the times of one session within a thousand years") from None
        event["occurred_at"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if "event_id" not in event and "client_id" not in event:
            key = (event.get("user_id"), None if "user_id" in event else event.get("anonymous_id"))
            client = clients.setdefault(key, [uuid7(random, row.at_ms), 0])
            event["client_id"], event["n"] = client
            client[1] += 1
        _check(row, parser)
        at_ms = row.at_ms - start_ms
        previous = last.get(row.visit)
        if previous is not None and at_ms - previous.at_ms <= TOGETHER_MS:
            previous.events.append(event)
        else:
            last[row.visit] = Request(at_ms, [event])
            requests.append(last[row.visit])
    return requests


def _check(row: RecordedRow, parser: RowParser) -> None:
    """Refuse what the collector would refuse, while the line is known."""
    try:
        decode_client_event(msgspec.json.encode(row.event))
    except InvalidEvent as error:
        parser.line = row.line
        raise parser.refused(error) from None
