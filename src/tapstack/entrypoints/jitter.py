"""Random numbers: for waits that do not coincide, and for names that nobody else gets."""

from __future__ import annotations

import os


def jitter() -> float:
    """Return a random number, ``0 <= x < 1``; importing `random` would add 3 ms to a cold start."""
    return int.from_bytes(os.urandom(4), "big") / 2**32


def unique() -> str:
    """Return 32 hexadecimal digits that nobody else gets."""
    return os.urandom(16).hex()
