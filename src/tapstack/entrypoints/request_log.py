"""What a function behind the load balancer logs: a summary once an interval, and trouble at once.

A line a request costs more than the request's events do in the stream. So requests are summed, for each
execution environment apart, and the first one after an interval writes the sums. What came in less than
an interval before an environment ends is not written: Lambda ends one that has no extension without a
signal [1]_. No alarm may need these sums; those on requests use metrics of Lambda and of the load balancer.

References
----------
.. [1] https://github.com/aws-samples/graceful-shutdown-with-aws-lambda, read 2026-11-29
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tapstack.entrypoints.log import is_written, write_line
from tapstack.metrics import Metric

WARNINGS_MAX = 20  # of one interval and execution environment; the sums say how many were left out


class _Sums(msgspec.Struct):
    """What is known of the requests since the last summary."""

    requests: int = 0
    answers: Counter[str] = msgspec.field(default_factory=Counter)
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    duration_ms: int = 0
    duration_max_ms: int = 0
    warnings: int = 0
    last_ms: int = 0


class RequestLog:
    """The log lines of one execution environment.

    Parameters
    ----------
    interval_s
        How often a summary is written; 0: after every request.
    metrics
        Which counts CloudWatch gets; a summary that carries metrics is written at every level.
    """

    def __init__(self, interval_s: int, metrics: Sequence[Metric] = ()) -> None:
        self._interval_ms = interval_s * 1_000
        self._metrics = metrics
        self._tells_each = is_written("DEBUG")
        self._written_ms = -math.inf
        self._sums = _Sums()

    def record(
        self,
        answer: Mapping[str, str | int],
        duration_ms: int,
        *,
        now_ms: int,
        counts: Mapping[str, int] | None = None,
        warnings: Iterable[Mapping[str, object]] = (),
        level: str = "WARNING",
    ) -> None:
        """Count a request, and write what is due.

        Parameters
        ----------
        answer
            What was asked and answered, in few different values and without any identifier.
        duration_ms
            How long it took.
        now_ms
            Unix time at its end, in milliseconds.
        counts
            By the names of metrics; a name that is missing counts as 0.
        warnings
            Lines to write at once.
        level
            Their level.
        """
        if self._sums.requests and not self._is_within(2 * self._interval_ms, now_ms):
            self._write_summary(self._sums.last_ms)  # the environment was frozen: these belong to before
        self._warn(level, warnings, now_ms)
        counted = counts or {}
        if self._tells_each:
            write_line("DEBUG", {**answer, **counted, "duration_ms": duration_ms}, now_ms=now_ms)
        sums = self._sums
        sums.requests += 1
        sums.answers[" ".join(map(str, answer.values()))] += 1
        for name, count in counted.items():
            sums.counts[name] += count
        sums.duration_ms += duration_ms
        sums.duration_max_ms = max(sums.duration_max_ms, duration_ms)
        sums.last_ms = now_ms
        if not self._is_within(self._interval_ms, now_ms):
            self._write_summary(now_ms)
            self._written_ms = now_ms

    def _is_within(self, ms: int, now_ms: int) -> bool:
        """Return whether the last summary is that recent; a clock that was put back makes it old."""
        return self._written_ms <= now_ms < self._written_ms + ms

    def _warn(self, level: str, warnings: Iterable[Mapping[str, object]], now_ms: int) -> None:
        for fields in warnings:
            if self._sums.warnings < WARNINGS_MAX:
                write_line(level, fields, now_ms=now_ms)
            self._sums.warnings += 1

    def _write_summary(self, at_ms: int) -> None:
        sums, self._sums = self._sums, _Sums()
        fields = {
            "requests": sums.requests,
            "answers": sums.answers,
            **{metric.name: sums.counts[metric.name] for metric in self._metrics},
            "duration_ms": sums.duration_ms,
            "duration_max_ms": sums.duration_max_ms,
            "warnings_left_out": max(0, sums.warnings - WARNINGS_MAX),
        }
        write_line("INFO", fields, metrics=self._metrics, now_ms=at_ms)
