"""A collector that fails as told, and a clock that moves only when somebody waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Event, current_thread
from typing import Any, Literal

import msgspec

from tapstack.collector.intake import Result
from tapstack.errors import OutcomeUnknown, Unavailable
from tapstack.producer import Answer, Producer, TooLarge

NOW_MS = 1_764_500_000_123
TOO_OLD_NOTE = (
    "too_old: occurred_at is more than 30 days ago; the event is stored as a dead letter and not counted"
)

Outcome = Literal["ok", "refused", "lost answer", "half", "too large", "odd error"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "refused", "lost answer", "half", "too large", "odd error")


PATIENCE_S = 10.0  # of the machine's time, for what comes at once


class ManualClock:
    """Time passes only while the application waits: then at once, up to what the worker waits for."""

    def __init__(self) -> None:
        self.elapsed = 0
        self._worker_until: int | None = None

    def now_ms(self) -> int:
        return NOW_MS + self.elapsed

    def elapsed_ms(self) -> int:
        return self.elapsed

    def sleep_ms(self, duration_ms: int) -> None:
        self.elapsed += duration_ms

    def wait(self, changed: Condition, timeout_ms: int | None) -> None:
        if current_thread().name == "tapstack-producer":
            self._worker_until = None if timeout_ms is None else self.elapsed + timeout_ms
            changed.notify_all()
            changed.wait()
            self._worker_until = None
            return
        assert timeout_ms is not None
        if self._worker_until is not None:
            until = self.elapsed + timeout_ms
            self.elapsed = min(self._worker_until, until)
            changed.notify_all()
            if self.elapsed == until:
                return
        assert changed.wait(PATIENCE_S), "nothing changes"


class ImpatientClock(ManualClock):
    """What the application waits for does not come in time."""

    def wait(self, changed: Condition, timeout_ms: int | None) -> None:
        if current_thread().name == "tapstack-producer":
            changed.wait()
        else:
            self.elapsed += timeout_ms or 0


class FakeCollector:
    """Takes events as it is told, one outcome a request; ``ok`` when there are no more.

    Events whose ``query`` is ``bad`` are refused for good; ``old`` ones are taken and not counted.
    """

    def __init__(self, outcomes: Iterable[Outcome] = (), events_max: int = 1_000) -> None:
        self.outcomes = list(outcomes)
        self.events_max = events_max
        self.batches: list[list[bytes]] = []  # as they were sent
        self.stored: list[bytes] = []  # on the stream, copies too
        self.is_closed = False
        self.watch: Callable[[], None] = lambda: None  # called at every request

    def send(self, batch: Sequence[bytes]) -> Answer:
        self.watch()
        self.batches.append(list(batch))
        outcome = self.outcomes.pop(0) if self.outcomes else "ok"
        if outcome == "refused":
            raise Unavailable("no connection")
        if outcome == "odd error":
            raise ZeroDivisionError("of the transport's own")
        if outcome == "too large" or len(batch) > self.events_max:
            raise TooLarge(f"answered 413 to {len(batch)} events")
        results = [self._take(each, outcome == "half" and place % 2 == 1) for place, each in enumerate(batch)]
        if outcome == "lost answer":
            raise OutcomeUnknown("no answer")
        return Answer(results, problem="answered 503" if outcome == "half" else "")

    def close(self) -> None:
        self.is_closed = True

    def _take(self, event: bytes, is_throttled: bool) -> Result:
        if said(event).get("query") == "bad":
            return Result("invalid", "query", "expected a good one")
        if is_throttled:
            return Result("retry")
        is_known = event in self.stored
        self.stored.append(event)
        notes = [TOO_OLD_NOTE] if said(event).get("query") == "old" else []
        return Result("duplicate" if is_known else "ok", notes=notes)


class StuckCollector(FakeCollector):
    """Answers nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_answer = Event(), Event()

    def send(self, batch: Sequence[bytes]) -> Answer:
        self.asked.set()
        self.may_answer.wait(PATIENCE_S)
        return super().send(batch)


def said(event: bytes) -> dict[str, Any]:
    return dict(msgspec.json.decode(event))


def identity(event: bytes) -> tuple[Any, ...]:
    fields = said(event)
    return fields.get("client_id"), fields.get("n"), fields.get("event_id")


def never() -> float:
    """Draw no jitter: waits are the longest they can be."""
    return 0.999


def producer(to: Any, **options: Any) -> Producer:
    return Producer(to, **{"clock": ManualClock(), "jitter": never, **options})


def add_up(of: Producer) -> None:
    """Check that every event is somewhere, and in one place."""
    stats = of.stats
    settled = stats.delivered + stats.refused + stats.abandoned + stats.pending
    assert stats.accepted + stats.recovered == settled
