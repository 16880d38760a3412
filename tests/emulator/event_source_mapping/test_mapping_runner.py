"""The loop around the machine, over Kinesis in memory and a clock that is moved by waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from tapstack.errors import Unavailable
from tapstack.ports import AwsError
from tapstack_emulator.event_source_mapping import (
    InvokeResult,
    MappingConfig,
    MappingRunner,
    Pacing,
    SteppingClock,
)
from tapstack_emulator.event_source_mapping.model import Deliver, Disable, Enable, Redeliver
from tapstack_emulator.kinesis.service import MemoryKinesis

STREAM_ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks"
PACING = Pacing(poll_interval_ms=100, backoff_ms=50, shard_list_interval_ms=5_000)


class World:
    """A stream, a function that remembers, and a mapping between them."""

    def __init__(self, **config: Any) -> None:
        self.clock = SteppingClock()
        self.kinesis = MemoryKinesis(self.clock)
        self.kinesis.create_stream("clicks", 2)
        self.events: list[list[dict[str, Any]]] = []
        self.answer: Callable[[list[dict[str, Any]]], Awaitable[InvokeResult]] = self._success
        self.delivered: list[Deliver] = []
        self.destination_works = True
        settings = {"starting_position": "TRIM_HORIZON", "report_batch_item_failures": True} | config
        self.runner = MappingRunner(
            config=MappingConfig(event_source_arn=STREAM_ARN, function_arn="arn:aws:lambda:::f", **settings),
            kinesis=self.kinesis,
            function=self.invoke,
            destination=self,
            pacing=PACING,
            clock=self.clock,
        )

    async def _success(self, records: list[dict[str, Any]]) -> InvokeResult:
        return InvokeResult.success(b"{}")

    async def invoke(self, payload: bytes) -> InvokeResult:
        records = json.loads(payload)["Records"]
        self.events.append(records)
        return await self.answer(records)

    async def put(self, delivery: Deliver) -> None:
        if not self.destination_works:
            raise Unavailable("the queue is gone")
        self.delivered.append(delivery)

    def write(self, count: int, prefix: str = "u") -> set[str]:
        return {self.kinesis.put("clicks", f"{prefix}{i}", b"{}") for i in range(count)}

    def seen(self) -> list[str]:
        return [record["kinesis"]["sequenceNumber"] for event in self.events for record in event]


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def test_draining_returns_when_every_record_was_delivered_once() -> None:
    async def scenario() -> None:
        world = World()
        written = world.write(250)
        world.runner.start()
        await world.runner.drain()
        assert sorted(world.seen()) == sorted(written)
        assert world.runner.backlog == 0
        assert world.runner.iterator_age_ms == 0
        assert world.runner.counters["PolledEventCount"] == 250
        await world.runner.stop()

    run(scenario())


def test_draining_follows_splits_and_merges_to_the_end() -> None:
    async def scenario() -> None:
        world = World()
        written = world.write(50)
        reshard(world.kinesis, 4)
        written |= world.write(50)
        reshard(world.kinesis, 2)
        written |= world.write(50)
        world.runner.start()
        await world.runner.drain()
        assert sorted(world.seen()) == sorted(written)
        await world.runner.stop()

    run(scenario())


def reshard(kinesis: MemoryKinesis, count: int) -> None:
    request = {"StreamName": "clicks", "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING"}
    kinesis.call("UpdateShardCount", json.dumps(request).encode())


def test_stopping_lets_the_running_invocation_end_and_resuming_begins_after_it() -> None:
    async def scenario() -> None:
        world = World()
        gate = asyncio.Event()

        async def slow(records: list[dict[str, Any]]) -> InvokeResult:
            await gate.wait()
            return InvokeResult.success()

        world.answer = slow
        world.write(10)
        task = world.runner.start()
        await until(lambda: bool(world.events))
        stopping = asyncio.create_task(world.runner.stop())
        await asyncio.sleep(0)
        assert not task.done()
        gate.set()
        await stopping
        assert world.runner.state.status == "Disabled"
        assert any(shard.checkpoint for shard in world.runner.state.shards.values())

    run(scenario())


def test_disabling_and_enabling_resumes_at_the_checkpoint() -> None:
    async def scenario() -> None:
        world = World()
        first = world.write(10)
        world.runner.start()
        await world.runner.drain()
        world.runner.send(Disable(world.clock.now_ms()))
        await until(lambda: world.runner.state.status == "Disabled")
        second = world.write(10)
        world.runner.send(Enable(world.clock.now_ms()))
        await world.runner.drain()
        assert sorted(world.seen()) == sorted(first | second)
        await world.runner.stop()

    run(scenario())


def test_what_was_not_delivered_is_retried_without_using_up_an_attempt() -> None:
    async def scenario() -> None:
        world = World(retry_attempts_max=0, destination_arn="arn:aws:sqs:us-east-1:123456789012:dead")
        refusals = iter([Unavailable("503"), Unavailable("503")])

        async def unreachable(records: list[dict[str, Any]]) -> InvokeResult:
            for error in refusals:
                raise error
            return InvokeResult.success()

        world.answer = unreachable
        world.write(1)
        world.runner.start()
        await world.runner.drain()
        assert len(world.events) == 3
        assert not world.delivered
        await world.runner.stop()

    run(scenario())


@pytest.mark.parametrize("works", [True, False], ids=["delivered", "lost"])
def test_what_the_destination_did_with_discarded_records_is_counted(works: bool) -> None:
    async def scenario() -> None:
        world = World(retry_attempts_max=1, destination_arn="arn:aws:sqs:us-east-1:123456789012:dead")
        world.destination_works = works

        async def broken(records: list[dict[str, Any]]) -> InvokeResult:
            return InvokeResult.failed()

        world.answer = broken
        world.write(1)
        world.runner.start()
        await world.runner.drain()
        counters = world.runner.counters
        assert len(world.events) == 2
        assert (len(world.delivered), counters["OnFailureDestinationDeliveredEventCount"]) == (
            (1, 1) if works else (0, 0)
        )
        assert (counters["DestinationDeliveryFailures"], counters["DroppedEventCount"]) == (
            (0, 0) if works else (1, 1)
        )
        await world.runner.stop()

    run(scenario())


def test_expired_iterators_and_throttled_reads_lose_and_repeat_nothing() -> None:
    async def scenario() -> None:
        world = World()
        plain, codes = (
            world.kinesis.call,
            iter(["ProvisionedThroughputExceededException", "ExpiredIteratorException"] * 4),
        )

        def unreliable(operation: str, body: bytes) -> bytes:
            if operation == "GetRecords" and (code := next(codes, None)):
                raise AwsError(code)
            return plain(operation, body)

        world.kinesis.call = unreliable  # type: ignore[method-assign]
        written = world.write(50)
        world.runner.start()
        await world.runner.drain()
        assert sorted(world.seen()) == sorted(written)
        await world.runner.stop()

    run(scenario())


def test_an_acknowledged_batch_may_be_delivered_again() -> None:
    async def scenario() -> None:
        world = World()
        world.write(1)
        world.runner.start()
        await world.runner.drain()
        before = world.runner.state.shards
        busy = next(shard for shard in before.values() if shard.checkpoint)
        world.runner.send(Redeliver(world.clock.now_ms(), busy.shard_id))
        await until(lambda: len(world.events) == 2)
        assert world.events[0] == world.events[1]
        assert world.runner.state.shards[busy.shard_id].checkpoint == busy.checkpoint
        await world.runner.stop()

    run(scenario())


def test_an_unexpected_error_ends_the_mapping_and_whoever_waits_for_it() -> None:
    async def scenario() -> None:
        world = World()

        async def bug(records: list[dict[str, Any]]) -> InvokeResult:
            raise ZeroDivisionError

        world.answer = bug
        world.write(1)
        task = world.runner.start()
        with pytest.raises(RuntimeError, match="stopped before it was drained"):
            await world.runner.drain()
        with pytest.raises(ExceptionGroup):
            await task

    run(scenario())


def test_a_mapping_with_a_destination_needs_one() -> None:
    config = MappingConfig(
        event_source_arn=STREAM_ARN,
        function_arn="f",
        starting_position="LATEST",
        destination_arn="arn:aws:s3:::dead",
    )
    world = World()
    with pytest.raises(ValueError, match="DestinationConfig"):
        MappingRunner(config=config, kinesis=world.kinesis, function=world.invoke)
