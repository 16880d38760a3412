"""The producer for code that may wait."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, Unpack

from tapstack.core.events import EventType
from tapstack.errors import BufferFull
from tapstack.producer.engine import Engine
from tapstack.producer.events import Event
from tapstack.producer.options import Options, Policy, make_engine
from tapstack.producer.stamping import Checked, EventId, check
from tapstack.producer.stats import Stats
from tapstack.producer.transports import Transport

TIMEOUT_MS = 10_000
LAMBDA_MARGIN_MS = 500  # left of an invocation when it stops waiting for the last events
TAG_MAX = 2**64 - 1

_logger = logging.getLogger("tapstack.producer")

Result_co = TypeVar("Result_co", covariant=True)


class LambdaContext(Protocol):
    """What Lambda tells an invocation, as far as it is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the invocation may still run."""


class Producer:
    """Sends events in the background; safe to use from several threads.

    Parameters
    ----------
    to
        The load balancer's URL, such as ``http://events.internal``, or a transport: `Collector`, `Stream`.
    **options
        See `tapstack.producer.Options`.

    Raises
    ------
    ValueError
        Naming the option that is wrong.
    JournalInUse
        If another producer has the journal.

    Examples
    --------
    >>> with Producer("http://localhost:8080") as producer:  # doctest: +SKIP
    ...     producer.send(ItemView(user_id="u-1", items=[Item(item_id="sku-1", price=9.90, currency="EUR")]))
    ...     producer.track("search", user_id="u-1", query="shoes")
    """

    def __init__(self, to: str | Transport, **options: Unpack[Options]) -> None:
        self._policy = Policy(options)
        self._engine = make_engine(to, options)

    def send(self, event: Event | Mapping[str, Any], *, tag: int = 0) -> EventId | None:
        """Take an event; it is checked, timed and numbered here and now, and sent later.

        Parameters
        ----------
        event
            One of the types of `tapstack.producer`, or an object as docs/reference/events.md has it.
        tag
            A number for the application's own use, ``0..2**64 - 1``: `Refused` names it, and `last_tag`.

        Returns
        -------
        EventId or None
            The event's identity. None if there was no room and it was dropped.

        Raises
        ------
        InvalidEvent
            If the collector would refuse it; names the field.
        BufferFull
            If there is no room: the event was not taken.
        Closed
            If the producer was closed.
        OSError
            If the journal's disk failed: the event was not taken.
        """
        return offer(self._engine, self._policy, checked(event, self._engine), tag, self._policy.block_ms)

    def track(self, event_type: EventType, /, **fields: Any) -> EventId | None:
        """Take an event, given by its type and fields; see `send`."""
        return self.send({**fields, "event_type": event_type})

    def flush(self, timeout_ms: int = TIMEOUT_MS) -> bool:
        """Send everything that was taken so far at once, and wait until it is answered for.

        Returns
        -------
        bool
            Whether every event was delivered, or refused and reported. If not, the others are still being
            sent.
        """
        return self._engine.flush(timeout_ms)

    def close(self, timeout_ms: int = TIMEOUT_MS) -> bool:
        """Flush, and end. `with` does so, and the end of the process.

        Returns
        -------
        bool
            Whether every event was delivered, or refused and reported. If not, the others are in the journal;
            without one they are abandoned, and reported as `Refused`.
        """
        return self._engine.close(timeout_ms)

    def flush_after(
        self, handler: Callable[[Any, LambdaContext], Result_co]
    ) -> Callable[[Any, LambdaContext], Result_co]:
        """Decorate a Lambda handler: what it sent is delivered before the invocation ends.

        Lambda freezes the process between invocations, and may never thaw it. The flush takes at most the
        time that is left. If that does not suffice, it is logged, and what is left goes with the next
        invocation of this environment, if there is one.
        """

        @functools.wraps(handler)
        def flushing(event: Any, context: LambdaContext) -> Result_co:
            try:
                return handler(event, context)
            finally:
                left_ms = context.get_remaining_time_in_millis() - LAMBDA_MARGIN_MS
                if not self._engine.flush(max(0, left_ms)):
                    pending = self.stats.pending
                    _logger.error(
                        "%d events were not delivered before the invocation ended", pending,
                        extra={"events": pending},
                    )  # fmt: skip

        return flushing

    @property
    def stats(self) -> Stats:
        """Return the counters."""
        return self._engine.stats

    @property
    def last_tag(self) -> int:
        """Return the tag of the event that was taken last; with a journal also by an earlier process."""
        return self._engine.last_tag

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def checked(event: Event | Mapping[str, Any], engine: Engine) -> Checked:
    """Check an event, and log what is taken in another way than it was said."""
    found = check(event, engine.clock.now_ms())
    engine.log_notes(found.notes)
    return found


def offer(engine: Engine, policy: Policy, event: Checked, tag: int, block_ms: int) -> EventId | None:
    """Put an event into the queue, or drop it if the policy says so."""
    if not 0 <= tag <= TAG_MAX:
        raise ValueError(f"tag: expected a whole number from 0 to {TAG_MAX}, got {tag!r}")
    try:
        return engine.add(event, tag, block_ms)
    except BufferFull:
        if not policy.drops:
            raise
        dropped = engine.drop()
        if dropped.bit_count() == 1:  # 1, 2, 4, 8, ...: the log does not fill up with it
            _logger.warning("%d events were dropped: there is no room", dropped, extra={"events": dropped})
        return None
