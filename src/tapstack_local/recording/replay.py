"""Move recorded events into the last hours, and group them into the requests that replay them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from operator import attrgetter
from random import Random
from typing import Any

import msgspec

from tapstack.core.client_events import read_client_event
from tapstack.errors import InvalidEvent
from tapstack_local.recording import times
from tapstack_local.recording.problems import NO_TEXT, BadRow, BadRows, refused
from tapstack_local.recording.rows import RecordedRow
from tapstack_local.traffic import Request
from tapstack_local.traffic.people import uuid7

WITHIN_MS = 6 * 3_600_000
VISIT_GAP_MS = 30 * 60_000  # ends the visit of a user whose rows name no session
VISIT_MAX_MS = 28 * 86_400_000  # a longer one is drawn together: events of 30 days ago are late
TOGETHER_MS = 500  # events of one visit this near are sent in one request
ODD_GAP_MS = 366 * 86_400_000  # rows that far from most others have a clock that was wrong
# As SDKs send at most: Segment's batches have 500 KB, and a call of PutRecords takes 500 records.
REQUEST_EVENTS_MAX = 500
REQUEST_BYTES_MAX = 500_000


def settle_times(rows: list[RecordedRow], bad_rows: BadRows) -> list[str]:
    """Give every row a time in milliseconds.

    The unit of a column of numbers is one for all of them. A row without a time, or with one that is apart
    from most others by more than a year, takes that of the row before it in its visit.

    Returns
    -------
    list[str]
        Notes on what was changed, to print.

    Raises
    ------
    UsageError
        If a column holds dates in digits.
    """
    for clock in {row.clock for row in rows} - {None}:
        _settle_clock([row for row in rows if row.clock == clock], bad_rows)
    known = []
    for row in rows:
        if isinstance(row.said, int):
            row.at_ms = row.said
            known.append(row)
    notes = []
    if known and len(known) < len(rows):
        first = next(row for row in rows if row.said is None)
        notes.append(
            f"{len(rows) - len(known):,} of {len(rows):,} rows have no time (first: line {first.line}): "
            "they happen with the row before them"
        )
    if odd := _odd(known):
        first = odd[0]
        notes.append(
            f"{len(odd):,} of {len(rows):,} rows are more than a year away from most others (first: line "
            f"{first.line}, {times.described(first.at_ms)}): they happen with the row before them"
        )
        for row in odd:
            row.said = None
    if notes:
        _fill(rows)
    return notes


def moved(rows: Iterable[RecordedRow], now_ms: int) -> tuple[list[RecordedRow], list[str]]:
    """Move every visit as a whole into the last hours; return the rows in their new order, and notes."""
    visits = _visits(rows)
    drawn_together = 0
    result: list[RecordedRow] = []
    for place, visit in enumerate(visits):
        first_ms = visit[0].at_ms
        span_ms = visit[-1].at_ms - first_ms
        if span_ms > VISIT_MAX_MS:
            drawn_together += 1
            for row in visit:
                row.at_ms = first_ms + (row.at_ms - first_ms) * VISIT_MAX_MS // span_ms
            span_ms = VISIT_MAX_MS
        # Each for itself: a visit of weeks leaves the others where they are.
        shift_ms = min(now_ms - WITHIN_MS + WITHIN_MS * place // len(visits), now_ms - span_ms) - first_ms
        for row in visit:
            row.at_ms += shift_ms
        result += visit
    result.sort(key=attrgetter("at_ms"))
    days = VISIT_MAX_MS // 86_400_000
    note = (
        f"{drawn_together:,} of {len(visits):,} visits last longer than {days} days: drawn together to that"
    )
    return result, [note] if drawn_together else []


def requests_of(
    rows: Iterable[RecordedRow], bad_rows: BadRows, notes: Counter[str], random: Random
) -> list[Request]:
    """Group rows in the order of their times into requests, every event valid and with an identity."""
    clients: dict[tuple[str | None, str | None], list[Any]] = {}
    last: dict[int, tuple[Request, int]] = {}
    requests: list[Request] = []
    start_ms: int | None = None
    for row in rows:
        event = row.event
        moment = datetime.fromtimestamp(row.at_ms / 1_000, tz=UTC)
        event["occurred_at"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        client = _client_of(row, clients, random)
        if client is not None:
            event["client_id"], event["n"] = client
        try:
            event_bytes = _checked_bytes(event, notes)
        except BadRow as error:
            bad_rows.add(row.line, error)
            continue
        if client is not None:
            client[1] += 1
        start_ms = row.at_ms if start_ms is None else start_ms
        at_ms = row.at_ms - start_ms
        request, request_bytes = last.get(row.visit, (None, 0))
        if request is None or not _has_room(request, request_bytes, at_ms, event_bytes):
            request, request_bytes = Request(at_ms, [], []), 0
            requests.append(request)
        request.events.append(event)
        request.lines.append(row.line)
        last[row.visit] = request, request_bytes + event_bytes
    return requests


def _client_of(
    row: RecordedRow, clients: dict[tuple[str | None, str | None], list[Any]], random: Random
) -> list[Any] | None:
    """Return the client of an event that has no identity, and the number of its next event."""
    event = row.event
    if "event_id" in event or "client_id" in event:
        return None
    key = (event.get("user_id"), None if "user_id" in event else event.get("anonymous_id"))
    if key not in clients:
        clients[key] = [uuid7(random, row.at_ms), 0]
    return clients[key]


def _has_room(request: Request, request_bytes: int, at_ms: int, event_bytes: int) -> bool:
    """Return whether one more event of a visit, at that time, goes with a request."""
    return (
        at_ms - request.at_ms <= TOGETHER_MS
        and len(request.events) < REQUEST_EVENTS_MAX
        and request_bytes + event_bytes <= REQUEST_BYTES_MAX
    )


def _settle_clock(rows: Sequence[RecordedRow], bad_rows: BadRows) -> None:
    """Turn the numbers of one column into milliseconds."""
    numbers = [row.said or 0 for row in rows]
    if sum(map(times.is_date_in_digits, numbers)) * 2 > len(rows):
        first = next(row for row in rows if times.is_date_in_digits(row.said or 0))
        raise bad_rows.refuse(
            first.line,
            f", column {first.clock!r}: expected {times.EXPECTED}; got '{first.said}', which may be a date",
        )
    middle = times.middle_of(numbers)
    unit = times.unit_of(middle)
    is_unix_time = times.to_ms(middle, unit) > times.YEAR_1973_MS
    for row, number in zip(rows, numbers, strict=True):
        # Beside times of today 0 says that there is none; a clock with a start of its own begins so.
        row.said = None if number == 0 and is_unix_time else times.to_ms(number, unit)


def _odd(rows: Sequence[RecordedRow]) -> list[RecordedRow]:
    """Return the rows that are apart from most others: neither before nor after them within a year."""
    known = sorted(row.at_ms for row in rows)
    cuts = [place for place, (one, other) in enumerate(pairwise(known), 1) if other - one > ODD_GAP_MS]
    if not cuts:
        return []
    start, end = max(pairwise([0, *cuts, len(known)]), key=lambda part: part[1] - part[0])
    if (end - start) * 2 <= len(known):
        return []
    earliest, latest = known[start], known[end - 1]
    return [row for row in rows if not earliest <= row.at_ms <= latest]


def _fill(rows: Iterable[RecordedRow]) -> None:
    """Give rows without a time that of the row before in their visit, or of the first one that has a time."""
    before: dict[int, int] = {}
    for row in rows:
        if row.said is not None:
            before.setdefault(row.visit, row.at_ms)
    start_ms = min(before.values(), default=0)
    for row in rows:
        if row.said is None:
            row.at_ms = before.get(row.visit, start_ms)
        before[row.visit] = row.at_ms


def _visits(rows: Iterable[RecordedRow]) -> list[list[RecordedRow]]:
    """Group rows into visits; one without a session ends with half an hour of silence."""
    visits: list[list[RecordedRow]] = []
    for _, group in groupby(sorted(rows, key=attrgetter("visit", "at_ms")), key=attrgetter("visit")):
        before_ms: int | None = None
        for row in group:
            pause_ms = 0 if before_ms is None else row.at_ms - before_ms
            if before_ms is None or (pause_ms > VISIT_GAP_MS and "session_id" not in row.event):
                visits.append([])
            visits[-1].append(row)
            before_ms = row.at_ms
    return sorted(visits, key=lambda visit: visit[0].at_ms)


def _checked_bytes(event: dict[str, Any], notes: Counter[str]) -> int:
    """Write an event as the collector will, in place, and return how long it is.

    What the collector would refuse is refused while the line is known. The checker compares with what was
    sent, and knows nothing of what counts as left out. Whole events are normalised already, and rows are
    made so: only what the collector notes differs, such as currencies that do not exist.
    """
    try:
        data = msgspec.json.encode(event)
        read = read_client_event(data)
    except InvalidEvent as error:
        raise refused(error) from None
    except UnicodeEncodeError:
        raise BadRow(NO_TEXT) from None
    if read.notes:
        notes.update(read.notes)
        data = msgspec.json.encode(read.event)
        at = event["occurred_at"]
        event.clear()
        event.update(msgspec.json.decode(data), occurred_at=at)
    return len(data)
