"""The thin loop around the machine: an asyncio task for each mapping of the embedded cloud."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from typing import Protocol

from tapstack.errors import Unavailable
from tapstack.ports import AwsApi
from tapstack_emulator.event_source_mapping.choices import Choices, FixedChoices
from tapstack_emulator.event_source_mapping.config import MappingConfig, Pacing
from tapstack_emulator.event_source_mapping.kinesis_reader import KinesisReader
from tapstack_emulator.event_source_mapping.machine import create, step
from tapstack_emulator.event_source_mapping.model import (
    Deliver,
    Disable,
    EmitMetric,
    Fetch,
    Input,
    Invoke,
    ListShards,
    MappingState,
    Output,
    RecordsFetched,
    SetTimer,
    Skipped,
    Tick,
)
from tapstack_emulator.event_source_mapping.payload import invocation_event
from tapstack_emulator.event_source_mapping.responses import InvokeResult

# The demo should feel alive: an idle shard is polled ten times a second where AWS polls once.
PROMPT = Pacing(poll_interval_ms=100, backoff_ms=100, backoff_max_ms=5_000, shard_list_interval_ms=5_000)


class Function(Protocol):
    """The function a mapping invokes."""

    async def __call__(self, payload: bytes) -> InvokeResult:
        """Invoke with an event and wait for the answer.

        Raises
        ------
        Unavailable
            If the invocation was not delivered, or may not have been; counts as throttled.
        """
        ...


class Destination(Protocol):
    """Where discarded records go."""

    async def put(self, delivery: Deliver) -> None:
        """Hand over a failure record.

        Raises
        ------
        Unavailable
            If the destination did not take it: the records are then lost, as on AWS.
        """
        ...


class RunnerClock(Protocol):
    """Time for the runner."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...

    async def wait(self, wake: asyncio.Event, timeout_ms: int | None) -> None:
        """Return once `wake` is set or the time has passed, whichever is first."""
        ...


class LoopClock:
    """The machine's own time."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    async def wait(self, wake: asyncio.Event, timeout_ms: int | None) -> None:
        """Return once `wake` is set or the time has passed, whichever is first."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), None if timeout_ms is None else timeout_ms / 1000)


class MappingRunner:
    """Runs one mapping.

    Parameters
    ----------
    config
        The mapping; its stream is named by ``event_source_arn``.
    kinesis
        The service; called from the event loop, so it must answer at once.
    function
        What is invoked.
    destination
        Where discarded records go; needed if `config` names one.
    pacing
        How fast it polls and backs off.
    choices
        Who settles what AWS does not document; always the same way unless given.
    clock
        Time.
    observe
        Called with every output of the machine, for progress displays and tests.
    """

    def __init__(
        self,
        *,
        config: MappingConfig,
        kinesis: AwsApi,
        function: Function,
        destination: Destination | None = None,
        pacing: Pacing = PROMPT,
        choices: Choices | None = None,
        clock: RunnerClock | None = None,
        observe: Callable[[Output], None] | None = None,
    ) -> None:
        if config.destination_arn is not None and destination is None:
            raise ValueError("DestinationConfig names a destination, but none was given")
        self._reader = KinesisReader(kinesis, config.stream_name)
        self._function = function
        self._destination = destination
        self._choices: Choices = choices or FixedChoices()
        self._clock: RunnerClock = clock or LoopClock()
        self._observe = observe
        self._state = create(config, now_ms=self._clock.now_ms(), pacing=pacing)
        self._inputs: deque[Input] = deque()
        self._wake = asyncio.Event()
        self._timer_ms: int | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._seen_end: dict[str, int] = {}
        self._drains: list[tuple[int, asyncio.Future[None]]] = []
        self.counters: Counter[str] = Counter()

    @property
    def state(self) -> MappingState:
        """The machine's state."""
        return self._state

    @property
    def backlog(self) -> int:
        """How many records were read and are not settled yet."""
        return sum(
            len(sub_batch.buffer) + len(sub_batch.unacknowledged)
            for shard in self._state.shards.values()
            for sub_batch in shard.sub_batches
        )

    @property
    def iterator_age_ms(self) -> int:
        """How far the mapping is behind: the age of its oldest record not settled, 0 if all are settled."""
        now_ms = self._clock.now_ms()
        ages = [0]
        for shard in self._state.shards.values():
            ages.append(shard.millis_behind)
            for sub_batch in shard.sub_batches:
                oldest = [*(batch.records[0] for batch in sub_batch.work), *sub_batch.buffer[:1]]
                ages.extend(now_ms - record.arrival_ms for record in oldest)
        return max(ages)

    def start(self) -> asyncio.Task[None]:
        """Start; the task ends when the mapping was stopped, or with the error that ended it."""
        self._task = asyncio.create_task(self.run(), name=f"event-source-mapping-{self._state.config.uuid}")
        return self._task

    def send(self, event: Input) -> None:
        """Send the machine an input: an operator's command (`Disable`, `Update`, ...) or a fault."""
        self._inputs.append(event)
        self._wake.set()

    async def drain(self) -> None:
        """Wait until every shard was read to its end after this call, and every batch is acknowledged.

        Raises
        ------
        RuntimeError
            If the mapping stopped before.
        """
        if self._task is not None and self._task.done():
            raise RuntimeError("the mapping is not running")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._drains.append((self._state.next_id, waiter))
        self._wake.set()
        await waiter

    async def stop(self, *, timeout_ms: int = 30_000) -> None:
        """Stop cleanly: running invocations end and are judged, nothing new begins.

        Parameters
        ----------
        timeout_ms
            How long to wait for running invocations before they are cancelled.

        Raises
        ------
        BaseExceptionGroup
            If the mapping had failed.
        """
        self._stopping = True
        self.send(Disable(self._clock.now_ms()))
        if self._task is None:
            return
        done, _ = await asyncio.wait({self._task}, timeout=timeout_ms / 1000)
        if not done:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def run(self) -> None:
        """Run until `stop`."""
        self._inputs.appendleft(Tick(self._clock.now_ms()))
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await self._loop()
        finally:
            for _, waiter in self._drains:
                if not waiter.done():
                    waiter.set_exception(RuntimeError("the mapping stopped before it was drained"))
            self._drains.clear()

    async def _loop(self) -> None:
        while True:
            while self._inputs:
                self._take(self._inputs.popleft())
                await asyncio.sleep(0)  # invocations and the rest of the embedded cloud share this loop
            self._check_drained()
            if self._stopping and self._state.status in ("Disabled", "Deleted"):
                return
            timer_ms = self._timer_ms
            wait_ms = None if timer_ms is None else max(0, timer_ms - self._clock.now_ms())
            if wait_ms != 0:
                await self._clock.wait(self._wake, wait_ms)
            self._wake.clear()
            now_ms = self._clock.now_ms()
            if self._timer_ms is not None and self._timer_ms <= now_ms:
                self._timer_ms = None
                self._inputs.append(Tick(now_ms))

    def _take(self, event: Input) -> None:
        if isinstance(event, RecordsFetched) and not event.records and event.millis_behind == 0:
            self._seen_end[event.shard_id] = event.fetch_id
        self._state, outputs = step(self._state, event, self._choices)
        for output in outputs:
            self._perform(output)
            if self._observe is not None:
                self._observe(output)

    def _perform(self, output: Output) -> None:
        now_ms = self._clock.now_ms()
        match output:
            case Fetch():
                self._inputs.append(self._reader.fetch(output, now_ms))
            case Invoke():
                self._spawn(self._invoke(output))
            case Deliver():
                self._spawn(self._deliver(output))
            case ListShards():
                self._inputs.append(self._reader.list_shards(now_ms))
            case SetTimer(at_ms):
                self._timer_ms = at_ms
            case EmitMetric(name, value):
                if name != "IteratorAge":
                    self.counters[name] += value
            case Skipped(sequence_numbers=numbers):
                self.counters["Skipped"] += len(numbers)
            case _:
                pass

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if self._group is None:
            raise AssertionError("outputs are performed inside run")
        self._group.create_task(work)

    async def _invoke(self, invoke: Invoke) -> None:
        self.counters["Invocations"] += 1
        payload = invocation_event(self._state.config, invoke.shard_id, invoke.records)
        try:
            result = await self._function(payload)
        except Unavailable:
            result = InvokeResult.throttled()
        self.counters[f"Invocations.{result.kind}"] += 1
        self.send(invoke.finished(self._clock.now_ms(), result))

    async def _deliver(self, delivery: Deliver) -> None:
        if self._destination is None:
            raise AssertionError("checked when the runner was made")
        delivered = True
        try:
            await self._destination.put(delivery)
        except Unavailable:
            delivered = False
        self.send(delivery.finished(self._clock.now_ms(), delivered=delivered))

    def _check_drained(self) -> None:
        if not self._drains or not self._state.listed or self.backlog:
            return
        shards = [shard for shard in self._state.shards.values() if shard.phase != "drained"]
        if any(shard.phase == "waiting" for shard in shards):
            return
        oldest = min((self._seen_end.get(shard.shard_id, 0) for shard in shards), default=self._state.next_id)
        for since, waiter in self._drains:
            if oldest >= since and not waiter.done():
                waiter.set_result(None)
        self._drains = [(since, waiter) for since, waiter in self._drains if not waiter.done()]
