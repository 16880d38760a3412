"""What happens to open producers when the process ends, or forks."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol


class Hooked(Protocol):
    """A producer that is open."""

    def at_exit(self) -> None:
        """Deliver what can be delivered; the process ends."""

    def after_fork(self) -> None:
        """Begin anew: this is a child process, and what waits belongs to its parent."""


_open: weakref.WeakSet[Hooked] = weakref.WeakSet()


def hook(producer: Hooked) -> None:
    """Call a producer when the process ends or forks, until `unhook`."""
    _open.add(producer)


def unhook(producer: Hooked) -> None:
    """Leave a producer alone."""
    _open.discard(producer)


def _at_exit() -> None:
    for producer in list(_open):
        producer.at_exit()


def _after_fork() -> None:
    for producer in list(_open):
        producer.after_fork()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
