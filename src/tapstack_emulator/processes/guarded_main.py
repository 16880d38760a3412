"""What a child process runs first: it makes the child die with its parent, then runs a Python module.

``python -P guarded_main.py FD MODULE [ARG ...]``

FD is the reading end of a pipe whose only writing end is held by the parent. Nobody ever writes: the
read ends when the parent is gone, however it went (also by SIGKILL, which no handler of the parent
could see), and the child then kills its whole process group. This works wherever there are pipes;
``prctl(PR_SET_PDEATHSIG)`` exists on Linux only and follows the parent's *thread*, not its process.

This file is executed by path, often by an interpreter that has none of our packages, so it imports
the standard library alone and stays in this one file.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def die_with(parent_pipe: int) -> None:
    """Kill this process group as soon as the parent's end of the pipe is closed.

    Parameters
    ----------
    parent_pipe
        File descriptor of the reading end.
    """

    def watch() -> None:
        os.read(parent_pipe, 1)
        # The group was made for this child alone (see `tapstack_emulator.processes.child_process`).
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main(arguments: list[str]) -> None:
    """Watch the parent and run the module as ``__main__``.

    Parameters
    ----------
    arguments
        File descriptor, module, and the module's own arguments.
    """
    parent_pipe, module, *rest = arguments
    # Ctrl-C is the supervisor's: it decides the order in which things stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(int(parent_pipe))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
