"""An open loop: requests are due by the clock, and latency counts from that moment.

A client that waits for an answer before it sends the next request sends fewer while the server is slow, and
so hides the slowness from its own figures [1]_. Here a slow answer holds up nothing, and whatever keeps a
request from leaving in time is part of its latency.

References
----------
.. [1] Gil Tene, "How NOT to Measure Latency", on coordinated omission:
   https://www.infoq.com/presentations/latency-response-time/, from knowledge
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from tapstack_local.load.histogram import Histogram

IN_FLIGHT_MAX = 2_000  # requests; more would measure this program's memory
NO_ANSWER = 0  # in place of a status

Send = Callable[[bytes], Awaitable[int]]  # a body; returns the status, or `NO_ANSWER`


@dataclass(slots=True)
class Load:
    """What came of a load.

    Attributes
    ----------
    due
        Requests that were due.
    skipped
        Of them, those that were not sent, since `IN_FLIGHT_MAX` others had no answer yet.
    statuses
        Answers by status.
    events_not_stored
        Events that an answer of 200 does not say are stored: refused, denied or without a word.
    latency
        From the moment a request was due until its answer, or until it was given up.
    by_second
        The same, by the second in which the request was due.
    begun_late
        How late requests were begun: the share of this program and its machine.
    """

    due: int = 0
    skipped: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    events_not_stored: int = 0
    latency: Histogram = field(default_factory=Histogram)
    by_second: dict[int, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    begun_late: Histogram = field(default_factory=Histogram)

    def answered(self, due_s: float, latency_ms: float, status: int) -> None:
        """Note an answer to the request that was due so many seconds after the beginning."""
        self.statuses[status] += 1
        self.latency.add(latency_ms)
        self.by_second[int(due_s)].add(latency_ms)


async def open_loop(
    send: Send,
    bodies: Iterable[bytes],
    requests_per_s: float,
    *,
    load: Load,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Send each body when it is due, and wait for the last answer.

    Parameters
    ----------
    send
        Sends a request.
    bodies
        Of the requests, in order.
    requests_per_s
        How many are due in a second, ``> 0``.
    load
        Receives what comes of them, while it runs.
    clock, sleep
        Time, for tests.
    """
    waiting: set[asyncio.Task[None]] = set()
    start_s = clock()

    async def one(body: bytes, due_s: float) -> None:
        status = await send(body)
        load.answered(due_s, (clock() - start_s - due_s) * 1_000, status)

    for number, body in enumerate(bodies):
        due_s = number / requests_per_s
        await sleep(max(0.0, start_s + due_s - clock()))  # also if it is due already: answers come meanwhile
        load.due += 1
        load.begun_late.add(max(0.0, clock() - start_s - due_s) * 1_000)
        if len(waiting) >= IN_FLIGHT_MAX:
            load.skipped += 1
            continue
        task = asyncio.create_task(one(body, due_s))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    while waiting:
        await asyncio.gather(*waiting)
