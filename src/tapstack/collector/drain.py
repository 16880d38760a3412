"""The way back from the spill bucket: spilled records are put on the stream, then deleted from the bucket.

An object is deleted only when the stream has confirmed every record of it. A run that stops half-way, or that
works beside another one, puts records twice; the consumer recognises the second ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from tapstack import spill
from tapstack.collector.publish import PUT_BYTES_MAX, PUT_RECORDS_MAX, Dependencies, publish
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import SpillStore, StreamEntry
from tapstack.retry_budget import RetryBudget, retried

READ_AT_ONCE = 32  # objects; one is as large as a request may be


class DrainDependencies(Dependencies, frozen=True, kw_only=True):
    """The stream, the bucket, time."""

    spill: SpillStore


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
        for keys in _keys(dependencies.spill, budget):
            if not report.oldest_age_s:
                report.oldest_age_s = _age_s(keys[0], dependencies.clock.now_ms())
            for objects in _calls(_read(keys, dependencies.spill, budget, report)):
                _move(objects, dependencies, budget, report)
    except Unavailable as error:
        report.reason = f"{type(error).__name__}: {error}"
    return report


class _Object(NamedTuple):
    """An object of the bucket: what a request spilled."""

    key: str
    entries: Sequence[StreamEntry]
    size: int  # bytes


def _keys(bucket: SpillStore, budget: RetryBudget) -> Iterator[Sequence[str]]:
    """List what is spilled, the oldest first, some keys at a time."""
    after = ""
    while True:
        page = retried(budget, lambda after=after: bucket.list(spill.PREFIX, after=after))  # type: ignore[misc]
        for start in range(0, len(page.keys), READ_AT_ONCE):
            yield page.keys[start : start + READ_AT_ONCE]
        if page.is_last:
            return
        after = page.keys[-1]


def _age_s(key: str, now_ms: int) -> int:
    """Return the age of an object, at least 1; a day if its key is not ours, so that an alarm says so."""
    try:
        return max(1, (now_ms - spill.spilled_at_ms(key)) // 1000)
    except ValueError:
        return 86_400


def _read(keys: Sequence[str], bucket: SpillStore, budget: RetryBudget, report: Report) -> Iterator[_Object]:
    for key, body in zip(keys, retried(budget, lambda: bucket.get_each(keys)), strict=True):
        if body is None:
            continue  # another run was faster
        try:
            yield _Object(key, spill.decode(body), len(body))
        except msgspec.DecodeError:
            report.unreadable += 1


def _calls(objects: Iterator[_Object]) -> Iterator[Sequence[_Object]]:
    """Cut objects into groups that one call takes; one that is larger is a group by itself."""
    group: list[_Object] = []
    records = size = 0
    for each in objects:
        records += len(each.entries)
        size += each.size
        if group and (records > PUT_RECORDS_MAX or size > PUT_BYTES_MAX):
            yield group
            group, records, size = [], len(each.entries), each.size
        group.append(each)
    if group:
        yield group


def _move(
    objects: Sequence[_Object], dependencies: DrainDependencies, budget: RetryBudget, report: Report
) -> None:
    entries = [entry for each in objects for entry in each.entries]
    keys = [each.key for each in objects]
    _put_all(entries, dependencies, budget)
    retried(budget, lambda: dependencies.spill.delete_each(keys))
    report.objects += len(objects)
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
