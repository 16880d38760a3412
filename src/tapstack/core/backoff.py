"""Waits between retries."""

from __future__ import annotations


def backoff_ms(attempt: int, jitter: float, *, base_ms: int = 25, cap_ms: int = 2_000) -> int:
    """Return the wait before retry number `attempt`: exponential with full jitter.

    AWS's own advice for contended writes: the spread matters more than the length [1]_.

    Parameters
    ----------
    attempt
        0 for the first retry.
    jitter
        A random number, ``0 <= jitter < 1``.
    base_ms, cap_ms
        Bounds of the widest wait: ``base_ms * 2**attempt``, at most ``cap_ms``.

    References
    ----------
    .. [1] https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/, read 2026-11-23
    """
    return int(min(cap_ms, base_ms * 2 ** min(attempt, 16)) * jitter)
