"""The catalogue of Tapstack's own metrics: what each function counts, and which alarm needs it.

``docs/reference/metrics.md`` shows it, and the alarms in ``lib/tap_stack.tf`` use names of it only (tested).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

NAMESPACE = "Tapstack"


class Metric(msgspec.Struct, frozen=True):
    """A figure that a function's log lines carry.

    Parameters
    ----------
    name
        In CloudWatch, and as a field of the line.
    unit
        One of CloudWatch's.
    meaning
        What is counted.
    alarm
        The alarm that watches it, without the stack's prefix; empty if none does.
    """

    name: str
    unit: Literal["Count", "Seconds"]
    meaning: str
    alarm: str = ""


METRICS: Mapping[str, Sequence[Metric]] = {
    "collector": (
        Metric("events_ok", "Count", "events stored in the stream, or spilled"),
        Metric("events_duplicate", "Count", "events that were in the same request before"),
        Metric(
            "events_invalid",
            "Count",
            "events refused for good: quarantine bucket",
            "refused-events-percent",
        ),
        Metric("events_schema_refused", "Count", "of them, those that break a schema of yours"),
        Metric(
            "events_schema_warned",
            "Count",
            "events that break a schema of yours, and are accepted all the same",
        ),
        Metric("events_denied", "Count", "events whose user denied consent; nothing of them is kept"),
        Metric(
            "events_retry",
            "Count",
            "events that neither the stream nor a bucket took; the sender was told to send them again",
        ),
        Metric("requests_unauthorized", "Count", "requests answered 401: no write key, or one of no source"),
        Metric(
            "requests_forbidden", "Count", "requests answered 403: the source may not send such a request"
        ),
        Metric(
            "requests_rate_limited", "Count", "requests answered 429: the source sends faster than it may"
        ),
    ),
    "consumer": (
        Metric("events_applied", "Count", "events counted in the table"),
        Metric("events_duplicate", "Count", "events that had been counted before"),
        Metric(
            "events_late",
            "Count",
            "events not counted, because they may have been before: late bucket",
            "late-events",
        ),
        Metric(
            "events_quarantined",
            "Count",
            "records that are no valid events: quarantine bucket",
            "quarantine-percent",
        ),
        Metric(
            "commit_conflicts", "Count", "transactions that met a row changed meanwhile, and were made anew"
        ),
    ),
    "drainer": (
        Metric(
            "spill_oldest_age_s",
            "Seconds",
            "age of the oldest object in the spill bucket when a run begins; 0 if there is none",
            "spill-age-s",
        ),
        Metric("spill_objects", "Count", "objects of the spill bucket that the stream holds now"),
        Metric("spill_events", "Count", "events in them"),
        Metric("spill_unreadable", "Count", "objects that hold no spilled events, and stay where they are"),
    ),
    "insights": (
        Metric("reads_failed", "Count", "requests answered 500 or 503: the table or a row of it is at fault"),
    ),
    "projector": (
        Metric("projection_entries", "Count", "journal entries folded, once for each projection"),
        Metric(
            "projection_entries_left",
            "Count",
            "journal entries that could not be folded, since one before them is missing",
            "projection-stuck",
        ),
        Metric("projection_rows_written", "Count", "derived rows written"),
        Metric("projection_conflicts", "Count", "derived rows changed meanwhile, and folded anew"),
    ),
}
