"""Recordings for tests: written as text, read from a standard input of bytes."""

import io
from datetime import datetime
from pathlib import Path

from tapstack_local.recording import Layout, read_recording

NOW_MS = 1_800_000_000_000


def read(content, *, events=None, **layout):
    data = content if isinstance(content, bytes) else content.encode()
    return read_recording(
        Path("-"),
        now_ms=NOW_MS,
        seed=1,
        events=events,
        layout=Layout(**layout),
        standard_input=io.BufferedReader(io.BytesIO(data)),
    )


def events_of(recording):
    return [event for request in recording for event in request.events]


def ms(event):
    return round(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000)


def gaps_ms(recording):
    """Return how long after the first event each one happens."""
    times = [ms(event) for event in events_of(recording)]
    return [time - times[0] for time in times]


def items(recording):
    return [[item["item_id"] for item in event.get("items", ())] for event in events_of(recording)]
