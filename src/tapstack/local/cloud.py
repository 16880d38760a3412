"""The embedded cloud: everything the pipeline needs from AWS, on this machine, for as long as it runs.

Nothing listens beyond 127.0.0.1 and nothing stays behind: children watch a pipe to this process and die
with it, even when it is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import shutil
import signal
import socket
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeVar

from tapstack.entrypoints.clock import SystemClock
from tapstack.errors import UsageError
from tapstack.local import cloud_functions as names
from tapstack.local.cloud_functions import Endpoints, environments, functions
from tapstack.local.emulator import Emulator
from tapstack.local.event_source_mapping import (
    FixedChoices,
    InvokeResult,
    MappingConfig,
    MappingRunner,
    SeededChoices,
)
from tapstack.local.event_source_mapping.model import CheckpointMoved, Deliver, EmitMetric, Output
from tapstack.local.fault_plan import PRESETS, FaultDice, Preset, fault_name
from tapstack.local.fault_proxy import FaultProxy
from tapstack.local.kinesis_server import KinesisServer
from tapstack.local.lambda_config import ACCOUNT_ID, REGION
from tapstack.local.lambda_host import InvokeFault, LambdaFunction
from tapstack.local.load_balancer import LoadBalancer
from tapstack.local.resharding import Resharder
from tapstack.ports import AwsApi
from tapstack.testing.faults import FaultyApi
from tapstack.testing.kinesis import MemoryKinesis

Part = TypeVar("Part")

RESHARD_EVERY_RECORDS = 1_500  # if asked for without faults
STOP_PATIENCE_MS = 2_000  # how long running invocations of the consumer may take to end


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudConfig:
    """What to run.

    Parameters
    ----------
    shards
        Of the stream, ``>= 1``.
    port
        Of the load balancer; 0 chooses a free one.
    faults
        How much goes wrong.
    seed
        Of the faults and of what AWS leaves open.
    lanes
        How many ways derived rows are split; as many as shards unless given.
    batch_size
        Records in one invocation of the consumer.
    batching_window_s
        Seconds to gather a batch.
    log_level
        Of the functions.
    limited
        Whether shards refuse what exceeds their limits (1,000 records/s, 1 MiB/s).
    reshard
        Whether shards split and merge meanwhile; None leaves it to `faults`.
    """

    shards: int = 2
    port: int = 0
    faults: Preset = "none"
    seed: int = 0
    lanes: int | None = None
    batch_size: int = 1_000
    batching_window_s: int = 0
    log_level: str = "INFO"
    limited: bool = False
    reshard: bool | None = None


class EmbeddedCloud:
    """The running cloud; an async context manager.

    While it runs, SIGTERM cancels the task that entered it, as Ctrl-C does under `asyncio.run`, so that both
    stop everything in order.

    Parameters
    ----------
    config
        What to run.
    keep_logs
        Folder for the logs of functions and emulator; a temporary one, removed at the end, unless given.
    """

    def __init__(self, config: CloudConfig, *, keep_logs: Path | None = None) -> None:
        self.config = config
        self.kinesis = MemoryKinesis(
            SystemClock(),
            limited=config.limited,
            shuffle=None if config.faults == "none" else random.Random(config.seed),  # noqa: S311
        )
        self.stream = names.STREAM
        self.table = names.TABLE
        self.dice = FaultDice(PRESETS[config.faults], config.seed)
        self.folder = keep_logs or Path(tempfile.mkdtemp(prefix="tapstack-"))
        self.functions: dict[str, LambdaFunction] = {}
        self._keep = keep_logs is not None
        self._emulator = Emulator(self.folder)
        self._api_counts: dict[str, Counter[str]] = {"put": Counter(), "read": Counter()}
        self._balancer: LoadBalancer | None = None
        self._runner: MappingRunner | None = None
        self._resharder: Resharder | None = None
        self._mapping: asyncio.Task[None] | None = None
        self._duplicates: set[asyncio.Task[None]] = set()
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
        try:
            _require_free(self.config.port)
            self._stop_on_sigterm()
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop everything."""
        await self.stop()

    async def stop(self) -> None:
        """Stop everything, in the opposite order of its start."""
        try:
            await self._stack.aclose()
        finally:
            if not self._keep:
                shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def base_url(self) -> str:
        """Where the load balancer answers."""
        return self._started(self._balancer).base_url

    @property
    def emulator_url(self) -> str:
        """Where DynamoDB, S3 and SQS answer without faults; for checkers."""
        return self._emulator.url

    @property
    def runner(self) -> MappingRunner:
        """The event source mapping."""
        return self._started(self._runner)

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
        counts |= {f"mapping_{name}": value for name, value in sorted(self.runner.counters.items())}
        return counts | {
            f"{name}_cold_starts": each.cold_start_count for name, each in self.functions.items()
        }

    @property
    def faults(self) -> dict[str, int]:
        """The faults injected so far, by name."""
        counts = Counter(self.dice.counts)
        for place, found in self._api_counts.items():
            counts.update({fault_name(place, fault): count for fault, count in found.items()})
        return dict(sorted(counts.items()))

    @property
    def processes(self) -> list[int]:
        """Ids of the child processes."""
        workers = [pid for function in self.functions.values() for pid in function.pids]
        return [*workers, *([self._emulator.pid] if self._emulator.pid else [])]

    async def drain(self) -> None:
        """Wait until everything on the stream is consumed and no invocation runs any more.

        Raises
        ------
        RuntimeError
            If the event source mapping stopped before.
        """
        while True:
            await self.runner.drain()
            if not self._duplicates:
                break
            await asyncio.gather(*self._duplicates)
        await self.functions[names.CONSUMER].wait_for_zombies()

    async def _start(self) -> None:
        await self._stack.enter_async_context(self._emulator)
        await self._emulator.create_table(self.table)
        for bucket in (names.QUARANTINE_BUCKET, names.LATE_BUCKET, names.FAILURES_BUCKET):
            await self._emulator.create_bucket(bucket)
        await self._emulator.create_queue(names.FAILURES_QUEUE)
        self.kinesis.create_stream(self.stream, self.config.shards)
        endpoints = await self._start_endpoints()
        await self._start_functions(endpoints)
        self._resharder = self._make_resharder()
        self._start_mapping()
        self._balancer = LoadBalancer(
            functions={name: function.invoke for name, function in self.functions.items()},
            target_groups=names.TARGET_GROUPS,
            rules=names.RULES,
            port=self.config.port,
            faults=self.dice.request,
        )
        try:
            await self._stack.enter_async_context(self._balancer)
        except OSError as error:
            raise _in_use(self.config.port, error) from None

    async def _start_endpoints(self) -> Endpoints:
        """Start Kinesis, and the proxies if anything shall go wrong behind them."""
        server = KinesisServer(self._faulty("put"), on_crash=self._crash)
        await self._stack.enter_async_context(server)
        if self.dice.plan.quiet:
            return Endpoints(dynamodb=self._emulator.url, s3=self._emulator.url, kinesis=server.url)
        dynamodb = await self._stack.enter_async_context(self._proxy("dynamodb"))
        s3 = await self._stack.enter_async_context(self._proxy("s3"))
        return Endpoints(dynamodb=dynamodb.url, s3=s3.url, kinesis=server.url)

    async def _start_functions(self, endpoints: Endpoints) -> None:
        lanes = self.config.lanes or self.config.shards
        variables = environments(endpoints, lanes=lanes, log_level=self.config.log_level)
        for config in functions(variables, shards=self.config.shards):
            self.functions[config.name] = LambdaFunction(config, log_path=self.folder / f"{config.name}.log")
        # One after the other they would take three cold starts; the stack still stops each of them.
        await asyncio.gather(*map(self._stack.enter_async_context, self.functions.values()))

    def _start_mapping(self) -> None:
        config = MappingConfig(
            event_source_arn=f"arn:aws:kinesis:{REGION}:{ACCOUNT_ID}:stream/{self.stream}",
            function_arn=self.functions[names.CONSUMER].config.arn,
            starting_position="TRIM_HORIZON",
            batch_size=self.config.batch_size,
            batching_window_s=self.config.batching_window_s,
            report_batch_item_failures=True,
            bisect_batch_on_function_error=True,
            destination_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{names.FAILURES_QUEUE}",
        )
        self._runner = MappingRunner(
            config=config,
            kinesis=self._faulty("read"),
            function=self._consume,
            destination=_Queue(self._emulator),
            choices=FixedChoices() if self.dice.plan.quiet else SeededChoices(self.config.seed),
            observe=self._observe,
        )
        self._mapping = self._runner.start()
        self._stack.push_async_callback(self._stop_mapping, self._runner)

    def _make_resharder(self) -> Resharder | None:
        every = self.dice.plan.reshard_every_records or RESHARD_EVERY_RECORDS
        wanted = self.config.reshard
        if not (self.dice.plan.reshard_every_records if wanted is None else wanted):
            return None
        return Resharder(
            self.kinesis,
            self.stream,
            every_records=every,
            seed=self.config.seed,
            counts=self.dice.counts,
            on_change=lambda shards: self.functions[names.CONSUMER].resize(names.consumer_workers(shards)),
        )

    def _observe(self, output: Output) -> None:
        match output:
            case CheckpointMoved(lane=None, shard_id=shard_id, sequence_number=number):
                # The only reader never goes back behind its checkpoint: long runs in bounded memory.
                self.kinesis.forget(self.stream, shard_id, number)
            case EmitMetric(name="PolledEventCount", value=count) if self._resharder is not None:
                self._resharder.note(count)

    async def _stop_mapping(self, runner: MappingRunner) -> None:
        for duplicate in self._duplicates:
            duplicate.cancel()
        await asyncio.gather(*self._duplicates, return_exceptions=True)
        await runner.stop(timeout_ms=STOP_PATIENCE_MS)

    async def _consume(self, payload: bytes) -> InvokeResult:
        """Invoke the consumer, or what the faults make of it."""
        consumer = self.functions[names.CONSUMER]
        chosen = self.dice.invocation()
        fault = None
        if chosen is not None and chosen != "duplicate":
            fault = InvokeFault(kind=chosen, after_s=self.dice.moment_s())
        result = await consumer.invoke(payload, fault=fault)
        if chosen == "duplicate":
            task = asyncio.create_task(self._again(payload))
            self._duplicates.add(task)
            task.add_done_callback(self._duplicates.discard)
        return InvokeResult(kind=result.kind, payload=result.payload)

    async def _again(self, payload: bytes) -> None:
        """Deliver a batch once more that was already delivered, beside whatever follows it."""
        await asyncio.sleep(self.dice.moment_s())
        await self.functions[names.CONSUMER].invoke(payload)

    def _faulty(self, place: Literal["put", "read"]) -> AwsApi:
        if self.dice.plan.quiet:
            return self.kinesis
        policy, counts = self.dice.policy(place), self._api_counts[place]
        return FaultyApi(self.kinesis, policy, service="kinesis", seed=self.config.seed, counts=counts)

    def _proxy(self, service: Literal["dynamodb", "s3"]) -> FaultProxy:
        return FaultProxy(
            service,
            self._emulator.url,
            self.dice.policy(service),
            seed=self.config.seed,
            counts=self.dice.counts,
            name_of=lambda fault: fault_name(service, fault),
            delay_s=lambda: self.dice.delay_s(service),
            on_crash=self._crash,
        )

    def _crash(self, access_key_id: str) -> None:
        for function in self.functions.values():
            if function.kill_worker(access_key_id):
                return

    def _stop_on_sigterm(self) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
            self._stack.callback(loop.remove_signal_handler, signal.SIGTERM)

    @staticmethod
    def _started(part: Part | None) -> Part:
        if part is None:
            raise ValueError("the embedded cloud is not running")
        return part


class _Queue:
    """The on-failure destination."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def put(self, delivery: Deliver) -> None:
        await self._emulator.send_message(names.FAILURES_QUEUE, delivery.body.decode())


def _require_free(port: int) -> None:
    """Say at once that the port is in use, not after everything else has started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise _in_use(port, error) from None


def _in_use(port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"port {port} is in use; choose another one with --port")
    return UsageError(f"port {port} cannot be used: {error.strerror}")
