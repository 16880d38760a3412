"""The queue on disk: what was appended is there after a crash, and is sent with the same identity.

A folder of segments, each deleted when all of it is settled, and a mark below which everything is. The kernel
has an event when `append` returns, so the death of the process loses nothing, whatever `fsync` says; that
decides what a power cut may cost. The mark may lag behind what was delivered: what is sent again then is
recognised as a copy.
"""

from __future__ import annotations

import errno
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from tapstack.core.events import EVENT_BYTES_MAX
from tapstack.errors import BufferFull
from tapstack.producer.journal_folder import JournalFolder
from tapstack.producer.queues import Entry
from tapstack.producer.segments import (
    HEAD_BYTES,
    RECORD_BYTES,
    Head,
    read_head,
    read_records,
    write_record,
)

Fsync = Literal["always", "request", "interval", "never"]

BYTES_MIN = 256 * 1024  # some events a segment, of four
SEGMENT_BYTES_MAX = 8 * 1024 * 1024  # read at once when a journal is opened
FSYNC_INTERVAL_MS = 1_000
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}

_logger = logging.getLogger("tapstack.producer")


class _Segment(msgspec.Struct):
    """A file of the journal.

    Parameters
    ----------
    path
        The file.
    first
        The position of its first record.
    extent
        The position after its last record, and where that ends in the file: changed in one step, whatever
        signal interrupts an append. What is written beyond it is overwritten.
    """

    path: Path
    first: int
    extent: tuple[int, int]

    @property
    def end(self) -> int:
        return self.extent[0]

    @property
    def size(self) -> int:
        return self.extent[1]


class Journal:
    """A `tapstack.producer.queues.Queue` in a folder.

    Parameters
    ----------
    path
        The folder.
    bytes_max
        How large all segments may be together, at least `BYTES_MIN`.
    fsync
        When the disk itself must hold what was appended: ``always`` before `append` returns; ``request``
        before `take` does, so that what was sent is known after a power cut; ``interval`` after a second, by
        the next append or request; ``never``: when the kernel likes.
    elapsed_ms
        Returns a time that never goes back.

    Raises
    ------
    JournalInUse
        If another producer has it.
    OSError
        If the folder cannot be read or written.
    """

    def __init__(self, path: Path, *, bytes_max: int, fsync: Fsync, elapsed_ms: Callable[[], int]) -> None:
        self._bytes_max = bytes_max
        self._segment_bytes_max = min(SEGMENT_BYTES_MAX, bytes_max // 4)
        self._fsync = fsync
        self._elapsed_ms = elapsed_ms
        self._unsynced_since_ms: int | None = None
        self._segments: deque[_Segment] = deque()
        self.unread = self.settled = 0
        self._active = -1  # the file that records are appended to
        self._is_new_to_disk = False
        self.bytes = self.unread_bytes = self.damaged_bytes = 0
        self.last_tag = 0
        self._folder = JournalFolder(path)
        try:
            self._recover()
        except BaseException:
            self.abandon()
            raise

    @property
    def end(self) -> int:
        """Return the position of the next event to be appended."""
        return self._segments[-1].end

    @property
    def count(self) -> int:
        """Return how many events are not settled; damaged ones count until they are passed over."""
        return self.end - self.settled

    def append(self, data: bytes, tag: int) -> None:
        """Add an event; see `Queue.append`."""
        record = write_record(data, tag)
        if self.bytes + len(record) > self._bytes_max:
            raise BufferFull(f"the journal is full: its files have {self.bytes} bytes")
        try:
            self._sync_if_due()  # of what was appended before: if it fails, this event must not be in
            if self._segments[-1].size + len(record) > self._segment_bytes_max:
                self._begin_segment(self.end)
            self._write(record)
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise BufferFull(f"the journal's disk is full: {error.strerror}") from None
            raise
        self.unread_bytes += len(data)
        self.last_tag = tag

    def take(self, events_max: int, bytes_max: int) -> list[Entry]:
        """Return the next events; see `Queue.take`.

        Raises
        ------
        OSError
            If the disk failed; nothing was taken.
        """
        self._sync_if_due(is_for_request=True)
        self._read_on()
        if self._at == self._reading.size:
            return []
        with self._reading.path.open("rb", buffering=0) as file:
            file.seek(self._at)
            left = self._reading.size - self._at  # what is beyond was not appended to the end
            found = file.read(min(left, bytes_max + RECORD_BYTES + EVENT_BYTES_MAX))
        entries = read_records(found, 0, self.unread).entries[:events_max]
        if not entries:
            raise OSError(errno.EIO, "damaged while it was in use", str(self._reading.path))
        taken = 0
        size = 0
        for entry in entries:
            size += len(entry.data)
            if taken and size > bytes_max:
                break
            taken += 1
            self._at += RECORD_BYTES + len(entry.data)
            self.unread_bytes -= len(entry.data)
        self.unread += taken
        self._read_on()
        return entries[:taken]

    def settle(self, position: int) -> None:
        """Forget events; see `Queue.settle`. If the disk fails, the next process sends them again."""
        if position == self.settled:
            return
        self.settled = position
        try:
            self._folder.write_mark(position)
            if position == self.end and self._segments[-1].size > self._segment_bytes_max // 2:
                self._begin_segment(self.end)
            self._read_on()
            self._delete_settled()
        except OSError as error:
            _logger.warning(
                "the journal could not write down what was delivered: %s", error.strerror,
                extra={"problem": error.strerror},
            )  # fmt: skip

    def close(self) -> None:
        """Have the disk itself hold everything, and let another producer have the journal."""
        if self._fsync != "never":
            self._sync()
        self.abandon()

    def abandon(self) -> None:
        """Let go of the files as they are."""
        if self._active >= 0:
            os.close(self._active)
        self._active = -1
        self._folder.close()

    # Recovery: everything that is whole and not settled waits again.

    def _recover(self) -> None:
        self.settled = self._folder.read_mark()
        for path in self._folder.segments():
            self._recover_segment(path)
        if self._segments and self.end >= self.settled:
            self._append_to(self._segments[-1].path)
            # A process that was killed may not have synced it.
            self._unsynced_since_ms, self._is_new_to_disk = self._elapsed_ms(), True
        else:
            # Also if the mark reached the disk and the events did not: their positions are not used again.
            self._begin_segment(self.settled)
        self.settled = max(self.settled, self._segments[0].first)  # if the mark was not written whole
        self._find_first_unread()
        self._delete_settled()

    def _recover_segment(self, path: Path) -> None:
        data = path.read_bytes()
        head = read_head(data)
        if head is None:
            self._set_aside(path, data)
            path.unlink()
            return
        read = read_records(data, HEAD_BYTES, head.first)
        if read.rest == "damaged":
            self._set_aside(path, data[read.end_bytes :])
        if read.rest != "nothing":  # torn: the call that wrote it never returned
            os.truncate(path, read.end_bytes)
        self.last_tag = read.entries[-1].tag if read.entries else head.last_tag
        extent = head.first + len(read.entries), read.end_bytes
        self._segments.append(_Segment(path, head.first, extent))
        self.bytes += read.end_bytes
        self.unread_bytes += sum([len(e.data) for e in read.entries if e.position >= self.settled])

    def _set_aside(self, path: Path, rest: bytes) -> None:
        self._folder.set_aside(path, rest)
        self.damaged_bytes += len(rest)

    def _find_first_unread(self) -> None:
        """Go to the first record that is not settled."""
        self._reading = next((s for s in self._segments if s.end > self.settled), self._segments[-1])
        self.unread = max(self.settled, self._reading.first)
        records = read_records(self._reading.path.read_bytes(), HEAD_BYTES, self._reading.first).entries
        self._at = HEAD_BYTES + sum([RECORD_BYTES + len(e.data) for e in records if e.position < self.unread])

    # Segments.

    def _begin_segment(self, first: int) -> None:
        if self._fsync != "never" and self._active >= 0:
            os.fsync(self._active)
        path = self._folder.begin_segment(Head(first, self.last_tag))
        self._append_to(path)
        self._segments.append(_Segment(path, first, (first, HEAD_BYTES)))
        self.bytes += HEAD_BYTES
        self._is_new_to_disk = True

    def _append_to(self, path: Path) -> None:
        active = os.open(path, os.O_WRONLY)
        if self._active >= 0:
            os.close(self._active)
        self._active = active

    def _read_on(self) -> None:
        """Go to the next segment at the end of one; positions between them were damaged."""
        while self._at == self._reading.size and self._reading is not self._segments[-1]:
            self._reading = self._segments[self._segments.index(self._reading) + 1]
            self._at, self.unread = HEAD_BYTES, self._reading.first

    def _delete_settled(self) -> None:
        if len(self._segments) > 1 and self._is_new_to_disk and self._fsync != "never":
            self._sync()  # or a power cut could leave neither the old segment nor the new one
        while len(self._segments) > 1 and self._segments[1].first <= self.settled:
            oldest = self._segments.popleft()
            self.bytes -= oldest.size
            oldest.path.unlink(missing_ok=True)

    def _write(self, record: bytes) -> None:
        """Append a record whole, or not at all."""
        segment = self._segments[-1]
        try:
            written = 0
            while written < len(record):
                written += os.pwrite(self._active, record[written:], segment.size + written)
            if self._fsync == "always":
                self._sync()
        except OSError:
            os.ftruncate(self._active, segment.size)
            raise
        segment.extent = segment.end + 1, segment.size + len(record)
        self.bytes += len(record)
        if self._unsynced_since_ms is None:
            self._unsynced_since_ms = self._elapsed_ms()

    def _sync_if_due(self, *, is_for_request: bool = False) -> None:
        if self._unsynced_since_ms is None:
            return
        if self._fsync == "interval":
            is_due = self._elapsed_ms() - self._unsynced_since_ms >= FSYNC_INTERVAL_MS
        else:
            is_due = self._fsync == "request" and is_for_request
        if is_due:
            self._sync()
            self._unsynced_since_ms = None

    def _sync(self) -> None:
        """Have the disk itself hold the active segment, and its name."""
        os.fsync(self._active)
        if self._is_new_to_disk:
            self._folder.sync()
            self._is_new_to_disk = False
