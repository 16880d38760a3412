"""Chance, for waits that shall not coincide."""

from __future__ import annotations

import os


def jitter() -> float:
    """Draw a number, ``0 <= x < 1``; by the system, since `random` costs a cold start 3 ms."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
