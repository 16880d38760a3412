"""The worker: one thread that sends what waits, and the lock between it and the application."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Thread

from tapstack.collector.intake import Result
from tapstack.errors import BufferFull, TapstackError
from tapstack.producer import process_hooks
from tapstack.producer.delivery import Delivery, Limits
from tapstack.producer.journal import Journal
from tapstack.producer.journal_folder import JournalInUse
from tapstack.producer.queues import Entry, Queue
from tapstack.producer.refusals import DeadLetters, Refused
from tapstack.producer.stamping import Checked, EventId, Numbers, encode
from tapstack.producer.stats import Stats
from tapstack.producer.system import Clock
from tapstack.producer.transports import Answer, TooLarge, Transport

EXIT_TIMEOUT_MS = 5_000  # how long the end of the process waits for the last events
NOTES_LOGGED_MAX = 100  # different ones

_logger = logging.getLogger("tapstack.producer")


class Closed(ValueError):  # noqa: N818 - likewise named as what happened
    """The producer was closed; it takes no more events."""


class Engine:
    """What `Producer` and `AsyncProducer` share; safe to use from several threads.

    Parameters
    ----------
    make_queue
        Makes the queue; once more in a forked child, if the queue is in memory.
    transport
        Where events go.
    limits
        When they are sent.
    dead_letters
        Where refused ones are kept.
    on_refused
        Told of each refused one, in the worker's thread; it must not wait for the producer.
    clock, jitter
        Time and chance.
    """

    def __init__(
        self,
        make_queue: Callable[[], Queue],
        transport: Transport,
        limits: Limits,
        *,
        dead_letters: DeadLetters | None,
        on_refused: Callable[[Refused], None] | None,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._make_queue = make_queue
        self._transport = transport
        self._limits = limits
        self._dead_letters = dead_letters
        self._on_refused = on_refused
        self.clock = clock
        self._jitter = jitter
        self._notes: set[str] = set()
        self._begin()
        process_hooks.hook(self)

    def _begin(self) -> None:
        self._changed = Condition()
        self._queue = self._make_queue()
        self._delivery = Delivery(self._queue, self._limits, self._jitter)
        self._numbers = Numbers(self.clock.now_ms)
        self._counts: Counter[str] = Counter(recovered=self._delivery.waiting)
        self._first = self._queue.end
        self._problem = ""
        self._under_way: Sequence[Entry] = ()
        self._worker: Thread | None = None
        self._is_closed = self._is_forked = False
        if self._queue.count:
            self._start_worker()

    @property
    def is_durable(self) -> bool:
        """Whether what waits outlives the process."""
        return isinstance(self._queue, Journal)

    @property
    def last_tag(self) -> int:
        """Return the tag of the event that was added last; with a journal also by an earlier process."""
        return self._queue.last_tag

    @property
    def stats(self) -> Stats:
        """Return the counters."""
        with self._changed:
            damaged_bytes = self._queue.damaged_bytes if isinstance(self._queue, Journal) else 0
            # Not the queue's count: that holds what is answered for behind an event that is not.
            pending = len(self._under_way) + self._delivery.waiting
            return Stats(
                **self._counts,
                accepted=self._queue.end - self._first,
                pending=pending,
                damaged_bytes=damaged_bytes,
                last_problem=self._problem,
            )

    def add(self, checked: Checked, tag: int, block_ms: int) -> EventId:
        """Put an event into the queue, with its number.

        Parameters
        ----------
        checked
            The event.
        tag
            The application's number of it.
        block_ms
            How long to wait for room.

        Raises
        ------
        BufferFull
            If there is no room in time.
        InvalidEvent
            If it is too large.
        Closed
            If the producer was closed.
        """
        until_ms = self.clock.elapsed_ms() + block_ms
        with self._changed:
            while True:
                try:
                    return self._add(checked, tag)
                except BufferFull:
                    left_ms = until_ms - self.clock.elapsed_ms()
                    if left_ms <= 0:
                        raise
                self._delivery.flush()
                self._changed.notify_all()
                self.clock.wait(self._changed, left_ms)

    def _add(self, checked: Checked, tag: int) -> EventId:
        self._check_open()
        self._start_worker()
        data, event_id = encode(checked, self._numbers)
        # Before the event is in the queue: a signal that ends this call between the two leaves a hole. The
        # other way round the next event would have the same number, and be taken for a copy.
        if checked.user is not None:
            self._numbers.take(checked.user)
        try:
            self._queue.append(data, tag)
        except (BufferFull, OSError):
            if checked.user is not None:
                self._numbers.give_back(checked.user)
            raise
        now_ms = self.clock.elapsed_ms()
        is_first = self._delivery.added(now_ms)  # then the worker may wait without end
        if is_first or self._delivery.due_in_ms(now_ms) == 0:
            self._changed.notify_all()
        return event_id

    def drop(self) -> int:
        """Count an event that was not taken for want of room; return how many there were."""
        with self._changed:
            self._counts["dropped"] += 1
            return self._counts["dropped"]

    def flush(self, timeout_ms: int) -> bool:
        """Send everything at once; return whether all of it was answered for in time."""
        until_ms = self.clock.elapsed_ms() + timeout_ms
        with self._changed:
            if self._is_closed:
                return not self._queue.count
            position = self._delivery.flush()
            if not self._delivery.is_settled(position):
                self._start_worker()
                self._changed.notify_all()
            while not self._delivery.is_settled(position) and not self._is_closed:
                left_ms = until_ms - self.clock.elapsed_ms()
                if left_ms <= 0:
                    return False
                self.clock.wait(self._changed, left_ms)
            return self._delivery.is_settled(position)

    def close(self, timeout_ms: int) -> bool:
        """Send everything at once, and end; return whether all of it was answered for in time.

        What was not stays in the journal, or is abandoned: given to `on_refused` and the dead letters.
        """
        is_whole = self.flush(timeout_ms)
        with self._changed:
            if self._is_closed:
                return is_whole
            is_whole = not self._queue.count  # another thread may have added something meanwhile
            self._is_closed = True
            self._changed.notify_all()
            left: list[Entry] = []
            if not self.is_durable:
                left = [*self._under_way, *self._delivery.rest()]
                self._under_way = ()
            self._counts["abandoned"] = len(left)
            self._queue.close()
        process_hooks.unhook(self)
        self._abandon(left)
        self._transport.close()
        if not is_whole and self.is_durable:
            waiting = self.stats.pending
            _logger.warning(
                "%d events were not delivered in time; they are in the journal", waiting,
                extra={"events": waiting},
            )  # fmt: skip
        return is_whole

    def at_exit(self) -> None:
        """Close; see `process_hooks.Hooked`."""
        if not self._is_forked:
            self.close(EXIT_TIMEOUT_MS)

    def after_fork(self) -> None:
        """Begin anew with nothing; see `process_hooks.Hooked`."""
        if isinstance(self._queue, Journal):
            self._queue.abandon()
            self._changed = Condition()
            self._is_forked = self._is_closed = True
            self._counts.clear()
            self._first = self._queue.end
        else:
            self._begin()

    def _check_open(self) -> None:
        if self._is_forked:
            raise JournalInUse(
                "this process was forked from the one that has the journal: make a producer of its own here"
            )
        if self._is_closed:
            raise Closed("the producer was closed")

    def _start_worker(self) -> None:
        if self._worker is None or not self._worker.is_alive():
            self._worker = Thread(target=self._work, name="tapstack-producer", daemon=True)
            self._worker.start()

    # The worker's thread.

    def _work(self) -> None:
        while batch := self._next():
            self._send(batch)

    def _next(self) -> Sequence[Entry]:
        """Wait for a batch; empty when the producer was closed."""
        with self._changed:
            while not self._is_closed:
                due_in_ms = self._delivery.due_in_ms(self.clock.elapsed_ms())
                if due_in_ms == 0:
                    try:
                        self._under_way = self._delivery.begin(self.clock.elapsed_ms())
                    except OSError as error:
                        self._fail((), f"the journal cannot be read: {error.strerror}")
                        continue
                    self._counts["requests"] += 1
                    return self._under_way
                self.clock.wait(self._changed, due_in_ms)
            return ()

    def _send(self, batch: Sequence[Entry]) -> None:
        """Send a batch, and take note of what became of it; whatever goes wrong, it is not lost."""
        try:
            answer = self._transport.send([entry.data for entry in batch])
        except TooLarge as error:
            if self._halve(batch):
                return
            answer = Answer([Result("invalid", None, str(error))])
        except TapstackError as error:
            self._fail(batch, str(error))
            return
        except Exception as error:  # noqa: BLE001 - a transport may be anybody's, and events must not end with it
            self._fail(batch, type(error).__name__)
            return
        if self._is_closed:
            return  # its events are abandoned by now, or the next process sends them again
        if len(answer.results) != len(batch):
            self._fail(batch, f"{len(answer.results)} results for {len(batch)} events")
            return
        refused = _refused(batch, answer)
        try:
            if self._dead_letters is not None:
                self._dead_letters.write(refused)
        except OSError as error:
            self._fail(batch, f"the file of dead letters cannot be written: {error.strerror}")
            return
        self._tell(refused)  # before it is settled: a flush that returned has reported everything
        for result in answer.results:
            self.log_notes(result.notes)
        self._end(batch, answer)

    def _end(self, batch: Sequence[Entry], answer: Answer) -> None:
        with self._changed:
            if self._is_closed:
                return
            settled = self._delivery.end(batch, answer, self.clock.elapsed_ms())
            self._counts["delivered"] += settled.delivered
            self._counts["duplicates"] += settled.duplicates
            self._counts["too_old"] += settled.too_old
            self._counts["refused"] += settled.refused
            self._after_request(again=settled.again, problem=answer.problem)
        if settled.again:
            _log_failure(answer.problem, settled.again, settled.failures, settled.wait_ms)

    def log_notes(self, notes: Iterable[str]) -> None:
        """Log what of an event is not taken as it was said, or not counted: each kind once."""
        for note in notes:
            if note not in self._notes and len(self._notes) < NOTES_LOGGED_MAX:
                self._notes.add(note)
                _logger.warning("%s", note, extra={"note": note})

    def _fail(self, batch: Sequence[Entry], problem: str) -> None:
        with self._changed:
            if self._is_closed:
                return
            wait_ms = self._delivery.fail(batch, self.clock.elapsed_ms())
            failures = self._delivery.failures
            self._after_request(again=len(batch), problem=problem)
        _log_failure(problem, len(batch), failures, wait_ms)

    def _halve(self, batch: Sequence[Entry]) -> bool:
        with self._changed:
            if self._is_closed or not self._delivery.halve(batch):
                return self._is_closed
            self._after_request(again=len(batch), problem="the batch was too large")
            return True

    def _after_request(self, *, again: int, problem: str) -> None:
        self._under_way = ()
        self._counts["repeated"] += again
        if again:
            self._counts["failed_requests"] += 1
            self._problem = problem
        self._changed.notify_all()

    def _tell(self, refused: Sequence[Refused]) -> None:
        """Report events that will not be delivered, to the application and to the log."""
        if not refused:
            return
        first = refused[0]
        _logger.error(
            "%d events are %s; the first: %s: %s",
            len(refused), first.code, first.field or "event", first.reason,
            extra={"events": len(refused), "code": first.code, "field": first.field, "reason": first.reason},
        )  # fmt: skip
        for each in refused:
            try:
                if self._on_refused is not None:
                    self._on_refused(each)
            except Exception as error:  # noqa: BLE001 - the application's own code; the others must be told too
                _logger.error("on_refused failed: %s", type(error).__name__)  # noqa: TRY400 - a traceback may show the event

    def _abandon(self, left: Sequence[Entry]) -> None:
        abandoned = [
            Refused(code="abandoned", reason="it was not answered for in time", event=e.data, tag=e.tag)
            for e in left
        ]
        try:
            if self._dead_letters is not None:
                self._dead_letters.write(abandoned)
        except OSError as error:
            _logger.error("the file of dead letters cannot be written: %s", error.strerror)  # noqa: TRY400
        self._tell(abandoned)


def _refused(batch: Sequence[Entry], answer: Answer) -> list[Refused]:
    return [
        Refused(code="invalid", field=result.field, reason=result.reason, event=entry.data, tag=entry.tag)
        for entry, result in zip(batch, answer.results, strict=True)
        if result.status == "invalid"
    ]


def _log_failure(problem: str, events: int, failures: int, wait_ms: int) -> None:
    _logger.warning(
        "%d events were not delivered (%s); again in %d ms", events, problem, wait_ms,
        extra={"events": events, "problem": problem, "failures": failures, "wait_ms": wait_ms},
    )  # fmt: skip
