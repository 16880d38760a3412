"""Random jitter, so that waits do not coincide."""

from __future__ import annotations

import os


def jitter() -> float:
    """Return a random number, ``0 <= x < 1``; importing `random` would add 3 ms to a cold start."""
    return int.from_bytes(os.urandom(4), "big") / 2**32
