"""The clickstream: sessions in time, each page's visit a request, defects on top.

Measured at the default rate: 1,000 consecutive events come from about 440 users in about 480 requests,
and touch items about 1,500 times.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec

from tapstack_local.traffic.catalogue import Catalogue
from tapstack_local.traffic.defects import NOT_JSON, Defects, Payload, age_ms, hold_ms, resend_ms, spoil
from tapstack_local.traffic.journey import Draft, Journey
from tapstack_local.traffic.people import Population, Visitor

EVENTS_PER_MIN = 10_000
EVENTS_PER_SESSION = 7.5  # measured; sets how often sessions begin
WARM_UP_MS = 180_000  # sessions begin this long before the first request, so that all stages are there
BASE_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z, if the caller gives none
_BURST_MS = 40  # between the events of a page's visit


class Request(msgspec.Struct, frozen=True):
    """What an SDK sends at once.

    Parameters
    ----------
    at_ms
        When it is sent, in milliseconds after the first moment.
    events
        Its events in order; dictionaries are shared between requests and are not to be changed.
        `NOT_JSON` always stands alone, since it would spoil the request's body.
    lines
        The place of each event in a recording; empty for generated ones.
    """

    at_ms: int
    events: list[Payload]
    lines: list[int] = []


def generate(
    seed: int,
    events: int,
    *,
    base_ms: int = BASE_MS,
    events_per_min: int = EVENTS_PER_MIN,
    defects: Defects | None = None,
) -> Iterator[Request]:
    """Generate a clickstream.

    Parameters
    ----------
    seed
        The same seed gives the same requests.
    events
        How many events in all, duplicates and bad ones included, ``>= 0``.
    base_ms
        Unix time of the first moment, in milliseconds: moves all times and nothing else.
    events_per_min
        How busy the shop is; more means more users at once, not faster ones.
    defects
        Shares of duplicates, delays and invalid events; by default `Defects()`.

    Yields
    ------
    Request
        In the order of their times.
    """
    random = Random(seed)  # noqa: S311 - reproducible on purpose, and no secret
    return _Generator(random, base_ms, events_per_min, Defects() if defects is None else defects).run(events)


_Entry = tuple[int, int, Journey | list[Payload]]


class _Generator:
    def __init__(self, random: Random, base_ms: int, events_per_min: int, defects: Defects) -> None:
        self._random = random
        self._base_ms = base_ms
        self._defects = defects
        self._arrivals_per_ms = events_per_min / EVENTS_PER_SESSION / 60_000
        self._shop = Catalogue(random)
        self._people = Population(random)
        self._heap: list[_Entry] = []
        self._order = 0
        self._arrival_ms = float(-WARM_UP_MS)
        self._left = 0
        self._seconds: dict[int, str] = {}

    def run(self, events: int) -> Iterator[Request]:
        self._left = events
        while self._left > 0:
            at_ms, what = self._next()
            if isinstance(what, list):
                yield Request(at_ms, what)
                continue
            drafts = what.visit(self._shop, self._people, self._base_ms + at_ms)
            if at_ms >= 0:
                self._send(at_ms, self._burst(at_ms, what, drafts))
            if what.move_on():
                self._push(at_ms + what.think_ms(), what)
        for at_ms, _, what in sorted(self._heap, key=lambda entry: entry[:2]):
            if isinstance(what, list):
                yield Request(at_ms, what)

    def _next(self) -> tuple[int, Journey | list[Payload]]:
        """Yield what happens next; new sessions begin at random."""
        while not self._heap or self._arrival_ms <= self._heap[0][0]:
            at_ms = int(self._arrival_ms)
            label = f"s-{self._random.getrandbits(40):010x}"
            self._push(at_ms, Journey(self._people.arrive(self._base_ms + at_ms), label, self._random))
            self._arrival_ms += self._random.expovariate(self._arrivals_per_ms)
        at_ms, _, what = heapq.heappop(self._heap)
        return at_ms, what

    def _push(self, at_ms: int, what: Journey | list[Payload]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (at_ms, self._order, what))

    def _burst(self, at_ms: int, journey: Journey, drafts: list[Draft]) -> list[dict[str, Any]]:
        """Give a page's events their times and numbers."""
        visitor = journey.visitor
        happened_ms = self._base_ms + at_ms - age_ms(self._defects, self._random) - _BURST_MS * len(drafts)
        burst = []
        for place, (event_type, fields) in enumerate(drafts):
            occurred_at = self._stamp(happened_ms + _BURST_MS * place)
            event = {"event_type": event_type, "occurred_at": occurred_at, **self._identity(visitor)}
            if visitor.client_id is not None:
                event["session_id"] = journey.label
            event["context"] = visitor.context
            event.update(fields)
            burst.append(event)
        return burst

    def _identity(self, visitor: Visitor) -> dict[str, Any]:
        who = (
            {"anonymous_id": visitor.anonymous_id}
            if visitor.user_id is None
            else {"user_id": visitor.user_id}
        )
        if visitor.client_id is None:
            return {**who, "event_id": f"{self._random.getrandbits(80):020x}"}
        visitor.n += 1
        return {**who, "client_id": visitor.client_id, "n": visitor.n - 1}

    def _send(self, at_ms: int, burst: list[dict[str, Any]]) -> None:
        """Put a page's request, with its defects, among what is going to happen."""
        defects, random = self._defects, self._random
        payloads: list[Payload] = []
        for event in burst:
            payload = spoil(event, defects, random)
            payloads.append(payload)
            if random.random() < defects.doubled:
                payloads.append(payload)
        at_ms += hold_ms(defects, random)
        again_ms = resend_ms(defects, random)
        while NOT_JSON in payloads:
            payloads.remove(NOT_JSON)
            self._enqueue(at_ms, [NOT_JSON])
        self._enqueue(at_ms, payloads)
        if again_ms:
            self._enqueue(at_ms + again_ms, payloads)

    def _enqueue(self, at_ms: int, payloads: list[Payload]) -> None:
        payloads = payloads[: self._left]
        if payloads:
            self._left -= len(payloads)
            self._push(at_ms, payloads)

    def _stamp(self, at_ms: int) -> str:
        """Write a Unix time as RFC 3339."""
        second, ms = divmod(at_ms, 1_000)
        text = self._seconds.get(second)
        if text is None:
            if len(self._seconds) > 4_096:
                self._seconds.clear()
            text = self._seconds[second] = datetime.fromtimestamp(second, tz=UTC).strftime(
                "%Y-%m-%dT%H:%M:%S"
            )
        return f"{text}.{ms:03d}Z"
