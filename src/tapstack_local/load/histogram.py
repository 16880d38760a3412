"""Latencies in buckets, each 2 % wider than the one below: few numbers, whatever the count."""

from __future__ import annotations

import math
from collections import Counter

RATIO = 1.02
SMALLEST_MS = 0.01


class Histogram:
    """Durations; what it returns is at most 2 % too high, and never too low."""

    def __init__(self) -> None:
        self.count = 0
        self.max_ms = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, duration_ms: float) -> None:
        """Add a duration in milliseconds, ``>= 0``."""
        self.count += 1
        self.max_ms = max(self.max_ms, duration_ms)
        self._buckets[_bucket(duration_ms)] += 1

    def percentile_ms(self, percent: float) -> float:
        """Return the duration that so many of a hundred do not exceed; 0 if there is none."""
        wanted, found = math.ceil(self.count * percent / 100), 0
        for bucket in sorted(self._buckets):
            found += self._buckets[bucket]
            if found >= wanted:
                return min(SMALLEST_MS * RATIO**bucket, self.max_ms)
        return 0.0

    def between(self, low_ms: float, high_ms: float) -> int:
        """Return how many durations are in the buckets from one limit up to below another."""
        low, high = _bucket(low_ms), _bucket(high_ms)
        return sum(count for bucket, count in self._buckets.items() if low <= bucket < high)


def _bucket(duration_ms: float) -> int:
    """Return the number of the bucket whose upper end holds a duration."""
    if duration_ms <= SMALLEST_MS:
        return 0
    return math.ceil(math.log(duration_ms / SMALLEST_MS) / math.log(RATIO) - 1e-9)
