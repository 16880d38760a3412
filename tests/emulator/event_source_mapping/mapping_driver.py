"""Drives the machine by hand: a stream in a dict, a clock in an integer, every answer the test's own."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tapstack_emulator.event_source_mapping import FixedChoices, MappingConfig, Pacing, Record, create, step
from tapstack_emulator.event_source_mapping.choices import Choices
from tapstack_emulator.event_source_mapping.model import (
    CheckpointMoved,
    Deliver,
    EmitMetric,
    Fetch,
    FetchFailed,
    Input,
    Invoke,
    ListShards,
    Output,
    Position,
    RecordsFetched,
    SetTimer,
    ShardInfo,
    ShardsListed,
    Skipped,
    Tick,
)
from tapstack_emulator.event_source_mapping.responses import InvokeResult

START_MS = 1_767_225_600_000
STREAM_ARN = "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"
FUNCTION_ARN = "arn:aws:lambda:us-east-2:123456789012:function:consumer"
QUEUE_ARN = "arn:aws:sqs:us-east-2:123456789012:dead-letters"
TOPIC_ARN = "arn:aws:sns:us-east-2:123456789012:dead-letters"
BUCKET_ARN = "arn:aws:s3:::dead-letters"
SHARD = "shardId-000000000000"
Kind = TypeVar("Kind")

Respond = Callable[[Invoke], InvokeResult]


def config(**values: Any) -> MappingConfig:
    settings: dict[str, Any] = {
        "event_source_arn": STREAM_ARN,
        "function_arn": FUNCTION_ARN,
        "starting_position": "TRIM_HORIZON",
    }
    return MappingConfig(**(settings | values))


def succeed(invoke: Invoke) -> InvokeResult:
    return InvokeResult.success(b"{}")


def fail(invoke: Invoke) -> InvokeResult:
    return InvokeResult.failed()


def failing_items(*numbers: str) -> InvokeResult:
    items = ",".join('{"itemIdentifier":"%s"}' % number for number in numbers)  # noqa: UP031
    return InvokeResult.success(('{"batchItemFailures":[%s]}' % items).encode())  # noqa: UP031


@dataclass
class FakeShard:
    index: int
    parents: tuple[str, ...] = ()
    records: list[Record] = field(default_factory=list)
    closed: bool = False
    children: tuple[str, ...] = ()


class Driver:
    """The world around one mapping."""

    def __init__(
        self,
        configuration: MappingConfig | None = None,
        *,
        pacing: Pacing | None = None,
        choices: Choices | None = None,
        shards: int = 1,
    ) -> None:
        self.now_ms = START_MS
        self.choices: Choices = choices or FixedChoices()
        self.state = create(
            configuration or config(), now_ms=self.now_ms, pacing=pacing or Pacing(backoff_ms=100)
        )
        self.shards: dict[str, FakeShard] = {}
        self.pending: deque[Output] = deque()
        self.log: list[Output] = []
        self.timer_ms: int | None = START_MS
        self.fetch_trouble: Callable[[Fetch], str | None] = lambda fetch: None
        self.page_limit = 10_000
        for _ in range(shards):
            self.add_shard()

    # the stream

    def add_shard(self, *parents: str) -> str:
        index = len(self.shards)
        name = f"shardId-{index:012d}"
        self.shards[name] = FakeShard(index, parents)
        for parent in parents:
            self.shards[parent].closed = True
            self.shards[parent].children += (name,)
        return name

    def put(
        self, shard_id: str = SHARD, *, key: str = "u", data: bytes = b"{}", arrival_ms: int | None = None
    ) -> str:
        """Add a record; numbers cross from one digit to more, so that comparing them as text shows."""
        shard = self.shards[shard_id]
        number = str(shard.index * 1_000_000 + 8 + len(shard.records))
        shard.records.append(
            Record(
                sequence_number=number,
                partition_key=key,
                data=base64.b64encode(data).decode(),
                arrival_ms=self.now_ms if arrival_ms is None else arrival_ms,
            )
        )
        return number

    def put_many(self, count: int, shard_id: str = SHARD, **how: Any) -> list[str]:
        return [self.put(shard_id, **how) for _ in range(count)]

    # the machine

    def send(self, event: Input) -> list[Output]:
        self.state, outputs = step(self.state, event, self.choices)
        self.log.extend(outputs)
        for output in outputs:
            if isinstance(output, SetTimer):
                self.timer_ms = output.at_ms
            elif isinstance(output, Fetch | Invoke | Deliver | ListShards):
                self.pending.append(output)
        return outputs

    def answer(self, output: Output, respond: Respond = succeed, *, delivered: bool = True) -> None:
        match output:
            case Fetch():
                self.send(self.page(output))
            case ListShards():
                infos = tuple(
                    ShardInfo(shard_id=name, parents=shard.parents, closed=shard.closed)
                    for name, shard in self.shards.items()
                )
                self.send(ShardsListed(self.now_ms, infos))
            case Invoke():
                self.send(output.finished(self.now_ms, respond(output)))
            case Deliver():
                self.send(output.finished(self.now_ms, delivered=delivered))
            case _:
                raise AssertionError("needs no answer")

    def page(self, fetch: Fetch) -> Input:
        trouble: Any = self.fetch_trouble(fetch)
        if trouble:
            return FetchFailed(
                now_ms=self.now_ms, shard_id=fetch.shard_id, fetch_id=fetch.fetch_id, trouble=trouble
            )
        shard = self.shards[fetch.shard_id]
        begin = int(fetch.iterator or 0) if fetch.position is None else self.index_of(shard, fetch.position)
        records = tuple(shard.records[begin : begin + min(fetch.limit, self.page_limit)])
        end = begin + len(records)
        rest = shard.records[end:]
        closed = shard.closed and not rest
        return RecordsFetched(
            now_ms=self.now_ms,
            shard_id=fetch.shard_id,
            fetch_id=fetch.fetch_id,
            records=records,
            millis_behind=max(1, self.now_ms - rest[0].arrival_ms) if rest else 0,
            next_iterator=None if closed else str(end),
            children=tuple(
                ShardInfo(shard_id=name, parents=self.shards[name].parents) for name in shard.children
            )
            if closed
            else (),
        )

    @staticmethod
    def index_of(shard: FakeShard, position: Position) -> int:
        match position:
            case Position("TRIM_HORIZON"):
                return 0
            case Position("LATEST"):
                return len(shard.records)
            case Position("AT_TIMESTAMP", timestamp_ms=moment_ms):
                assert moment_ms is not None
                return sum(record.arrival_ms < moment_ms for record in shard.records)
        number = int(position.sequence_number or "")
        return sum(int(record.sequence_number) <= number for record in shard.records)

    def run(self, respond: Respond = succeed, *, for_ms: int = 60_000, delivered: bool = True) -> Driver:
        """Answer everything at once and move the clock from timer to timer, for so long."""
        end_ms = self.now_ms + for_ms
        for _ in range(20_000):
            if self.pending:
                self.answer(self.pending.popleft(), respond, delivered=delivered)
            elif self.timer_ms is not None and self.timer_ms <= end_ms:
                self.now_ms = max(self.now_ms, self.timer_ms)
                self.timer_ms = None
                self.send(Tick(self.now_ms))
            else:
                self.now_ms = end_ms
                return self
        raise AssertionError("the machine runs in circles")

    def run_until(self, kind: type[Kind], respond: Respond = succeed) -> Kind:
        """Run until an output of this kind waits for its answer, and take it."""
        for _ in range(20_000):
            for output in self.pending:
                if isinstance(output, kind):
                    self.pending.remove(output)
                    return output
            if self.pending:
                self.answer(self.pending.popleft(), respond)
            else:
                assert self.timer_ms is not None
                self.now_ms = max(self.now_ms, self.timer_ms)
                self.timer_ms = None
                self.send(Tick(self.now_ms))
        raise AssertionError(f"no {kind.__name__}")

    # what happened

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [output for output in self.log if isinstance(output, kind)]

    def invocations(self) -> list[list[str]]:
        return [numbers(invoke) for invoke in self.of(Invoke)]

    def checkpoint(self, shard_id: str = SHARD) -> str | None:
        return self.state.shards[shard_id].checkpoint

    def checkpoints(self, shard_id: str = SHARD) -> list[str]:
        moves = self.of(CheckpointMoved)
        return [m.sequence_number for m in moves if m.shard_id == shard_id and m.sub_batch is None]

    def metric(self, name: str) -> int:
        return sum(metric.value for metric in self.of(EmitMetric) if metric.name == name)

    def skipped(self) -> list[tuple[str, list[str]]]:
        return [(skip.reason, list(skip.sequence_numbers)) for skip in self.of(Skipped)]


def numbers(invoke: Invoke) -> list[str]:
    return [record.sequence_number for record in invoke.records]
