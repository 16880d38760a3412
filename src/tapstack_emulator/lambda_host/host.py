"""A host for Lambda functions: worker processes that run AWS's own runtime client.

A function has a number of workers (its provisioned concurrency, so to say) that `resize` changes. A worker
is a process ``python -m awslambdaric HANDLER`` with a clean environment and a Runtime API endpoint of its
own; it runs one invocation at a time and is replaced when it crashes, times out or fails to start.
Invocations that find every worker busy wait, without limit: callers bound their own concurrency.
There is no memory limit.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Self

from tapstack_emulator.lambda_host.config import FunctionConfig
from tapstack_emulator.lambda_host.environment import ExecutionEnvironment, InvokeResponse
from tapstack_emulator.lambda_host.runtime_api import PAYLOAD_BYTES_MAX
from tapstack_emulator.processes import child_process

__all__ = ["FunctionConfig", "InvokeFault", "InvokeResponse", "LambdaFunction"]

STOP_PATIENCE_S = 1.0  # workers hold nothing that needs longer

# TooManyRequestsException of https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_THROTTLED = InvokeResponse(
    kind="throttled", payload=b'{"Reason":"ConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}'
)
_LOST = InvokeResponse(
    kind="function_error", payload=b'{"errorType":"ServiceException","errorMessage":"The response was lost."}'
)
_STOPPED = InvokeResponse(
    kind="function_error", payload=b'{"errorType":"ServiceException","errorMessage":"The host is stopping."}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeFault:
    """Something that shall go wrong with one invocation.

    Parameters
    ----------
    kind
        ``crash``: the worker is killed. ``timeout``: it is cut short as by its timeout. ``zombie``:
        the same, but the worker finishes beside its successor. ``lost_response``: it runs to its
        end, yet its caller gets an error. ``throttled``: it is not run.
    after_s
        For the first three: how long after the worker was given the invocation, in seconds.
    """

    kind: Literal["crash", "timeout", "zombie", "lost_response", "throttled"]
    after_s: float = 0.0


class _Seat:
    """A worker's place in the pool; its environment comes and goes."""

    __slots__ = ("environment",)

    def __init__(self) -> None:
        self.environment: ExecutionEnvironment | None = None


class LambdaFunction:
    """A function with its workers; an async context manager.

    Parameters
    ----------
    config
        The function.
    log_path
        File that gets the standard output and error of its workers, appended.
    on_death
        Called with process id and exit code of a worker that ended and was not told to. As in Lambda, another
        one takes its place.
    """

    def __init__(
        self,
        config: FunctionConfig,
        *,
        log_path: Path,
        on_death: Callable[[int, int], object] = child_process.unheard,
    ) -> None:
        self.config = config
        self.log_path = log_path
        self._on_death = on_death
        self.cold_start_count = 0
        self.access_key_ids: set[str] = set()  # of every worker there ever was
        self.start_failure: InvokeResponse | None = None  # of the latest start
        self._log: IO[bytes] | None = None
        self._stopped = False
        self._size = config.workers
        self._seats = [_Seat() for _ in range(config.workers)]
        self._idle: list[_Seat] = []  # the last one first
        self._waiting: deque[asyncio.Future[_Seat]] = deque()
        self._endings: dict[asyncio.Task[None], ExecutionEnvironment] = {}
        self._beginnings: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Start every worker, side by side; one that fails is tried again when it is needed."""
        self._log = self.log_path.open("ab")
        try:
            await asyncio.gather(*(self._ready(seat) for seat in self._seats))
        except BaseException:
            await self.stop()
            raise
        self._idle += reversed(self._seats)
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop every worker."""
        await self.stop()

    async def stop(self) -> None:
        """End every process, zombies included; running and waiting invocations end as errors."""
        self._stopped = True
        for beginning in self._beginnings:
            beginning.cancel()
        await asyncio.gather(*self._beginnings, return_exceptions=True)
        for zombie in self._endings.values():
            zombie.kill()
        environments = [seat.environment for seat in self._seats if seat.environment is not None]
        closings = [environment.close(patience_s=STOP_PATIENCE_S) for environment in environments]
        await asyncio.gather(*closings, *self._endings, return_exceptions=True)
        for seat in self._seats:
            seat.environment = None
        if self._log is not None:
            self._log.close()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are in the pool."""
        environments = (seat.environment for seat in self._seats)
        return [
            each.pid for each in environments if each is not None and each.usable and each.pid is not None
        ]

    def resize(self, workers: int) -> None:
        """Change the number of workers.

        New ones start in the background and take part once they are ready. Those that are too many end when
        they are idle, without losing an invocation.

        Parameters
        ----------
        workers
            How many, ``>= 1``.
        """
        self._size = workers
        while len(self._seats) > workers and self._idle:
            self._retire(self._idle.pop())
        for _ in range(workers - len(self._seats)):
            seat = _Seat()
            self._seats.append(seat)
            self._begin(seat)

    def kill_worker(self, access_key_id: str) -> bool:
        """Kill the worker with these credentials, as a crash of its own would.

        Parameters
        ----------
        access_key_id
            As it appears in the signatures of its calls.

        Returns
        -------
        bool
            Whether there is such a worker, in the pool or as a zombie.
        """
        seated = [seat.environment for seat in self._seats if seat.environment is not None]
        for environment in [*seated, *self._endings.values()]:
            if environment.access_key_id == access_key_id:
                environment.kill()
                return True
        return False

    async def wait_for_zombies(self) -> None:
        """Wait until no worker runs that was given up."""
        while self._endings:
            await asyncio.wait(set(self._endings))

    async def invoke(
        self, payload: bytes, *, trace_id: str = "", fault: InvokeFault | None = None
    ) -> InvokeResponse:
        """Invoke the function (RequestResponse), waiting for a free worker.

        Parameters
        ----------
        payload
            The event, JSON.
        trace_id
            The caller's X-Ray trace header; a new one if empty.
        fault
            What shall go wrong with it.

        Returns
        -------
        InvokeResponse
            What AWS would answer.

        Raises
        ------
        ValueError
            If the payload is larger than Lambda takes.
        """
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"payload of {len(payload)} bytes; Lambda takes at most {PAYLOAD_BYTES_MAX}")
        if fault is not None and fault.kind == "throttled":
            return _THROTTLED
        seat = await self._free_seat()
        started = False
        try:
            failure = await self._ready(seat)
            if failure is not None:
                return failure
            started = True
            return await self._run(seat, payload, trace_id or new_trace_id(), fault)
        except asyncio.CancelledError:
            # The worker still runs an invocation that was given up: it must not be given the next event.
            self._discard(seat)
            raise
        finally:
            if started and seat.environment is None and not self._stopped:
                self._begin(seat)  # at once, beside the caller's backoff, not when it comes back
            else:
                self._release(seat)

    def _begin(self, seat: _Seat) -> None:
        """Start a seat's worker in the background; then the seat is free."""
        beginning = asyncio.create_task(self._start(seat))
        self._beginnings.add(beginning)
        beginning.add_done_callback(self._beginnings.discard)

    async def _start(self, seat: _Seat) -> None:
        await self._ready(seat)  # a failure is told to the next invocation, which tries again
        self._release(seat)

    def _release(self, seat: _Seat) -> None:
        if len(self._seats) > self._size:
            self._retire(seat)
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(seat)
                return
        self._idle.append(seat)

    async def _free_seat(self) -> _Seat:
        """Wait for a seat, in the order of asking: with `asyncio.Queue` who comes just then goes first."""
        if self._idle:
            return self._idle.pop()
        waiting: asyncio.Future[_Seat] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self._release(waiting.result())
            raise

    def _retire(self, seat: _Seat) -> None:
        self._seats.remove(seat)
        self._discard(seat)

    async def _ready(self, seat: _Seat) -> InvokeResponse | None:
        """Start an environment for the seat if it has none; return the error if it cannot be started."""
        if seat.environment is not None:
            if seat.environment.usable:
                return None
            self._discard(seat)
        if self._stopped:
            return _STOPPED
        if self._log is None:
            raise ValueError(f"function {self.config.name} is not running")
        self.cold_start_count += 1
        seat.environment = ExecutionEnvironment(self.config, self._log, self._on_death)
        self.access_key_ids.add(seat.environment.access_key_id)
        self.start_failure = failure = await seat.environment.start()
        if failure is not None:
            self._discard(seat)
        return failure

    async def _run(
        self, seat: _Seat, payload: bytes, trace_id: str, fault: InvokeFault | None
    ) -> InvokeResponse:
        environment = seat.environment
        if environment is None:
            raise AssertionError("a ready seat has an environment")
        cut_short_s: float | None = None
        crash: asyncio.TimerHandle | None = None
        if fault is not None and fault.kind in {"timeout", "zombie"}:
            cut_short_s = fault.after_s
        elif fault is not None and fault.kind == "crash":
            crash = asyncio.get_running_loop().call_later(fault.after_s, environment.kill)
        result, answered = await environment.invoke(payload, trace_id=trace_id, cut_short_s=cut_short_s)
        if crash is not None:
            crash.cancel()
        if not answered:
            self._discard(seat, zombie=fault is not None and fault.kind == "zombie")
        return _LOST if fault is not None and fault.kind == "lost_response" and answered else result

    def _discard(self, seat: _Seat, *, zombie: bool = False) -> None:
        """Take the environment from its seat and end it in the background."""
        environment, seat.environment = seat.environment, None
        if environment is None:
            return
        if not zombie:
            environment.kill()
        ending = asyncio.create_task(self._end(environment, zombie=zombie))
        self._endings[ending] = environment
        ending.add_done_callback(self._endings.pop)

    @staticmethod
    async def _end(environment: ExecutionEnvironment, *, zombie: bool) -> None:
        if zombie:
            await environment.close_after_answer()
        else:
            await environment.close()


def new_trace_id() -> str:
    """Return a new X-Ray trace header, as Lambda and the load balancer write it."""
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
