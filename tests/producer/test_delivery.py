"""Whatever fails, every event is delivered or refused; in order, and in batches within their bounds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from producer_world import OUTCOMES, FakeCollector, Outcome, never

from examples import share
from tapstack.collector.intake import Result
from tapstack.errors import TapstackError
from tapstack.producer.delivery import BACKOFF_CAP_MS, Delivery, Limits
from tapstack.producer.journal import BYTES_MIN, Journal
from tapstack.producer.queues import MemoryQueue, Queue
from tapstack.producer.transports import Answer, TooLarge

LIMITS = Limits(batch_events_max=4, batch_bytes_max=100_000, flush_interval_ms=1_000)


def event(n: int, query: str = "shoes") -> bytes:
    return msgspec.json.encode({"client_id": "c", "n": n, "query": query})


@contextmanager
def in_memory() -> Iterator[Callable[[], Queue]]:
    queue = MemoryQueue(10_000, 10_000_000)
    yield lambda: queue


@contextmanager
def on_disk() -> Iterator[Callable[[], Queue]]:
    """Open the same journal again and again, as after a crash."""
    with tempfile.TemporaryDirectory() as folder:
        opened: list[Journal] = []

        def reopen() -> Queue:
            if opened:
                opened[-1].abandon()
            opened.append(Journal(Path(folder), bytes_max=BYTES_MIN, fsync="never", elapsed_ms=lambda: 0))
            return opened[-1]

        yield reopen
        opened[-1].abandon()


def send_all(delivery: Delivery, collector: FakeCollector, now_ms: int, steps: int = 1_000) -> int:
    """Send what is due, waiting as long as it takes; return the time."""
    for _ in range(steps):
        due_in_ms = delivery.due_in_ms(now_ms)
        if due_in_ms is None:
            break
        now_ms += due_in_ms
        batch = delivery.begin(now_ms)
        assert 0 < len(batch) <= LIMITS.batch_events_max
        assert delivery.due_in_ms(now_ms) is None  # one at a time
        try:
            delivery.end(batch, collector.send([entry.data for entry in batch]), now_ms)
        except TooLarge as error:
            if not delivery.halve(batch):
                delivery.end(batch, Answer([Result("invalid", None, str(error))]), now_ms)
        except (TapstackError, ZeroDivisionError):
            delivery.fail(batch, now_ms)
    return now_ms


@pytest.mark.parametrize("place", [in_memory, on_disk])
@share(0.5)
@given(
    bad=st.lists(st.booleans(), max_size=40),
    outcomes=st.lists(st.sampled_from([name for name in OUTCOMES if name != "too large"]), max_size=30),
    crashes=st.lists(st.integers(0, 5), max_size=3),
)
def test_every_event_is_delivered_or_refused_whatever_fails(
    place: Callable[[], Iterator[Callable[[], Queue]]],
    bad: list[bool],
    outcomes: list[Outcome],
    crashes: list[int],
) -> None:
    collector = FakeCollector(outcomes)
    with place() as queue_of:  # type: ignore[attr-defined]
        queue = queue_of()
        delivery = Delivery(queue, LIMITS, never)
        events = [event(n, "bad" if is_bad else "shoes") for n, is_bad in enumerate(bad)]
        for each in events:
            queue.append(each, 0)
            delivery.added(0)
        for steps in crashes if place is on_disk else ():
            send_all(delivery, collector, 0, steps)
            queue = queue_of()
            delivery = Delivery(queue, LIMITS, never)
        send_all(delivery, collector, 0)
        assert (queue.count, queue.unread_bytes, queue.settled) == (0, 0, len(events))
    good = [each for each, is_bad in zip(events, bad, strict=True) if not is_bad]
    assert set(collector.stored) == set(good)
    for batch in collector.batches:  # what is sent again goes first, in its order
        assert batch == sorted(batch, key=events.index)
    if "half" not in outcomes:
        assert list(dict.fromkeys(collector.stored)) == good


@given(outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=20), events_max=st.integers(1, 5))
def test_a_batch_that_is_too_large_is_halved_until_it_is_taken(
    outcomes: list[Outcome], events_max: int
) -> None:
    queue = MemoryQueue(1_000, 1_000_000)
    delivery = Delivery(queue, LIMITS, never)
    collector = FakeCollector(outcomes, events_max)
    for n in range(12):
        queue.append(event(n), 0)
        delivery.added(0)
    now_ms = 0
    while queue.count:
        now_ms = send_all(delivery, collector, now_ms, steps=1)
        alone = {batch[0] for batch in collector.batches if len(batch) == 1}
        assert {event(n) for n in range(queue.settled)} <= {*collector.stored, *alone}
    unsent = {event(n) for n in range(12)} - set(collector.stored)
    alone = [batch[0] for batch in collector.batches if len(batch) == 1]
    assert unsent <= set(alone)  # refused by itself, and only then given up
    if "too large" not in outcomes:
        assert unsent == set()


def test_a_batch_waits_for_others_only_for_the_interval() -> None:
    queue = MemoryQueue(100, 100_000)
    delivery = Delivery(queue, LIMITS, never)
    assert delivery.due_in_ms(0) is None
    queue.append(event(0), 0)
    assert delivery.added(5_000)
    queue.append(event(1), 0)
    assert not delivery.added(5_500)
    assert delivery.due_in_ms(5_000) == 1_000
    assert delivery.due_in_ms(5_400) == 600
    assert delivery.due_in_ms(9_000) == 0
    delivery.flush()
    assert delivery.due_in_ms(5_000) == 0


def test_a_full_batch_is_due_at_once_by_count_and_by_bytes() -> None:
    for limits in (LIMITS, Limits(batch_events_max=100, batch_bytes_max=150, flush_interval_ms=1_000)):
        queue = MemoryQueue(100, 100_000)
        delivery = Delivery(queue, limits, never)
        for n in range(4):
            queue.append(event(n), 0)
            delivery.added(0)
        assert delivery.due_in_ms(0) == 0


def test_waits_grow_up_to_a_cap_and_begin_anew_with_progress() -> None:
    queue = MemoryQueue(100, 100_000)
    delivery = Delivery(queue, LIMITS, never)
    queue.append(event(0), 0)
    delivery.added(0)
    now_ms, waits = 0, []
    for _ in range(12):
        batch = delivery.begin(now_ms)
        waits.append(delivery.fail(batch, now_ms))
        assert delivery.due_in_ms(now_ms) == waits[-1]
        now_ms += waits[-1]
    assert waits[:4] == [199, 399, 799, 1_598]
    assert waits == sorted(waits)
    assert waits[-1] == int(BACKOFF_CAP_MS * 0.999)
    settled = delivery.end(delivery.begin(now_ms), Answer([Result("ok")]), now_ms)
    assert (settled.delivered, settled.wait_ms, settled.failures) == (1, 0, 0)


def test_nothing_is_sent_sooner_than_the_collector_asked_for() -> None:
    queue = MemoryQueue(100, 100_000)
    delivery = Delivery(queue, LIMITS, never)
    queue.append(event(0), 0)
    delivery.added(0)
    delivery.flush()
    settled = delivery.end(delivery.begin(0), Answer([Result("retry")], 7_000, "answered 503"), 0)
    assert (settled.again, settled.wait_ms) == (1, 7_000)
    delivery.flush()
    assert delivery.due_in_ms(0) == 7_000


def test_what_was_settled_in_the_middle_of_a_batch_is_not_sent_again() -> None:
    queue = MemoryQueue(100, 100_000)
    delivery = Delivery(queue, LIMITS, never)
    for n in range(4):
        queue.append(event(n), 0)
        delivery.added(0)
    statuses = ["ok", "retry", "duplicate", "invalid"]
    settled = delivery.end(delivery.begin(0), Answer([Result(status) for status in statuses]), 0)  # type: ignore[arg-type]
    assert (settled.delivered, settled.duplicates, settled.refused, settled.again) == (2, 1, 1, 1)
    assert queue.settled == 1
    assert [entry.data for entry in delivery.begin(9_000)] == [event(1)]
