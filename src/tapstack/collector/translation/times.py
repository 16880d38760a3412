"""Times as senders write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?"


def iso(value: object) -> datetime | None:
    """Return a time in ISO 8601, in UTC if it has no zone; None if it is none."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def epoch(value: object, per_second: int) -> datetime | None:
    """Return a time that is counted from 1970 on; None if it is none.

    Parameters
    ----------
    value
        A number, or a string that is one.
    per_second
        In how many units a second is counted.
    """
    if isinstance(value, str) and re.fullmatch(_NUMBER, value.strip()):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        if isinstance(value, int):
            return _EPOCH + timedelta(microseconds=value * 1_000_000 // per_second)
        return _EPOCH + timedelta(microseconds=round(value * 1_000_000 / per_second))
    except (OverflowError, ValueError):  # no year that there is; no number
        return None
