"""What the stream holds of an event, against what its client said: nothing lost, nothing invented.

Shares no code with the product; docs/reference/events.md says which fields the collector sets, and how.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

AHEAD_MAX = timedelta(hours=24)
CLOCK_WRONG_MAX = timedelta(hours=2)  # how far a collector's clock may be ahead in a run
SET_BY_COLLECTOR = frozenset({"occurred_at", "received_at", "clock_skew_ms", "schema"})
_MS = timedelta(milliseconds=1)


def misquoted(record: dict[str, Any], said: dict[str, Any] | None, now_ms: int) -> str:
    """Describe where a record differs from what its client said; empty if nowhere.

    Parameters
    ----------
    record
        The record, decoded.
    said
        What the client said; None if no client said such an event.
    now_ms
        The true time.
    """
    if said is None:
        return "no client said it"
    for field in {**said, **record}:
        if field not in SET_BY_COLLECTOR and record.get(field) != said.get(field):
            return f"{field} is {record.get(field)!r}, its client said {said.get(field)!r}"
    received = datetime.fromisoformat(record["received_at"])
    now = datetime.fromtimestamp(now_ms / 1000, tz=received.tzinfo)
    if received > now + CLOCK_WRONG_MAX:
        return f"received_at is {received}, after it arrived"
    return _mistimed(record, said.get("occurred_at"), received)


def _mistimed(record: dict[str, Any], said: str | None, received: datetime) -> str:
    """Describe what is wrong with a record's time: whole milliseconds, at most a day ahead of its receipt."""
    occurred, skew_ms = datetime.fromisoformat(record["occurred_at"]), record.get("clock_skew_ms")
    wanted, wanted_skew_ms = received, None
    if said is not None:
        wanted = datetime.fromisoformat(said)
        wanted -= timedelta(microseconds=wanted.microsecond % 1000)
        latest = received + AHEAD_MAX
        wanted_skew_ms = -((wanted - latest) // _MS) if wanted > latest else 0
        wanted = min(wanted, latest)
    if occurred != wanted or skew_ms != wanted_skew_ms:
        return f"occurred_at is {occurred} moved by {skew_ms} ms, expected {wanted} moved by {wanted_skew_ms}"
    return ""
