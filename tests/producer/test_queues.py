"""Both queues are a list of what was appended, from the first that is not settled on, within their bounds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from examples import share
from tapstack.errors import BufferFull
from tapstack.producer.journal import BYTES_MIN, Journal
from tapstack.producer.queues import MemoryQueue, Queue
from tapstack.producer.segments import RECORD_BYTES

EVENTS_MAX = 12
MEMORY_BYTES_MAX = 100_000


class AgainstAList(RuleBasedStateMachine):
    """Append, take and settle, in any order."""

    queue: Queue

    def __init__(self) -> None:
        super().__init__()
        self.appended: list[bytes] = []
        self.tags: list[int] = []
        self.taken = self.settled = self.tag = 0

    def has_room(self, size: int) -> bool:
        raise NotImplementedError

    @rule(size=st.integers(1, 20_000), tag=st.integers(0, 2**64 - 1))
    def append(self, size: int, tag: int) -> None:
        data = (b"%d " % len(self.appended)).ljust(size, b".")
        had_room = self.has_room(len(data))
        try:
            self.queue.append(data, tag)
        except BufferFull:
            assert not had_room
        else:
            assert had_room
            self.appended.append(data)
            self.tags.append(tag)
            self.tag = tag

    @rule(count=st.integers(1, 9), size=st.integers(1, 40_000))
    def take(self, count: int, size: int) -> None:
        entries = self.queue.take(count, size)
        found = [entry.data for entry in entries]
        assert found == self.appended[self.taken : self.taken + len(found)]
        assert [entry.position for entry in entries] == list(range(self.taken, self.taken + len(found)))
        assert [entry.tag for entry in entries] == self.tags[self.taken : self.taken + len(found)]
        assert bool(found) == (self.taken < len(self.appended))
        assert len(found) <= count
        assert len(found) <= 1 or sum(map(len, found)) <= size
        self.taken += len(found)

    @rule(share=st.floats(0, 1))
    def settle(self, share: float) -> None:
        self.settled += int((self.taken - self.settled) * share)
        self.queue.settle(self.settled)

    @rule()
    def settle_all(self) -> None:
        self.settled = self.taken
        self.queue.settle(self.settled)

    @invariant()
    def it_says_what_it_holds(self) -> None:
        queue = self.queue
        assert (queue.end, queue.settled) == (len(self.appended), self.settled)
        assert queue.end - queue.unread == len(self.appended) - self.taken
        assert queue.count == len(self.appended) - self.settled
        assert queue.unread_bytes == sum(map(len, self.appended[self.taken :]))
        assert queue.last_tag == self.tag

    def teardown(self) -> None:
        self.queue.close()


class InMemory(AgainstAList):
    """The queue in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = MemoryQueue(EVENTS_MAX, MEMORY_BYTES_MAX)

    def has_room(self, size: int) -> bool:
        held = self.appended[self.settled :]
        return len(held) < EVENTS_MAX and sum(map(len, held)) + size <= MEMORY_BYTES_MAX


class OnDisk(AgainstAList):
    """The journal, which is also closed or abandoned and opened again."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.queue: Journal = self._opened()

    def _opened(self) -> Journal:
        return Journal(Path(self._folder.name), bytes_max=BYTES_MIN, fsync="never", elapsed_ms=lambda: 0)

    def has_room(self, size: int) -> bool:
        return self.queue.bytes + RECORD_BYTES + size <= BYTES_MIN

    @rule(politely=st.booleans())
    def reopen(self, politely: bool) -> None:
        (self.queue.close if politely else self.queue.abandon)()
        self.queue = self._opened()
        self.taken = self.settled

    @invariant()
    def its_files_are_as_large_as_it_says(self) -> None:
        sizes = [path.stat().st_size for path in Path(self._folder.name).glob("*.segment")]
        assert self.queue.bytes == sum(sizes) <= BYTES_MIN + 1_000  # the heads of segments come on top

    def teardown(self) -> None:
        super().teardown()
        self._folder.cleanup()


TestInMemory = InMemory.TestCase
TestInMemory.settings = share(0.5)
TestOnDisk = OnDisk.TestCase
TestOnDisk.settings = share(0.2)


@pytest.mark.parametrize(
    ("events_max", "sizes", "said"),
    [(9, [4, 6], "10 bytes"), (9, [10], "10 bytes"), (2, [1, 1], "2 events")],
    ids=["to the byte", "with one event", "of events"],
)
def test_a_queue_in_memory_is_full_to_its_bound_and_has_room_again_once_one_is_settled(
    events_max: int, sizes: list[int], said: str
) -> None:
    queue = MemoryQueue(events_max, 10)
    for size in sizes:
        queue.append(b"x" * size, 0)
    with pytest.raises(BufferFull, match=f"^the buffer is full: {said} wait to be delivered$"):
        queue.append(b"x", 0)
    queue.take(1, 10)
    queue.settle(1)
    queue.append(b"x" * sizes[0], 0)
    assert queue.count == len(sizes)


@pytest.mark.parametrize(
    ("events_max", "bytes_max", "taken"), [(2, 99, 2), (9, 10, 2), (9, 9, 1), (9, 1, 1), (9, 15, 3)]
)
def test_a_batch_is_full_to_its_bounds_and_has_one_event_at_least(
    events_max: int, bytes_max: int, taken: int
) -> None:
    queue = MemoryQueue(3, 15)
    for tag in range(3):
        queue.append(b"x" * 5, tag)
    assert [entry.tag for entry in queue.take(events_max, bytes_max)] == list(range(taken))
