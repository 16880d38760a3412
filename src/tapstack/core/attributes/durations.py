"""Durations such as ``5m``, ``24h`` and ``90d``, and the tiles of windows."""

from __future__ import annotations

import re

LIFETIME = "lifetime"
WINDOW_MIN_S, WINDOW_MAX_S = 300, 90 * 86_400
TTL_MAX_S = 3_650 * 86_400
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


def seconds_of(duration: str) -> int:
    """Return a duration in seconds.

    Raises
    ------
    ValueError
        If it is not written so.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", duration, re.ASCII)
    if found is None:
        raise ValueError(duration)
    return int(found[1]) * _UNITS[found[2]]


def hop_of(length_s: int) -> int:
    """Return the usual length of a window's tiles: it covers its length and less than a tile more."""
    if length_s <= 3_600:
        return 300
    return 3_600 if length_s <= 86_400 else 86_400
