"""What is sent when, and what is sent again: decisions on a queue, without threads, clocks or network.

One batch is under way at a time. What has to be sent again goes before what was never sent, in its old order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tapstack.collector.intake import is_too_old
from tapstack.core.backoff import backoff_ms
from tapstack.producer.queues import Entry, Queue
from tapstack.producer.transports import Answer

BACKOFF_BASE_MS = 200
BACKOFF_CAP_MS = 30_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When events are sent.

    Parameters
    ----------
    batch_events_max, batch_bytes_max
        The largest batch, ``>= 1`` each; its last event may go beyond the bytes.
    flush_interval_ms
        How long an event waits for others at most, ``>= 0``.
    """

    batch_events_max: int
    batch_bytes_max: int
    flush_interval_ms: int


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch.

    Parameters
    ----------
    delivered
        How many are safe; `duplicates` of them were before, and `too_old` of them are not counted.
    refused
        How many will never be accepted.
    again
        How many have to be sent again.
    wait_ms
        How long nothing is sent now.
    failures
        How many batches in a row were not delivered whole.
    """

    delivered: int
    duplicates: int
    too_old: int
    refused: int
    again: int
    wait_ms: int
    failures: int


class Delivery:
    """The state of sending.

    Parameters
    ----------
    queue
        Where events wait.
    limits
        When they are sent.
    jitter
        Gives random numbers, ``0 <= x < 1``.
    """

    def __init__(self, queue: Queue, limits: Limits, jitter: Callable[[], float]) -> None:
        self._queue = queue
        self._limits = limits
        self._jitter = jitter
        self._events_max = limits.batch_events_max  # less while batches are too large
        self._again: list[Entry] = []  # in their order
        self._under_way = False
        self._waiting_since_ms: int | None = None  # what was found in the queue has waited long enough
        self._not_before_ms = 0
        self._flush_to = 0
        self._failures = 0

    def added(self, now_ms: int) -> bool:
        """Take note that the queue has an event more; return whether it is the first that was not taken."""
        is_first = self._queue.end - self._queue.unread == 1
        if is_first:
            self._waiting_since_ms = now_ms
        return is_first

    def rest(self) -> list[Entry]:
        """Take everything that waits and is not under way."""
        rest, self._again = self._again, []
        while more := self._queue.take(self._limits.batch_events_max, self._limits.batch_bytes_max):
            rest += more
        return rest

    @property
    def waiting(self) -> int:
        """Return how many events are to be sent, those under way apart."""
        return len(self._again) + self._queue.end - self._queue.unread

    def flush(self) -> int:
        """Have everything sent as soon as it may; return the position up to which that is."""
        self._flush_to = self._queue.end
        return self._flush_to

    def is_settled(self, position: int) -> bool:
        """Return whether everything before a position is delivered or refused."""
        return self._queue.settled >= position

    def due_in_ms(self, now_ms: int) -> int | None:
        """Return when a batch is due: 0 now; None: not before something changes."""
        if self._under_way or not (self._again or self._queue.unread < self._queue.end):
            return None
        pause_ms = max(0, self._not_before_ms - now_ms)
        if self._again or self._is_full() or self._flush_to > self._queue.settled:
            return pause_ms
        since_ms = self._waiting_since_ms or 0
        return max(pause_ms, since_ms + self._limits.flush_interval_ms - now_ms, 0)

    def begin(self, now_ms: int) -> list[Entry]:
        """Take the batch that is due.

        Raises
        ------
        OSError
            If the queue cannot be read; nothing was taken.
        """
        batch, self._again = self._again[: self._events_max], self._again[self._events_max :]
        room = self._events_max - len(batch)
        room_bytes = self._limits.batch_bytes_max - sum([len(entry.data) for entry in batch])
        if not self._again and room > 0 and (room_bytes > 0 or not batch):
            try:
                batch += self._queue.take(room, room_bytes)
            except OSError:
                self._again = batch
                raise
        self._under_way = True
        self._waiting_since_ms = now_ms
        return batch

    def end(self, batch: Sequence[Entry], answer: Answer, now_ms: int) -> Settled:
        """Take note of an answer, and settle what is done.

        Parameters
        ----------
        batch
            As `begin` returned it.
        answer
            With a result for each.
        now_ms
            The time.
        """
        again = [e for e, result in zip(batch, answer.results, strict=True) if result.status == "retry"]
        refused = sum([result.status == "invalid" for result in answer.results])
        duplicates = sum([result.status == "duplicate" for result in answer.results])
        too_old = sum([is_too_old(result) for result in answer.results if result.status != "retry"])
        wait_ms = self._pause(answer.retry_after_ms, is_progress=len(again) < len(batch)) if again else 0
        if not again:
            self._failures = 0
            self._events_max = min(2 * self._events_max, self._limits.batch_events_max)
        self._not_before_ms = now_ms + wait_ms
        self._put_back(again)
        return Settled(
            delivered=len(batch) - len(again) - refused,
            duplicates=duplicates,
            too_old=too_old,
            refused=refused,
            again=len(again),
            wait_ms=wait_ms,
            failures=self._failures,
        )

    def fail(self, batch: Sequence[Entry], now_ms: int) -> int:
        """Take note that a batch has to be sent again whole; return how long nothing is sent now."""
        wait_ms = self._pause(0, is_progress=False)
        self._not_before_ms = now_ms + wait_ms
        self._put_back(batch)
        return wait_ms

    def halve(self, batch: Sequence[Entry]) -> bool:
        """Take note that a batch was too large; False if it was of one event, and nothing was noted."""
        if len(batch) == 1:
            return False
        self._events_max = max(1, len(batch) // 2)
        self._put_back(batch)
        return True

    @property
    def failures(self) -> int:
        """Return how many batches in a row were not delivered whole."""
        return self._failures

    def _is_full(self) -> bool:
        waiting = self._queue.end - self._queue.unread
        return waiting >= self._events_max or self._queue.unread_bytes >= self._limits.batch_bytes_max

    def _pause(self, retry_after_ms: int, *, is_progress: bool) -> int:
        self._failures = 1 if is_progress else self._failures + 1
        wait_ms = backoff_ms(
            self._failures - 1, self._jitter(), base_ms=BACKOFF_BASE_MS, cap_ms=BACKOFF_CAP_MS
        )
        return max(wait_ms, retry_after_ms)

    def _put_back(self, again: Sequence[Entry]) -> None:
        self._under_way = False
        self._again = [*again, *self._again]
        self._queue.settle(self._again[0].position if self._again else self._queue.unread)
