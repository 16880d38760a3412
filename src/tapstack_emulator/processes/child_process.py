"""Child processes of the embedded cloud: each in its own group, each dying with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

GUARD = Path(__file__).with_name("guarded_main.py")
STOP_PATIENCE_S = 3.0  # how long a polite stop may take before SIGKILL


def unheard(pid: int, exit_code: int) -> None:
    """Hear of no death."""


def how_it_ended(exit_code: int) -> str:
    """Return an exit code in words."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    return f"was ended by {signal.Signals(-exit_code).name}"


class ChildProcess:
    """One running child; make it with `start`.

    Parameters
    ----------
    process
        The process, leader of its own group.
    leash
        The writing end of the pipe the child watches; closed when the child has ended.
    """

    def __init__(self, process: asyncio.subprocess.Process, leash: int) -> None:
        self._process = process
        self._leash = leash
        self._ended = asyncio.ensure_future(self._wait())

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self._process.pid

    @property
    def ended(self) -> asyncio.Future[int]:
        """Completes with the exit code, negative for a signal."""
        return self._ended

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.done()

    def kill(self) -> None:
        """Send SIGKILL to the whole group; `ended` follows."""
        self._signal(signal.SIGKILL)

    async def stop(self, patience_s: float = STOP_PATIENCE_S) -> int:
        """Send SIGTERM, then SIGKILL.

        Parameters
        ----------
        patience_s
            How long to wait between the two; 0 kills at once.

        Returns
        -------
        int
            The exit code.
        """
        if patience_s > 0:
            self._signal(signal.SIGTERM)
            await asyncio.wait({self._ended}, timeout=patience_s)
        # Also after a clean exit: a grandchild may have stayed in the group.
        self._signal(signal.SIGKILL)
        return await asyncio.shield(self._ended)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self._process.pid, number)

    async def _wait(self) -> int:
        code = await self._process.wait()
        os.close(self._leash)
        return code


async def start(
    module: str,
    arguments: Sequence[str] = (),
    *,
    python: str,
    environment: Mapping[str, str],
    log: IO[bytes],
    working_directory: Path | None = None,
    isolated: bool = False,
) -> ChildProcess:
    """Run ``python -m module arguments`` so that it dies with this process.

    Parameters
    ----------
    module, arguments
        What to run.
    python
        The interpreter.
    environment
        The child's whole environment: nothing is inherited.
    log
        Receives its standard output and error. A file, so that output costs this process nothing.
    working_directory
        Where it runs; this process's own by default.
    isolated
        Whether the child can import the standard library and PYTHONPATH only, nothing that is installed.

    Returns
    -------
    ChildProcess
        It was started; it need not be ready.
    """
    watched, leash = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            "-P",  # the guard's own folder must not be importable by the child
            *(["-S"] if isolated else []),  # no site-packages, of a virtual environment neither
            str(GUARD),
            str(watched),
            module,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(environment),
            cwd=working_directory,
            pass_fds=(watched,),
            start_new_session=True,
        )
    except BaseException:
        os.close(leash)
        raise
    finally:
        os.close(watched)
    return ChildProcess(process, leash)
