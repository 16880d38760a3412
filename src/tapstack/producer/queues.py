"""Where events wait: the port, and the queue in memory. The one on disk is `tapstack.producer.journal`."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import NamedTuple, Protocol

from tapstack.errors import BufferFull


class Entry(NamedTuple):
    """An event that waits.

    Parameters
    ----------
    position
        Its place in the queue, one more than that of the entry before.
    tag
        A number of the application's own, such as a line of a file, ``0..2**64 - 1``.
    data
        The event as it is sent, JSON.
    """

    position: int
    tag: int
    data: bytes


class Queue(Protocol):
    """A bounded first-in, first-out queue that keeps what was taken until it is settled."""

    @property
    def end(self) -> int:
        """Return the position of the next event to be appended."""

    @property
    def unread(self) -> int:
        """Return the position of the next event to be taken; `end` if there is none."""

    @property
    def settled(self) -> int:
        """Return the position below which every event is settled."""

    @property
    def count(self) -> int:
        """Return how many events are not settled."""

    @property
    def unread_bytes(self) -> int:
        """Return about how many bytes are still to be taken."""

    @property
    def last_tag(self) -> int:
        """Return the tag of the event that was appended last; 0 if there never was one."""

    def append(self, data: bytes, tag: int) -> None:
        """Add an event at the end.

        Raises
        ------
        BufferFull
            If there is no room; nothing was added.
        OSError
            If the disk failed; nothing was added.
        """

    def take(self, events_max: int, bytes_max: int) -> list[Entry]:
        """Return the next events in order: at least one, if there is one, within both bounds."""

    def settle(self, position: int) -> None:
        """Forget every event below a position; they were taken, and need not be sent again."""

    def close(self) -> None:
        """Give back what the operating system lent."""


class MemoryQueue:
    """A `Queue` in memory; what is in it ends with the process.

    Parameters
    ----------
    events_max, bytes_max
        How much it holds, ``>= 1`` each: what was taken and is not settled counts too.
    """

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self.unread = self.settled = 0
        self.unread_bytes = 0
        self.last_tag = 0

    @property
    def end(self) -> int:
        """Return the position of the next event; one append is one step, whatever signal comes between."""
        return self.settled + len(self._entries)

    @property
    def count(self) -> int:
        """Return how many events are not settled."""
        return len(self._entries)

    def append(self, data: bytes, tag: int) -> None:
        """Add an event; see `Queue.append`."""
        if len(self._entries) >= self._events_max:
            raise BufferFull(f"the buffer is full: {self._events_max} events wait to be delivered")
        if self._bytes + len(data) > self._bytes_max:
            raise BufferFull(f"the buffer is full: {self._bytes} bytes wait to be delivered")
        self._bytes += len(data)
        self.unread_bytes += len(data)
        self.last_tag = tag
        self._entries.append(Entry(self.end, tag, data))

    def take(self, events_max: int, bytes_max: int) -> list[Entry]:
        """Return the next events; see `Queue.take`."""
        first = self.unread - self.settled
        taken: list[Entry] = []
        size = 0
        for entry in islice(self._entries, first, first + events_max):
            size += len(entry.data)
            if taken and size > bytes_max:
                break
            taken.append(entry)
        self.unread += len(taken)
        self.unread_bytes -= sum([len(entry.data) for entry in taken])
        return taken

    def settle(self, position: int) -> None:
        """Forget events; see `Queue.settle`."""
        while self.settled < position:
            self._bytes -= len(self._entries.popleft().data)
            self.settled += 1

    def close(self) -> None:
        """Do nothing."""
