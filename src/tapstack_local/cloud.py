"""The embedded cloud: everything the pipeline needs from AWS, on this machine, for as long as it runs.

Nothing listens beyond 127.0.0.1 and nothing stays behind: children watch a pipe to this process and die
with it, even when it is killed, and the folder that a killed one leaves is removed by the next. A part that
dies ends the whole at once, with an error that names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import msgspec

from tapstack.entrypoints.clock import SystemClock
from tapstack.errors import Unavailable
from tapstack.ports import AwsApi
from tapstack_emulator.call_recorder import CallRecorder, RecordedApi
from tapstack_emulator.destination import EmulatedDestination
from tapstack_emulator.event_source_mapping import InvokeResult, MappingRunner
from tapstack_emulator.event_source_mapping.model import CheckpointMoved, EmitMetric, Output
from tapstack_emulator.fault_proxy import FaultProxy
from tapstack_emulator.kinesis.service import MemoryKinesis
from tapstack_emulator.lambda_host.host import LambdaFunction
from tapstack_emulator.load_balancer.browsers import BrowserGuard
from tapstack_emulator.load_balancer.server import LoadBalancer, look_away
from tapstack_emulator.ministack import Emulator
from tapstack_emulator.processes.scratch import scratch_folder
from tapstack_emulator.serving import ServiceServer
from tapstack_emulator.serving.exchange import Observe
from tapstack_local.cloud_config import CloudConfig
from tapstack_local.cloud_faults import CloudFaults
from tapstack_local.cloud_functions import Endpoints, consumer_workers
from tapstack_local.drainer_trigger import DrainerTrigger
from tapstack_local.gate import Gate
from tapstack_local.lifeline import Lifeline
from tapstack_local.port import in_use, require_free
from tapstack_local.projector_trigger import ProjectorTrigger
from tapstack_local.witness import Witness

__all__ = ["CloudConfig", "EmbeddedCloud"]

Part = TypeVar("Part")

STOP_PATIENCE_MS = 2_000  # how long running invocations of the consumer may take to end


class EmbeddedCloud:
    """The running cloud; an async context manager.

    While it runs, SIGTERM, and SIGHUP unless it is ignored, cancel the task that entered it, as Ctrl-C does
    under `asyncio.run`, so that all of them stop everything in order. So does the death of a part: the block
    then ends with `Unavailable`.

    Parameters
    ----------
    config
        What to run.
    keep_logs
        Folder for the logs of functions and emulator; a temporary one, removed at the end, unless given.
    recorder
        Takes note of every AWS call of the functions and of the mapping.
    witness
        Sees what comes in.
    """

    def __init__(
        self,
        config: CloudConfig,
        *,
        keep_logs: Path | None = None,
        recorder: CallRecorder | None = None,
        witness: Witness | None = None,
    ) -> None:
        self.config = config
        self.blueprint = config.described()
        self._faults = CloudFaults(config)
        self.kinesis = MemoryKinesis(SystemClock(), limited=config.limited, shuffle=self._faults.shuffle())
        self.stream = self.blueprint.stream
        self.table = self.blueprint.table.name
        self.folder = Path()  # once it runs
        self.functions: dict[str, LambdaFunction] = {}
        self._keep_logs = keep_logs
        self._emulator: Emulator | None = None
        self._lifeline = Lifeline()
        self._recorder = recorder
        self._witness = witness
        if recorder is not None:
            recorder.caller_of = self._caller_of
        self._balancer: LoadBalancer | None = None
        self._runner: MappingRunner | None = None
        self._trigger: ProjectorTrigger | None = None
        self._schedule: DrainerTrigger | None = None
        self._gate = Gate()  # of the consumer's invocations by the mapping
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start everything; about a second.

        Raises
        ------
        UsageError
            If the port is in use.
        Unavailable
            If the emulator does not start.
        """
        self._lifeline.attach()
        try:
            require_free(self.config.port)
            self._stop_on_signals()
            await self._start()
        except BaseException as error:
            await self._close(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything; raises Unavailable if the block ended because a part of the cloud did."""
        await self._close(error)

    async def _close(self, error: BaseException | None) -> None:
        failure = await self._lifeline.release(error)
        await self.stop()
        if failure is not None:
            raise failure from None

    async def stop(self) -> None:
        """Stop everything, in the opposite order of its start."""
        await self._stack.aclose()

    @property
    def base_url(self) -> str:
        """Where the load balancer answers."""
        return self._started(self._balancer).base_url

    @property
    def emulator_url(self) -> str:
        """Where DynamoDB, S3 and SQS answer without faults; for checkers."""
        return self._started(self._emulator).url

    @property
    def runner(self) -> MappingRunner:
        """The event source mapping."""
        return self._started(self._runner)

    @property
    def failed_folds(self) -> int:
        """How many invocations of the projector failed so far; they are repeated."""
        return 0 if self._trigger is None else self._trigger.failure_count

    @property
    def backlog(self) -> int:
        """How many records are on the stream and not settled."""
        return self.kinesis.record_count(self.stream)

    @property
    def open_shards(self) -> int:
        """How many shards take records."""
        return len(self.kinesis.shard_ids(self.stream, open_only=True))

    @property
    def counts(self) -> dict[str, int]:
        """What happened so far, by name: answers by status, invocations, cold starts."""
        statuses = self._started(self._balancer).statuses
        counts = {f"http_{status if status > 0 else 'dropped'}": n for status, n in sorted(statuses.items())}
        counts["failed_folds"] = self.failed_folds
        counts["drained_events"] = 0 if self._schedule is None else self._schedule.drained_events
        counts |= {f"mapping_{name}": value for name, value in sorted(self.runner.counters.items())}
        return counts | {
            f"{name}_cold_starts": each.cold_start_count for name, each in self.functions.items()
        }

    @property
    def faults(self) -> dict[str, int]:
        """The faults injected so far, by name."""
        return self._faults.counts

    @property
    def invalid_records(self) -> Sequence[bytes]:
        """The invalid records that the other producer wrote to the stream so far."""
        return self._faults.invalid_records

    @property
    def processes(self) -> list[int]:
        """Ids of the child processes."""
        workers = [pid for function in self.functions.values() for pid in function.pids]
        return [*workers, *([self._emulator.pid] if self._emulator and self._emulator.pid else [])]

    async def drain(self) -> str:
        """Wait until all that is spilled or on the stream is consumed and projected, and nothing runs.

        Returns
        -------
        str
            What the projector did not fold, in words, if it gets no further; else empty.

        Raises
        ------
        RuntimeError
            If the event source mapping stopped before.
        """
        await self._started(self._schedule).settle()
        await self.runner.drain()
        while await self._faults.wait_for_duplicates():
            await self.runner.drain()
        await self.functions[self.blueprint.consumer].wait_for_zombies()
        unfolded = await self._started(self._trigger).settle()
        await self._faults.wait_for_duplicates()
        await self.functions[self.blueprint.projector].wait_for_zombies()
        return unfolded

    def outage(self, *places: Literal["put", "s3"]) -> contextlib.AbstractContextManager[None]:
        """Let every call of the collector and the drainer to Kinesis, or every call to S3, fail meanwhile."""
        return self._faults.outage(*places)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the consumer still, with all projected, so that rows that are read meanwhile fit together."""
        async with self._gate.shut():
            await self._started(self._trigger).settle()
            yield

    async def _start(self) -> None:
        self.folder = self._keep_logs or self._stack.enter_context(scratch_folder())
        self._emulator = emulator = Emulator(
            self.folder,
            region=self.blueprint.region,
            on_death=self._lifeline.watcher("ministack, which holds the table and the buckets"),
        )
        await self._stack.enter_async_context(emulator)
        await self._make_stores(emulator)
        await self._start_functions(await self._start_endpoints(emulator))
        consumer = self.functions[self.blueprint.consumer]
        self._faults.start_on(
            self.kinesis, self.stream, lambda shards: consumer.resize(consumer_workers(shards))
        )
        self._start_mapping(emulator)
        self._start_trigger(emulator)
        self._start_schedule()
        self._balancer = LoadBalancer(
            functions={name: function.invoke for name, function in self.functions.items()},
            target_groups=self.blueprint.target_groups,
            rules=self.blueprint.rules,
            default_action=self.blueprint.default_action,
            port=self.config.port,
            faults=self._faults.request,
            observe=look_away if self._witness is None else self._witness.request,
            guard=BrowserGuard(self.config.origins),
        )
        try:
            await self._stack.enter_async_context(self._balancer)
        except OSError as error:
            raise in_use(self.config.port, error) from None

    async def _make_stores(self, emulator: Emulator) -> None:
        blueprint = self.blueprint
        await emulator.create_table(
            self.table,
            partition_key=blueprint.table.partition_key,
            sort_key=blueprint.table.sort_key,
            ttl_attribute=blueprint.table.ttl_attribute,
        )
        own = (blueprint.quarantine_bucket, blueprint.late_bucket, blueprint.spill_bucket)
        for bucket in (*own, *blueprint.buckets):
            await emulator.create_bucket(bucket)
        for queue in blueprint.queues:
            await emulator.create_queue(queue)
        self.kinesis.create_stream(self.stream, blueprint.shards)

    async def _start_endpoints(self, emulator: Emulator) -> Endpoints:
        """Start Kinesis, and the proxies if anything shall go wrong or be recorded behind them."""
        server = ServiceServer(
            self._faults.kinesis(self.kinesis, "put"), on_crash=self._crash, observe=self._observe_kinesis
        )
        await self._stack.enter_async_context(server)
        if self._faults.quiet and self._recorder is None:
            return Endpoints(dynamodb=emulator.url, s3=emulator.url, kinesis=server.url)
        dynamodb = await self._stack.enter_async_context(self._proxy("dynamodb", emulator.url))
        s3 = await self._stack.enter_async_context(self._proxy("s3", emulator.url))
        return Endpoints(dynamodb=dynamodb.url, s3=s3.url, kinesis=server.url)

    async def _start_functions(self, endpoints: Endpoints) -> None:
        for config in map(endpoints.added_to, self.blueprint.functions):
            self.functions[config.name] = LambdaFunction(
                config,
                log_path=self.folder / f"{config.name}.log",
                on_death=self._lifeline.watcher(f"a worker of {config.name}"),
            )
        # One after the other they would take three cold starts; the stack still stops each of them.
        await asyncio.gather(*map(self._stack.enter_async_context, self.functions.values()))
        # A function that cannot start would fail for ever, and the mapping would try for ever.
        for name, function in self.functions.items():
            if function.start_failure is not None:
                raise Unavailable(f"{name} does not start: {_reason(function.start_failure.payload)}")

    def _start_mapping(self, emulator: Emulator) -> None:
        self._runner = MappingRunner(
            config=self.blueprint.mapping,
            kinesis=self._polled(),
            function=self._consume,
            destination=EmulatedDestination(emulator, self._recorder),
            choices=self._faults.choices(),
            observe=self._watch,
        )
        self._lifeline.watch_task(self._runner.start(), "the event source mapping")
        self._stack.push_async_callback(self._stop_mapping, self._runner)

    def _start_trigger(self, emulator: Emulator) -> None:
        projector = self.functions[self.blueprint.projector]
        self._trigger = ProjectorTrigger(
            partial(emulator.query, self.table),
            partial(self._faults.invoke, "projector", projector),
            stream_arn=self.blueprint.table_stream_arn,
            interval_s=self.blueprint.projection_interval_s,
            patience_s=self.config.projection_patience_s,
        )
        task = asyncio.create_task(self._trigger.run())
        self._lifeline.watch_task(task, "what triggers the projector")
        self._stack.push_async_callback(_cancelled, task)

    def _start_schedule(self) -> None:
        drainer = self.functions[self.blueprint.drainer]
        self._schedule = DrainerTrigger(
            partial(self._faults.invoke, "drainer", drainer), interval_s=self.blueprint.drain_interval_s
        )
        task = asyncio.create_task(self._schedule.run())
        self._lifeline.watch_task(task, "what triggers the drainer")
        self._stack.push_async_callback(_cancelled, task)

    def _polled(self) -> AwsApi:
        api = self._faults.kinesis(self.kinesis, "read")
        return api if self._recorder is None else RecordedApi(api, self._recorder, self.stream)

    def _watch(self, output: Output) -> None:
        match output:
            case CheckpointMoved(sub_batch=None, shard_id=shard_id, sequence_number=number):
                # The only reader never goes back behind its checkpoint: long runs in bounded memory.
                self.kinesis.forget(self.stream, shard_id, number)
            case EmitMetric(name="PolledEventCount", value=count):
                self._faults.note(count)

    async def _stop_mapping(self, runner: MappingRunner) -> None:
        await self._faults.stop()
        try:
            await runner.stop(timeout_ms=STOP_PATIENCE_MS)
        except BaseExceptionGroup:
            if not self._lifeline.is_cut:  # else it is told already
                raise

    async def _consume(self, payload: bytes) -> InvokeResult:
        async with self._gate.passing():
            return await self._faults.invoke("consumer", self.functions[self.blueprint.consumer], payload)

    def _proxy(self, service: Literal["dynamodb", "s3"], upstream: str) -> FaultProxy:
        return self._faults.proxy(
            service,
            upstream,
            on_crash=self._crash,
            # E1 is theirs; who reads often would mostly meet cold starts of the one that answers.
            may_crash=lambda key: self._caller_of(key) in {self.blueprint.consumer, self.blueprint.projector},
            observe=self._observe,
        )

    @property
    def _observe(self) -> Observe | None:
        return None if self._recorder is None else self._recorder.observe

    def _observe_kinesis(self, service: str, key: str, operation: str, path: str, body: bytes) -> None:
        if self._observe is not None:
            self._observe(service, key, operation, path, body)
        if self._witness is not None and operation == "PutRecords":
            self._witness.put(body)

    def _caller_of(self, access_key_id: str) -> str:
        for name, function in self.functions.items():
            if access_key_id in function.access_key_ids:
                return name
        return access_key_id

    def _crash(self, access_key_id: str) -> None:
        for function in self.functions.values():
            if function.kill_worker(access_key_id):
                return

    def _stop_on_signals(self) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and means it
                    loop.add_signal_handler(number, task.cancel)
                    self._stack.callback(loop.remove_signal_handler, number)

    @staticmethod
    def _started(part: Part | None) -> Part:
        if part is None:
            raise ValueError("the embedded cloud is not running")
        return part


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _reason(payload: bytes) -> str:
    error = msgspec.json.decode(payload)
    return f"{error.get('errorType')}: {error.get('errorMessage')}"
