"""The client's clock is set right by when it sent the event, where the format says so."""

from __future__ import annotations

from datetime import datetime, timedelta

# Below, it is not the clock but the way of the request: a wrong correction would be worse than none.
IGNORED = timedelta(seconds=10)
_MS = timedelta(milliseconds=1)


def shift_ms(sent_at: datetime | None, received_at: datetime) -> int:
    """Return by how much a client's times are too early: what the collector's clock said when it sent.

    Parameters
    ----------
    sent_at
        When the client sent the event, by its own clock; None if it did not say.
    received_at
        When the collector had it, by the collector's.
    """
    if sent_at is None:
        return 0
    skew = received_at - sent_at
    return skew // _MS if abs(skew) > IGNORED else 0
