"""The shop's SDKs: requests posted to the collector, at a rate or as fast as it takes them.

Events answered ``retry``, and requests that ended in a 5xx or without an answer, are sent again unchanged.
Events answered ``ok`` or ``duplicate`` are reported to the ledger; a valid event that is refused, or never
answered, is reported with the reason. For a sample of users the time is measured from the answer to their
first event until the API shows them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from random import Random
from typing import Any, Protocol

import aiohttp
from yarl import URL

from tapstack_local.batches import MERGED_EVENTS_MAX, REQUEST_BYTES_MAX, Batch, Entry, batches, body_of
from tapstack_local.paths import path_segment
from tapstack_local.refusals import Refusals, Result, read_results
from tapstack_local.traffic import Request

AGENT = "tapstack-local"  # tells its requests from those of others
IN_FLIGHT_MAX = 16  # requests at once at full speed
PACED_IN_FLIGHT_MAX = 256  # at a rate: real visitors do not wait for each other
ATTEMPTS_MAX = 60  # then the sender gives up; with these waits that takes some minutes
BACKOFF_MIN_S = 0.05
BACKOFF_MAX_S = 5.0
ANSWER_TIMEOUT_S = 30.0
SAMPLE_EVERY_EVENTS = 40
SAMPLES_AT_ONCE_MAX = 256
SAMPLE_AGE_MAX = timedelta(days=1)
POLL_S = 0.02  # of one sample; many at once share POLLS_PER_S_MAX, so that looking does not slow what is seen
POLLS_PER_S_MAX = 200
VISIBLE_TIMEOUT_S = 120.0

Sleep = Callable[[float], Awaitable[None]]


class Ledger(Protocol):
    """Records what became of each event."""

    def accept(self, event: Mapping[str, Any]) -> None:
        """Record an event that the collector answered for."""
        ...

    def doubt(self, event: Mapping[str, Any]) -> None:
        """Record an event that was sent and never answered: it may be counted, or not."""
        ...

    def refuse(self, data: bytes) -> None:
        """Record what the collector refused for good, as it was sent."""
        ...


def no_schema(event: Mapping[str, Any]) -> str | None:  # noqa: ARG001 - it looks at none
    """Return None: there are no schemas."""
    return None


def never() -> bool:
    """Return False."""
    return False


@dataclass(slots=True)
class Sent:
    """What was sent, and what became of it.

    Parameters
    ----------
    events
        Events sent, not counting repetitions that the collector asked for.
    accepted
        Valid events answered ``ok`` or ``duplicate``.
    invalid, invalid_accepted
        Events that are invalid on purpose: refused, as they should be; answered ``ok`` or ``duplicate``.
    refused
        Valid events that the collector refused, alone or with their whole request.
    schema_refused
        Events that break a schema which has them refused, and were.
    unanswered
        Events that were sent again and again and never answered for. What is in none of these is under way.
    failures
        Why valid events were refused, or not answered for.
    repeated
        Events sent again because the collector asked for it or did not answer.
    requests
        Attempts, all of them.
    statuses
        HTTP statuses; 0 for no answer.
    visible_ms
        The sample: from the collector's answer until the API shows the event.
    never_visible
        Users of the sample that the API did not show within `VISIBLE_TIMEOUT_S`.
    started_s
        By the sender's clock.
    """

    events: int = 0
    accepted: int = 0
    invalid: int = 0
    invalid_accepted: int = 0
    refused: int = 0
    schema_refused: int = 0
    unanswered: int = 0
    failures: Refusals = field(default_factory=Refusals)
    repeated: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    visible_ms: list[float] = field(default_factory=list)
    never_visible: int = 0
    started_s: float = 0.0


class Sender:
    """Sends a stream of requests to one collector.

    Parameters
    ----------
    base_url
        Such as ``http://127.0.0.1:8080``.
    ledger
        Records accepted events.
    events_per_min
        The rate; None for as fast as possible.
    seed
        For the jitter of waits.
    sample_every_events
        About how many events lie between two whose visibility is timed.
    is_full
        Whether the pipeline has enough to do: at full speed nothing new is begun meanwhile, so that what is
        measured is the pipeline and not a queue that grows without bound.
    request_bytes_max
        How large a request's body may be.
    write_key
        Of each request; empty for none.
    breaks_schema
        Returns the schema for which an event has to be refused; None if it has not to be.
    clock, sleep
        Time, for tests.
    """

    def __init__(
        self,
        base_url: str,
        ledger: Ledger,
        *,
        events_per_min: float | None,
        seed: int = 0,
        sample_every_events: int = SAMPLE_EVERY_EVENTS,
        is_full: Callable[[], bool] = never,
        request_bytes_max: int = REQUEST_BYTES_MAX,
        write_key: str = "",
        breaks_schema: Callable[[Mapping[str, Any]], str | None] = no_schema,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.sent = Sent()
        self._base_url = base_url.rstrip("/")
        self._ledger = ledger
        self._events_per_s = None if events_per_min is None else events_per_min / 60
        self._random = Random(seed)  # noqa: S311 - jitter
        self._sample_every_events = sample_every_events
        self._is_full = is_full
        self._request_bytes_max = request_bytes_max
        self._headers = {"Content-Type": "application/json", "User-Agent": AGENT}
        if write_key:
            self._headers["X-Write-Key"] = write_key
        self._breaks_schema = breaks_schema
        self._clock = clock
        self._sleep = sleep
        self._stopped = False
        self._beginning: asyncio.Task[None] | None = None
        self._known: set[str] = set()
        self._next_sample = 0
        self._samples: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Begin nothing new and time no visibility; what is under way is brought to its end."""
        self._stopped = True
        if self._beginning is not None:
            self._beginning.cancel()
        for sample in self._samples:
            sample.cancel()

    async def run(self, requests: Iterable[Request]) -> Sent:
        """Send everything, and wait until all of it is answered and every sample is visible.

        Parameters
        ----------
        requests
            In order. At a rate, events are sent evenly over time, whatever their `at_ms`.

        Returns
        -------
        Sent
            Which is also `self.sent` all the while.
        """
        self.sent.started_s = self._clock()
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            try:
                async with asyncio.TaskGroup() as tasks:
                    self._beginning = tasks.create_task(self._begin(requests, session, tasks))
                await asyncio.gather(*self._samples, return_exceptions=True)
            except asyncio.CancelledError:
                await self._stop_sampling()
                raise
        return self.sent

    async def _begin(
        self, requests: Iterable[Request], session: aiohttp.ClientSession, tasks: asyncio.TaskGroup
    ) -> None:
        """Begin one delivery after the other, at the rate or as fast as answers come."""
        at_full_speed = self._events_per_s is None
        in_flight = asyncio.Semaphore(IN_FLIGHT_MAX if at_full_speed else PACED_IN_FLIGHT_MAX)
        for batch in batches(
            requests,
            merged_events_max=MERGED_EVENTS_MAX if at_full_speed else 0,
            request_bytes_max=self._request_bytes_max,
        ):
            await self._pace()
            await in_flight.acquire()
            if self._stopped:
                return
            self.sent.events += len(batch)
            task = tasks.create_task(self._deliver(session, batch))
            task.add_done_callback(lambda _: in_flight.release())

    async def _stop_sampling(self) -> None:
        for sample in self._samples:
            sample.cancel()
        await asyncio.gather(*self._samples, return_exceptions=True)

    async def _pace(self) -> None:
        if self._events_per_s is None:
            while self._is_full() and not self._stopped:
                await self._sleep(POLL_S)
            return
        wait_s = self.sent.started_s + self.sent.events / self._events_per_s - self._clock()
        if wait_s > 0:
            await self._sleep(wait_s)

    async def _deliver(self, session: aiohttp.ClientSession, batch: Batch) -> None:
        """Send events until each is answered for."""
        pending, why = batch, ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                self.sent.repeated += len(pending)
            pending, why, retry_after_s = await self._post(session, pending)
            if not pending:
                return
            wait_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2**attempt) * (0.5 + self._random.random() / 2)
            await self._sleep(max(wait_s, retry_after_s))
        self.sent.unanswered += len(pending)
        for entry in pending:
            self.sent.failures.add("unanswered", why, entry.where)
            if isinstance(entry.payload, dict):
                self._ledger.doubt(entry.payload)

    async def _post(self, session: aiohttp.ClientSession, batch: Batch) -> tuple[Batch, str, float]:
        """Send events once; return what has to be sent again, why, and after how many seconds at least."""
        self.sent.requests += 1
        try:
            async with session.post(
                f"{self._base_url}/v1/events", data=body_of(batch), headers=self._headers
            ) as answer:
                text = await answer.read()
                status = answer.status
                retry_after_s = _seconds(answer.headers.get("retry-after"))
        except (aiohttp.ClientError, TimeoutError):
            self.sent.statuses[0] += 1
            return batch, "no answer", 0.0
        self.sent.statuses[status] += 1
        results = read_results(status, text, len(batch))
        again = [
            entry
            for entry, result in zip(batch, results, strict=True)
            if not self._settle(session, entry, result)
        ]
        return again, f"answered {status}", retry_after_s

    def _settle(self, session: aiohttp.ClientSession, entry: Entry, result: Result) -> bool:
        """Take note of an answer; False if the event has to be sent again."""
        if result.status not in {"ok", "duplicate", "invalid"}:
            return False
        event = entry.payload if isinstance(entry.payload, dict) else None
        schema = None if event is None else self._breaks_schema(event)
        if result.status == "invalid":
            self._note_refused(entry, result, schema)
        elif event is None or schema is not None:
            self.sent.invalid_accepted += 1
            what = "invalid" if schema is None else f"it breaks the schema {schema}"
            self.sent.failures.add("accepted", f"{what}, and answered as stored", entry.where)
        else:
            self.sent.accepted += 1
            self._ledger.accept(event)
            self._maybe_sample(session, event)
        return True

    def _note_refused(self, entry: Entry, result: Result, schema: str | None) -> None:
        self._ledger.refuse(entry.data)
        if isinstance(entry.payload, bytes):
            self.sent.invalid += 1
        elif schema is not None:
            self.sent.schema_refused += 1
        else:
            self.sent.refused += 1
            self.sent.failures.add("refused", result.reason, entry.where)

    def _maybe_sample(self, session: aiohttp.ClientSession, event: Mapping[str, Any]) -> None:
        """Time the first event of a new user now and then."""
        who = event.get("user_id") or event.get("anonymous_id")
        if who is None or who in self._known:
            return
        self._known.add(who)
        if self._stopped or self.sent.accepted < self._next_sample:
            return
        if len(self._samples) >= SAMPLES_AT_ONCE_MAX:
            return
        if _is_old(event):
            return  # it may be stored as late, and then its user is never shown
        self._next_sample = self.sent.accepted + self._sample_every_events
        task = asyncio.create_task(self._time_visibility(session, who))
        self._samples.add(task)
        task.add_done_callback(self._samples.discard)

    async def _time_visibility(self, session: aiohttp.ClientSession, who: str) -> None:
        started_s = self._clock()
        url = URL(f"{self._base_url}/v1/users/{path_segment(who)}", encoded=True)
        while self._clock() - started_s < VISIBLE_TIMEOUT_S:
            try:
                async with session.get(url) as answer:
                    await answer.read()
                    if answer.status == 200:
                        self.sent.visible_ms.append((self._clock() - started_s) * 1_000)
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # a dropped answer; asked again
            await self._sleep(max(POLL_S, len(self._samples) / POLLS_PER_S_MAX))
        self.sent.never_visible += 1


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Return the median, the 99th percentile (nearest rank) and the maximum; None of nothing."""
    ranked = sorted(values)
    if not ranked:
        return {"p50": None, "p99": None, "max": None}
    shares = {"p50": 0.50, "p99": 0.99, "max": 1.0}
    return {name: round(ranked[ceil(len(ranked) * share) - 1], 1) for name, share in shares.items()}


def _is_old(event: Mapping[str, Any]) -> bool:
    occurred_at = event.get("occurred_at")
    if occurred_at is None:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(occurred_at) > SAMPLE_AGE_MAX


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() else 0.0
