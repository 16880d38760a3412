"""PutObject, again while the bucket fails, within a budget of time and attempts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tapstack import spill
from tapstack.collector.publish import Dependencies
from tapstack.core.backoff import backoff_ms
from tapstack.errors import Unavailable
from tapstack.ports import ObjectWriter, StreamEntry

ATTEMPTS_MAX = 4
RETRY_BUDGET_MS = 2_000  # no attempt begins later than that after the first


class CollectorDependencies(Dependencies, frozen=True, kw_only=True):
    """What the collector depends on: the stream, and what it keeps beside it.

    Parameters
    ----------
    quarantine
        Keeps refused events.
    spill
        Keeps accepted events that the stream does not take.
    unique
        Gives a name of letters and digits that nobody else gets.
    """

    quarantine: ObjectWriter
    spill: ObjectWriter
    unique: Callable[[], str]


def put_object(bucket: ObjectWriter, key: str, body: bytes, dependencies: Dependencies) -> bool:
    """Store an object; return whether the bucket is known to hold it."""
    clock = dependencies.clock
    until_ms = clock.now_ms() + RETRY_BUDGET_MS
    for attempt in range(ATTEMPTS_MAX):
        if attempt:
            clock.sleep_ms(backoff_ms(attempt - 1, dependencies.jitter()))
            if clock.now_ms() > until_ms:
                break
        try:
            bucket.put(key, body)
        except Unavailable:
            continue  # if it was stored after all, the next attempt replaces it by the same
        return True
    return False


def put_spilled(entries: Mapping[int, StreamEntry], dependencies: CollectorDependencies) -> bool:
    """Store records that the stream did not take, in one object; return whether it is known to be stored."""
    key = spill.object_key(dependencies.clock.now_ms(), dependencies.unique())
    return put_object(dependencies.spill, key, spill.encode(entries.values()), dependencies)
