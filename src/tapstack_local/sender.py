"""The shop's SDKs: requests posted to the collector, at a rate or as fast as it takes them.

What the collector asks for again is sent again, unchanged: entries answered ``retry``, whole requests that
ended in a 5xx or in silence. What was answered ``ok`` or ``duplicate`` is told to the ledger. For a sample
of users the time is taken from the answer to their first event until the API shows them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from random import Random
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
import msgspec

from tapstack_local.traffic import Request
from tapstack_local.traffic.sins import NOT_JSON, Payload

AGENT = "tapstack-local"  # by which its requests are known from those of others
IN_FLIGHT_MAX = 16  # requests at once at full speed
PACED_IN_FLIGHT_MAX = 256  # at a rate: real visitors do not wait for each other
MERGED_EVENTS_MAX = 50  # of one request at full speed
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
_encoder = msgspec.json.Encoder()


class Ledger(Protocol):
    """Who is told what became of each event."""

    def accept(self, event: Mapping[str, Any]) -> None:
        """Take note of an event that the collector answered for."""
        ...

    def doubt(self, event: Mapping[str, Any]) -> None:
        """Take note of an event that was sent and never answered for: it may count, or not."""
        ...


def never() -> bool:
    """Say no."""
    return False


@dataclass(slots=True)
class Sent:
    """What was sent, and what became of it.

    Parameters
    ----------
    events
        Events sent, not counting repetitions that the collector asked for.
    accepted, invalid, unanswered
        How they were answered; the rest is under way.
    repeated
        Events sent again because the collector asked for it or did not answer.
    requests
        Attempts, all of them.
    statuses
        HTTP statuses; 0 for no answer.
    visible_ms
        The sample: from the collector's answer until the API shows the event.
    started_s
        By the sender's clock.
    """

    events: int = 0
    accepted: int = 0
    invalid: int = 0
    unanswered: int = 0
    repeated: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    visible_ms: list[float] = field(default_factory=list)
    started_s: float = 0.0


class Sender:
    """Sends a stream of requests to one collector.

    Parameters
    ----------
    base_url
        Such as ``http://127.0.0.1:8080``.
    ledger
        Is told of accepted events.
    events_per_min
        The rate; None for as fast as possible.
    seed
        For the jitter of waits.
    sample_every_events
        About how many events lie between two whose visibility is timed.
    is_full
        Whether the pipeline has enough to do: at full speed nothing new is begun meanwhile, so that what is
        measured is the pipeline and not a queue that grows without bound.
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
        self._clock = clock
        self._sleep = sleep
        self._stopped = False
        self._known: set[str] = set()
        self._next_sample = 0
        self._samples: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Begin nothing new; what is under way is brought to its end."""
        self._stopped = True

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
        sent = self.sent
        sent.started_s = self._clock()
        merged = requests if self._events_per_s is not None else _merge(requests)
        in_flight = asyncio.Semaphore(IN_FLIGHT_MAX if self._events_per_s is None else PACED_IN_FLIGHT_MAX)
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for request in merged:
                        await self._pace()
                        await in_flight.acquire()
                        if self._stopped:
                            break
                        sent.events += len(request.events)
                        task = tasks.create_task(self._deliver(session, request.events))
                        task.add_done_callback(lambda _: in_flight.release())
                await asyncio.gather(*self._samples)
            except asyncio.CancelledError:
                await self._stop_sampling()
                raise
        return sent

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

    async def _deliver(self, session: aiohttp.ClientSession, events: Sequence[Payload]) -> None:
        """Send events until each is answered for."""
        pending = list(events)
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                self.sent.repeated += len(pending)
            pending, retry_after_s = await self._post(session, pending)
            if not pending:
                return
            wait_s = min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2**attempt) * (0.5 + self._random.random() / 2)
            await self._sleep(max(wait_s, retry_after_s))
        self.sent.unanswered += len(pending)
        for event in pending:
            if isinstance(event, dict):
                self._ledger.doubt(event)

    async def _post(
        self, session: aiohttp.ClientSession, events: Sequence[Payload]
    ) -> tuple[list[Payload], float]:
        """Send events once; tell which have to be sent again, and after how many seconds at least."""
        encoded = [event if isinstance(event, bytes) else _encoder.encode(event) for event in events]
        body = b"[" + b",".join(encoded) + b"]"
        headers = {"Content-Type": "application/json", "User-Agent": AGENT}
        self.sent.requests += 1
        try:
            async with session.post(f"{self._base_url}/v1/events", data=body, headers=headers) as answer:
                text = await answer.read()
                status = answer.status
                retry_after_s = _seconds(answer.headers.get("retry-after"))
        except (aiohttp.ClientError, TimeoutError):
            self.sent.statuses[0] += 1
            return list(events), 0.0
        self.sent.statuses[status] += 1
        verdicts = _verdicts(text, len(events))
        if verdicts is None:
            # The request as a whole: refused for good by a 4xx, else to be sent again.
            final = 400 <= status < 500 and status not in {408, 429}
            verdicts = ["invalid" if final else "retry"] * len(events)
        return self._settle(session, events, verdicts), retry_after_s

    def _settle(
        self, session: aiohttp.ClientSession, events: Sequence[Payload], verdicts: Sequence[str]
    ) -> list[Payload]:
        again: list[Payload] = []
        for event, verdict in zip(events, verdicts, strict=True):
            if verdict in {"ok", "duplicate"} and isinstance(event, dict):
                self.sent.accepted += 1
                self._ledger.accept(event)
                self._maybe_sample(session, event)
            elif verdict == "invalid":
                self.sent.invalid += 1
            else:
                again.append(event)
        return again

    def _maybe_sample(self, session: aiohttp.ClientSession, event: Mapping[str, Any]) -> None:
        """Time the first event of a new user now and then."""
        who = event.get("user_id") or event.get("anonymous_id")
        if who is None or who in self._known:
            return
        self._known.add(who)
        if self.sent.accepted < self._next_sample or len(self._samples) >= SAMPLES_AT_ONCE_MAX:
            return
        if _is_old(event):
            return  # it may be stored as late, and then its user is never shown
        self._next_sample = self.sent.accepted + self._sample_every_events
        task = asyncio.create_task(self._time_visibility(session, who))
        self._samples.add(task)
        task.add_done_callback(self._samples.discard)

    async def _time_visibility(self, session: aiohttp.ClientSession, who: str) -> None:
        started_s = self._clock()
        url = f"{self._base_url}/v1/users/{quote(who, safe='')}"
        while self._clock() - started_s < VISIBLE_TIMEOUT_S:
            try:
                async with session.get(url) as answer:
                    await answer.read()
                    if answer.status == 200:
                        break
            except (aiohttp.ClientError, TimeoutError):
                pass  # a dropped answer; asked again
            await self._sleep(max(POLL_S, len(self._samples) / POLLS_PER_S_MAX))
        self.sent.visible_ms.append((self._clock() - started_s) * 1_000)


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Tell the median, the 99th percentile (nearest rank) and the maximum; None of nothing."""
    ranked = sorted(values)
    if not ranked:
        return {"p50": None, "p99": None, "max": None}
    shares = {"p50": 0.50, "p99": 0.99, "max": 1.0}
    return {name: round(ranked[ceil(len(ranked) * share) - 1], 1) for name, share in shares.items()}


def _merge(requests: Iterable[Request]) -> Iterator[Request]:
    """Put requests together up to `MERGED_EVENTS_MAX` events; what is not JSON stays alone."""
    at_ms, events = 0, list[Payload]()
    for request in requests:
        alone = NOT_JSON in request.events
        if events and (alone or len(events) + len(request.events) > MERGED_EVENTS_MAX):
            yield Request(at_ms, events)
            events = []
        if alone:
            yield request
            continue
        at_ms = request.at_ms
        events = events + request.events
    if events:
        yield Request(at_ms, events)


def _verdicts(text: bytes, count: int) -> list[str] | None:
    """Read the results of an answer; None if it has none for every event."""
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or len(results) != count:
        return None
    return [str(result.get("status")) if isinstance(result, dict) else "retry" for result in results]


def _is_old(event: Mapping[str, Any]) -> bool:
    occurred_at = event.get("occurred_at")
    if occurred_at is None:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(occurred_at) > SAMPLE_AGE_MAX


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() else 0.0
