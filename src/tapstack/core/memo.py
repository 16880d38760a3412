"""A cache of a pure function's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Memo(dict[K, V]):
    """A pure function's values by its argument, read as ``memo[key]``.

    `functools.lru_cache` does the same and keeps an order of last use besides, for which a value that is
    there costs 1,200 instructions (callgrind, Python 3.11, 2026-11-26).

    Parameters
    ----------
    make
        The function.
    keys_max
        How many values are kept, ``>= 1``; at one more, all are forgotten.
    """

    def __init__(self, make: Callable[[K], V], keys_max: int) -> None:
        super().__init__()
        self._make = make
        self._keys_max = keys_max

    def __missing__(self, key: K) -> V:
        """Compute the value."""
        value = self._make(key)
        if len(self) >= self._keys_max:
            self.clear()
        self[key] = value
        return value
