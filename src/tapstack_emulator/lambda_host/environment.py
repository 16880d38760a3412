"""One execution environment: a worker process and the Runtime API it talks to.

Error payloads are the ones AWS gives: ``Sandbox.Timedout`` and ``Runtime.ExitError`` with their
``RequestId: ... Error: ...`` messages (the timeout's as recorded in seek-oss/aws-codedeploy-hooks, pull
request 81; older ones began with a date instead and had no ``errorType``).
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal

import msgspec

from tapstack_emulator.lambda_host.config import FunctionConfig, environment_of
from tapstack_emulator.lambda_host.runtime_api import Answer, Invocation, RuntimeApi
from tapstack_emulator.processes import child_process

ZOMBIE_S_MAX = 60.0  # a timed-out worker that was left running is killed after this

ResultKind = Literal["success", "function_error", "throttled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeResponse:
    """What an invocation came to.

    Parameters
    ----------
    kind
        ``success``; ``function_error`` as AWS marks it with ``FunctionError: Unhandled``;
        ``throttled`` if the function was not run at all.
    payload
        The function's response, or the error object.
    """

    kind: ResultKind
    payload: bytes


class ExecutionEnvironment:
    """One worker process; never used again after a crash or a timeout.

    Parameters
    ----------
    config
        The function.
    log
        Receives the process's standard output and error.
    on_death
        Called with process id and exit code if the process ends, once it has started, and was not stopped.
    """

    def __init__(
        self,
        config: FunctionConfig,
        log: IO[bytes],
        on_death: Callable[[int, int], object] = child_process.unheard,
    ) -> None:
        # Lambda gives each execution environment credentials of its own. So do we, and the fault
        # proxy recognises by the key which worker is calling.
        self.access_key_id = "ASIA" + secrets.token_hex(8).upper()
        self._config = config
        self._log = log
        self._on_death = on_death
        self._api = RuntimeApi()
        self._child: child_process.ChildProcess | None = None
        self._started = False
        self._killed = False
        self._request_id = ""
        self._worker_answer: asyncio.Future[Answer] | None = None
        self._result: asyncio.Future[InvokeResponse] | None = None

    @property
    def usable(self) -> bool:
        """Whether its process runs and was not told to die."""
        return self._child is not None and self._child.running and not self._killed

    @property
    def pid(self) -> int | None:
        """Process id, once started."""
        return None if self._child is None else self._child.pid

    async def start(self) -> InvokeResponse | None:
        """Start the process and wait until it asks for work.

        Returns
        -------
        InvokeResponse or None
            Why it did not; None if it did.
        """
        await self._api.listen()
        child = self._child = await child_process.start(
            "awslambdaric",
            [self._config.handler],
            python=self._config.python,
            environment=environment_of(
                self._config, runtime_api=self._api.address, access_key_id=self.access_key_id
            ),
            log=self._log,
            working_directory=self._config.task_root,
            isolated=self._config.isolated,
        )
        child.ended.add_done_callback(self._on_exit)
        limit_s = self._config.init_timeout_s
        either: set[asyncio.Future[Any]] = {self._api.started, child.ended}
        await asyncio.wait(either, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if self._api.started.done():
            payload = self._api.started.result()
            self._started = payload is None
            return None if payload is None else InvokeResponse(kind="function_error", payload=payload)
        request_id = str(uuid.uuid4())
        if child.ended.done():
            return _exit_error(request_id, child.ended.result())
        return _timeout_error(request_id, limit_s)

    async def invoke(
        self, payload: bytes, *, trace_id: str, cut_short_s: float | None = None
    ) -> tuple[InvokeResponse, bool]:
        """Run one invocation.

        Parameters
        ----------
        payload
            The event, JSON.
        trace_id
            The X-Ray trace header.
        cut_short_s
            Report a timeout already after this time.

        Returns
        -------
        tuple
            The result, and whether the worker itself gave it: if not, this environment is spent.
        """
        loop = asyncio.get_running_loop()
        limit_s = self._config.timeout_s
        self._request_id = str(uuid.uuid4())
        result = self._result = loop.create_future()
        answer = self._worker_answer = self._api.hand_over(
            Invocation(
                request_id=self._request_id,
                payload=payload,
                deadline_ms=int((time.time() + limit_s) * 1000),
                function_arn=self._config.arn,
                trace_id=trace_id,
            )
        )
        answer.add_done_callback(self._on_answer)
        if not self.usable:  # it died in between
            return _exit_error(self._request_id, -signal.SIGKILL), False
        timer = loop.call_later(limit_s if cut_short_s is None else cut_short_s, self._on_timeout)
        try:
            return await result, answer.done()
        finally:
            timer.cancel()

    def kill(self) -> None:
        """Kill the process at once; a running invocation ends as a crash."""
        self._killed = True
        if self._child is not None:
            self._child.kill()

    async def close(self, *, patience_s: float = 0.0) -> None:
        """End the process and close its endpoint.

        Parameters
        ----------
        patience_s
            How long the process may take to end by itself after SIGTERM.
        """
        self._killed = True
        if self._child is not None:
            await self._child.stop(patience_s)
        await self._api.close()

    async def close_after_answer(self) -> None:
        """Let the worker finish the invocation that was given up, then close."""
        if self._child is not None and self._worker_answer is not None:
            either: set[asyncio.Future[Any]] = {self._worker_answer, self._child.ended}
            await asyncio.wait(either, timeout=ZOMBIE_S_MAX, return_when=asyncio.FIRST_COMPLETED)
        await self.close()

    def _on_answer(self, answer: asyncio.Future[Answer]) -> None:
        if not answer.cancelled():
            verdict, body = answer.result()
            kind: ResultKind = "success" if verdict == "response" else "function_error"
            self._settle(InvokeResponse(kind=kind, payload=body))

    def _on_exit(self, ended: asyncio.Future[int]) -> None:
        if ended.cancelled():
            return
        if self._started and not self._killed and self._child is not None:
            self._on_death(self._child.pid, ended.result())
        self._settle(_exit_error(self._request_id, ended.result()))

    def _on_timeout(self) -> None:
        self._settle(_timeout_error(self._request_id, self._config.timeout_s))

    def _settle(self, result: InvokeResponse) -> None:
        if self._result is not None and not self._result.done():
            self._result.set_result(result)


def _exit_error(request_id: str, exit_code: int) -> InvokeResponse:
    if exit_code > 0:
        reason = f"Runtime exited with error: exit status {exit_code}"
    elif exit_code < 0:
        # Go's wording of a signal, as Lambda's own supervisor prints it: "signal: killed".
        reason = f"Runtime exited with error: signal: {_SIGNAL_WORDS.get(-exit_code, str(-exit_code))}"
    else:
        reason = "Runtime exited without providing a reason"
    return _error("Runtime.ExitError", f"RequestId: {request_id} Error: {reason}")


_SIGNAL_WORDS = {
    int(signal.SIGKILL): "killed",
    int(signal.SIGSEGV): "segmentation fault",
    int(signal.SIGABRT): "aborted",
    int(signal.SIGTERM): "terminated",
}


def _timeout_error(request_id: str, limit_s: float) -> InvokeResponse:
    return _error(
        "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {limit_s:.2f} seconds"
    )


def _error(error_type: str, message: str) -> InvokeResponse:
    body = {"errorType": error_type, "errorMessage": message}
    return InvokeResponse(kind="function_error", payload=msgspec.json.encode(body))
