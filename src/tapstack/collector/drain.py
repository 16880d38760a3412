"""The way back from the spill bucket: spilled records are put on the stream, then deleted from the bucket.

An object is deleted only when the stream has confirmed every record of it. A run that stops half-way, or that
works beside another one, puts records twice; the consumer recognises the second ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from tapstack import spill
from tapstack.collector.publish import Dependencies, publish
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import ObjectStore, StreamEntry
from tapstack.retry_budget import RetryBudget, retried


class DrainDependencies(Dependencies, frozen=True, kw_only=True):
    """The stream, the bucket, time."""

    spill: ObjectStore


class Report(msgspec.Struct, kw_only=True):
    """What a run did.

    Parameters
    ----------
    oldest_age_s
        How long ago the oldest object was spilled when the run began, seconds; 0 if there was none.
    objects, events
        What the stream holds now, and the bucket no longer.
    unreadable
        Objects that hold no spilled records, and stay where they are.
    reason
        Why the run stopped before the end; None if it did not.
    """

    oldest_age_s: int = 0
    objects: int = 0
    events: int = 0
    unreadable: int = 0
    reason: str | None = None


def drain(dependencies: DrainDependencies, remaining_ms: Callable[[], int]) -> Report:
    """Put what is spilled on the stream, the oldest first, for as long as there is time.

    Parameters
    ----------
    dependencies
        The stream, the bucket, time.
    remaining_ms
        Returns how long the invocation may still run.
    """
    report = Report()
    budget = RetryBudget(dependencies.clock, dependencies.jitter, remaining_ms)
    try:
        for key in _keys(dependencies.spill, budget):
            if not report.oldest_age_s:
                report.oldest_age_s = _age_s(key, dependencies.clock.now_ms())
            _drain_object(key, dependencies, budget, report)
    except Unavailable as error:
        report.reason = f"{type(error).__name__}: {error}"
    return report


def _keys(bucket: ObjectStore, budget: RetryBudget) -> Iterator[str]:
    after = ""
    while True:
        page = retried(budget, lambda after=after: bucket.list(spill.PREFIX, after=after))  # type: ignore[misc]
        yield from page.keys
        if page.is_last:
            return
        after = page.keys[-1]


def _age_s(key: str, now_ms: int) -> int:
    """Return the age of an object, at least 1; a day if its key is not ours, so that an alarm says so."""
    try:
        return max(1, (now_ms - spill.spilled_at_ms(key)) // 1000)
    except ValueError:
        return 86_400


def _drain_object(key: str, dependencies: DrainDependencies, budget: RetryBudget, report: Report) -> None:
    body = retried(budget, lambda: dependencies.spill.get(key))
    if body is None:
        return  # another run was faster
    try:
        entries = spill.decode(body)
    except msgspec.DecodeError:
        report.unreadable += 1
        return
    _put_all(entries, dependencies, budget)
    retried(budget, lambda: dependencies.spill.delete(key))
    report.objects += 1
    report.events += len(entries)


def _put_all(entries: Sequence[StreamEntry], dependencies: DrainDependencies, budget: RetryBudget) -> None:
    """Put records until the stream has confirmed every one; raises `Unavailable` if it does not in time."""
    left = dict(enumerate(entries))
    failures = waits = 0
    while left:
        budget.check()
        stored = publish(left, dependencies)
        failures = 0 if stored else failures + 1
        left = {position: entry for position, entry in left.items() if position not in stored}
        if left:
            budget.pause(waits, Throttled("the stream did not take all spilled records"), failures)
            waits += 1
