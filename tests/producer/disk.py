"""A disk that holds only what it was asked to: a folder as a power cut leaves it, at the worst moment."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Disk:
    """What `os.fsync` made durable in a folder. Put `sync` in its place.

    What a program creates is there only when the folder itself was synced, with what its file held when that
    was synced last; what it deletes is gone at once. Systems of files promise no more.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, int] = {}
        self._contents: dict[int, bytes] = {}

    def sync(self, fd: int) -> None:
        """Make durable what a descriptor stands for."""
        state = os.fstat(fd)
        if stat.S_ISDIR(state.st_mode):
            self._names = {path.name: path.stat().st_ino for path in self._folder.iterdir()}
        else:
            self._contents[state.st_ino] = Path(f"/proc/self/fd/{fd}").read_bytes()

    def cut_power(self, to: Path) -> None:
        """Write the folder as it would be found again."""
        to.mkdir()
        for name, inode in self._names.items():
            if (self._folder / name).exists():
                (to / name).write_bytes(self._contents.get(inode, b""))
