"""Folders for temporary files that do not outlive their process for long, even if it is killed.

Nothing runs after SIGKILL, so the folder stays; the next process that makes one removes it. It knows a dead
one by a lock: every owner holds its own for as long as it lives, and the system lets go of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "tapstack-scratch-"
LOCK = "owner.lock"


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder, and remove those that dead processes of this user left beside it.

    Parameters
    ----------
    parent
        Where; the system's folder for temporary files unless given.

    Yields
    ------
    Path
        It is removed at the end.
    """
    where = Path(tempfile.gettempdir()) if parent is None else parent
    _remove_stale(where)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where))
    lock = -1
    try:
        lock = _lock(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock >= 0:
            os.close(lock)


def _lock(folder: Path) -> int:
    """Make the lock under another name first: by its own name it is seen only when it is held."""
    unseen = folder / "unheld"
    lock = os.open(unseen, os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unseen.rename(folder / LOCK)
    return lock


def _remove_stale(where: Path) -> None:
    for folder in where.glob(f"{PREFIX}*"):
        # Somebody else's, or on its way out: the next start tries again.
        with contextlib.suppress(OSError):
            if _is_ours(folder) and _is_stale(folder):
                shutil.rmtree(folder)


def _is_ours(folder: Path) -> bool:
    """Return whether it is a folder, no link to one, and this user's."""
    return not folder.is_symlink() and folder.is_dir() and folder.lstat().st_uid == os.geteuid()


def _is_stale(folder: Path) -> bool:
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)  # FileNotFoundError: it is being made
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its owner lives
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
