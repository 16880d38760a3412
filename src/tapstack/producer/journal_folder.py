"""The journal's folder: the lock, the mark, and segments that exist whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from pathlib import Path

from tapstack.errors import UsageError
from tapstack.producer.segments import Head, write_head

_MARK = struct.Struct(">QI")  # a position and its checksum
_SUFFIX = ".segment"

_logger = logging.getLogger("tapstack.producer")


class JournalInUse(UsageError):  # noqa: N818 - the tree reads as outcomes
    """Another producer has the journal; each needs one of its own."""


class JournalFolder:
    """A folder that one producer at a time holds.

    Parameters
    ----------
    path
        Made if needed, for this user alone: events are personal data.

    Raises
    ------
    JournalInUse
        If another producer has it.
    OSError
        If it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fds = contextlib.ExitStack()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock()
            self._mark = self._open("settled")
        except BaseException:
            self._fds.close()
            raise

    def segments(self) -> list[Path]:
        """Return the segments in order, without what was being begun when a process died."""
        for unfinished in self.path.glob("*.new"):
            unfinished.unlink()
        return sorted(self.path.glob(f"*{_SUFFIX}"))

    def begin_segment(self, head: Head) -> Path:
        """Make a segment; a full disk leaves no half of one."""
        path = self.path / f"{head.first:020d}{_SUFFIX}"
        unfinished = path.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(write_head(head))
        unfinished.rename(path)
        return path

    def set_aside(self, segment: Path, rest: bytes) -> None:
        """Keep what cannot be read, and say so: it may hold events."""
        copy = segment.with_suffix(".damaged")
        copy.touch(mode=0o600)
        copy.write_bytes(rest)
        _logger.error(
            "the journal is damaged: %d bytes cannot be read; they are kept in %s", len(rest), copy,
            extra={"damaged_bytes": len(rest)},
        )  # fmt: skip

    def read_mark(self) -> int:
        """Return the position below which all is settled; 0 if it was not written whole."""
        data = os.pread(self._mark, _MARK.size, 0)
        if len(data) < _MARK.size:
            return 0
        position, checksum = _MARK.unpack(data)
        return int(position) if zlib.crc32(data[:8]) == checksum else 0

    def write_mark(self, position: int) -> None:
        """Move the mark."""
        os.pwrite(self._mark, _MARK.pack(position, zlib.crc32(position.to_bytes(8, "big"))), 0)

    def sync(self) -> None:
        """Have the disk itself hold the names of the files, and the mark."""
        os.fsync(self._mark)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Let another producer have it."""
        self._fds.close()

    def _lock(self) -> None:
        try:
            import fcntl  # not on Windows, which has no journal, and everything else
        except ModuleNotFoundError:
            raise UsageError("a journal needs a system with flock, such as Linux or macOS") from None
        lock = self._open("lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace") or "unknown"
            raise JournalInUse(
                f"the journal {self.path} is in use by process {holder}; "
                "give each producer a folder of its own"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)

    def _open(self, name: str) -> int:
        fd = os.open(self.path / name, os.O_RDWR | os.O_CREAT, 0o600)  # not inherited by programs it starts
        self._fds.callback(os.close, fd)
        return fd
