"""The producer for coroutines: the same worker, and no call that keeps the event loop waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, Unpack

from tapstack.core.events import EventType
from tapstack.errors import BufferFull
from tapstack.producer.blocking import TIMEOUT_MS, checked, offer
from tapstack.producer.events import Event
from tapstack.producer.options import Options, Policy, make_engine
from tapstack.producer.stamping import EventId
from tapstack.producer.stats import Stats
from tapstack.producer.transports import Transport

_P = ParamSpec("_P")
_T = TypeVar("_T")


class AsyncProducer:
    """`Producer` for coroutines; see there for everything that is not said here.

    Events are sent by a thread of its own. Where a call has to wait (for room, for the disk with
    ``journal_fsync="always"``, for answers), another thread waits, and the event loop goes on.

    Parameters
    ----------
    to, **options
        As of `Producer`.
    """

    def __init__(self, to: str | Transport, **options: Unpack[Options]) -> None:
        self._policy = Policy(options)
        self._engine = make_engine(to, options)
        self._waits_for_disk = options.get("journal_fsync") == "always"

    async def send(self, event: Event | Mapping[str, Any], *, tag: int = 0) -> EventId | None:
        """Take an event; see `Producer.send`. If it is cancelled while it waits, the event may be taken."""
        found = checked(event, self._engine)
        block_ms = self._policy.block_ms
        if not self._waits_for_disk:
            try:
                return offer(self._engine, self._policy, found, tag, 0)
            except BufferFull:
                if not block_ms:
                    raise
        return await _in_thread(offer, self._engine, self._policy, found, tag, block_ms)

    async def track(self, event_type: EventType, /, **fields: Any) -> EventId | None:
        """Take an event, given by its type and fields; see `Producer.track`."""
        return await self.send({**fields, "event_type": event_type})

    async def flush(self, timeout_ms: int = TIMEOUT_MS) -> bool:
        """Send everything that was taken so far at once; see `Producer.flush`."""
        return await _in_thread(self._engine.flush, timeout_ms)

    async def close(self, timeout_ms: int = TIMEOUT_MS) -> bool:
        """Flush, and end; see `Producer.close`."""
        return await _in_thread(self._engine.close, timeout_ms)

    @property
    def stats(self) -> Stats:
        """Return the counters."""
        return self._engine.stats

    @property
    def last_tag(self) -> int:
        """Return the tag of the event that was taken last; see `Producer.last_tag`."""
        return self._engine.last_tag

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _in_thread(act: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
    import asyncio  # whoever has no event loop does not pay for it: half of the package's import

    return await asyncio.to_thread(act, *arguments, **options)
