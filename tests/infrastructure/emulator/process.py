"""The emulator as a child process on a free port of this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S_MAX = 120.0  # on a busy machine; else in some seconds
TESTS = Path(__file__).resolve().parents[2]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended at once:\n{log.read_text()[-2000:]}")
        try:
            direct.open(f"{url}/moto-api/", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the emulator did not answer within {START_S_MAX} s:\n{log.read_text()[-2000:]}")


@contextmanager
def running_emulator(log: Path) -> Iterator[str]:
    """Run the emulator for the length of a `with` block.

    Parameters
    ----------
    log
        The file that its output goes to.

    Yields
    ------
    str
        Its address, ``http://127.0.0.1:PORT``.

    Raises
    ------
    RuntimeError
        If it does not start; the message holds the end of its output.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "infrastructure.emulator", str(port)]
        process = subprocess.Popen(command, cwd=TESTS, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_it_answers(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
