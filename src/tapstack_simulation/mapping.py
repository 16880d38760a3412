"""Drives the event source mapping's pure machine on the virtual clock."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tapstack_emulator.event_source_mapping.choices import SeededChoices
from tapstack_emulator.event_source_mapping.config import MappingConfig, Pacing
from tapstack_emulator.event_source_mapping.kinesis_reader import KinesisReader
from tapstack_emulator.event_source_mapping.machine import create, step
from tapstack_emulator.event_source_mapping.model import (
    CheckpointMoved,
    Delete,
    Deliver,
    Disable,
    Enable,
    Fetch,
    FetchFailed,
    Input,
    Invoke,
    ListShards,
    MappingState,
    Output,
    RecordsFetched,
    SetTimer,
    Skipped,
    StatusChanged,
    Tick,
    Update,
)
from tapstack_emulator.event_source_mapping.responses import InvokeResult
from tapstack_simulation.faults import FaultSchedule
from tapstack_simulation.faulty_channels import FaultyChannel, latency_us
from tapstack_simulation.functions import Functions
from tapstack_simulation.kernel import Actor, Dice
from tapstack_simulation.observed_aws import RETENTION_H, STREAM, ObservedAws

STREAM_ARN = f"arn:aws:kinesis:us-east-1:123456789012:stream/{STREAM}"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:consumer"
PARK_US = 200_000_000  # below an iterator's five minutes
DESTINATIONS = {
    "s3": "arn:aws:s3:::failures",
    "sqs": "arn:aws:sqs:us-east-1:123456789012:failures",
    "sns": "arn:aws:sns:us-east-1:123456789012:failures",
}


class CountedChoices:
    """Answers what AWS leaves open, and counts the answers that are faults.

    Parameters
    ----------
    dice
        Random numbers.
    faults
        Where faults are counted.
    """

    def __init__(self, dice: Dice, faults: FaultSchedule) -> None:
        self._choices = SeededChoices(dice.random)
        self._faults = faults

    def pick(self, name: str, options: Sequence[str]) -> str:
        """Choose an option."""
        if name == "regroup_retry" and not self._faults.enabled("E5"):
            return "same"
        answer = self._choices.pick(name, options)
        if name == "bisect_order":
            self._faults.count("E6")
        elif name == "regroup_retry" and answer != "same":
            self._faults.count("E5")
        return answer

    def between(self, name: str, low: int, high: int) -> int:
        """Choose a number."""
        return self._choices.between(name, low, high)


class Mapping:
    """One event source mapping.

    Parameters
    ----------
    name
        Its name in this run.
    aws
        The services.
    functions
        What it invokes.
    config
        Its parameters.
    """

    def __init__(self, name: str, aws: ObservedAws, functions: Functions, config: MappingConfig) -> None:
        self.name = name
        self.dice = Dice(aws.kernel.seed, name)
        self._aws = aws
        self._functions = functions
        self._choices = CountedChoices(self.dice, aws.faults)
        self._reader = KinesisReader(FaultyChannel(aws, aws.stream_api, "kinesis", "mapping"), STREAM)
        self._seen: dict[str, int] = {}  # news of a shard when it was last found empty
        self._lists = 0
        self._wanted = True
        self._skips = False
        delay_ms = self.dice.random.choice([0, 200, 5_000])
        pacing = Pacing(
            activation_delay_ms=delay_ms,
            shard_list_interval_ms=30_000,
            backoff_max_ms=8_000,
            retention_ms=RETENTION_H * 3_600_000,
        )
        now_ms = aws.kernel.now_ms
        self.state: MappingState = create(config, now_ms=now_ms, pacing=pacing)
        aws.kernel.after(delay_ms * 1000, lambda: self.feed(Tick(aws.kernel.now_ms)))

    def feed(self, event: Input) -> None:
        """Give the machine one input and do what it says."""
        self.state, outputs = step(self.state, event, self._choices)
        for output in outputs:
            self._do(output)

    def disable(self) -> bool:
        """Disable the mapping, False if it is already; what is running may go on."""
        self._wanted = False
        before = self.state.status
        self.feed(Disable(self._aws.kernel.now_ms))
        return self.state.status != before

    def enable(self) -> None:
        """Enable the mapping, as soon as it is disabled."""
        self._wanted = True
        self.feed(Enable(self._aws.kernel.now_ms))

    def update(self, **fields: object) -> None:
        """Change parameters.

        A mapping at LATEST may take a new iterator then and skip what was written meanwhile, read or not
        (the question ``latest_on_update``); its checkpoints promise nothing from then on.
        """
        config = replace(self.state.config, **fields)
        self._skips |= config.starting_position == "LATEST"
        self.feed(Update(self._aws.kernel.now_ms, config))

    def delete(self) -> None:
        """Delete the mapping; its checkpoints are gone."""
        self.feed(Delete(self._aws.kernel.now_ms))

    @property
    def is_idle(self) -> bool:
        """Return whether everything it could read is read and settled."""
        if self.state.status == "Deleted":
            return True
        if self.state.status != "Enabled" or not self.state.listed:
            return False
        for shard_id in self._aws.shard_ids():
            shard = self.state.shards.get(shard_id)
            if shard is None or shard.phase == "waiting":
                return False
            if any(
                sub_batch.work or sub_batch.buffer or sub_batch.phase != "idle"
                for sub_batch in shard.sub_batches
            ):
                return False
            found_empty = self._seen.get(shard_id) == self._aws.versions.get(shard_id, 0)
            if shard.phase != "drained" and not found_empty:
                return False
        return True

    def _do(self, output: Output) -> None:
        aws = self._aws
        match output:
            case Invoke():
                self._invoke(output)
            case Fetch():
                aws.kernel.spawn(f"{self.name}.f{output.fetch_id}", lambda actor: self._fetch(actor, output))
            case SetTimer():
                # While it waits for what is running, the machine asks for ticks at a time that has passed.
                floor_us = 0 if self.state.status == "Enabled" else 100_000
                delay_us = max(floor_us, output.at_ms * 1000 - aws.kernel.now_us)
                aws.kernel.after(delay_us, lambda: self._ring(output.at_ms))
            case CheckpointMoved():
                if output.sub_batch is None and not self._skips:
                    now_s = aws.kernel.now_ms // 1000
                    aws.checker.checkpoint(self.name, output.shard_id, output.sequence_number, now_s)
            case ListShards():
                self._lists += 1
                aws.kernel.spawn(f"{self.name}.l{self._lists}", self._list)
            case StatusChanged():
                self._seen.clear()  # what was read and not delivered is read again
                if output.status == "Disabled" and self._wanted:
                    aws.kernel.after(1_000, self.enable)  # AWS refuses to while it is Disabling
            case _:
                self._discard(output)

    def _discard(self, output: Output) -> None:
        """Note what the mapping gives up, and hand it to the destination."""
        aws = self._aws
        if isinstance(output, Skipped):
            aws.checker.skipped(output.shard_id, list(output.sequence_numbers), output.reason)
            aws.faults.count("S5" if output.reason == "retention" else "E15")
        elif isinstance(output, Deliver):
            name = f"{self.name}.d{output.delivery_id}"
            aws.kernel.spawn(name, lambda actor: self._deliver(actor, output))

    def _ring(self, at_ms: int) -> None:
        if self.state.timer_ms == at_ms:
            self.feed(Tick(self._aws.kernel.now_ms))

    def _invoke(self, invoke: Invoke) -> None:
        def respond(result: InvokeResult) -> bool:
            is_awaited = self._awaits(invoke)
            self.feed(invoke.finished(self._aws.kernel.now_ms, result))
            return is_awaited

        self._functions.invoke(self.state.config, invoke, respond)

    def _awaits(self, invoke: Invoke) -> bool:
        """Return whether an invocation's answer would still move anything."""
        shard = self.state.shards.get(invoke.shard_id)
        if shard is None or invoke.sub_batch >= len(shard.sub_batches):
            return False
        sub_batch = shard.sub_batches[invoke.sub_batch]
        if sub_batch.phase != "invoking" or not sub_batch.work:
            return False
        return (sub_batch.work[0].batch_id, sub_batch.work[0].handouts) == (invoke.batch_id, invoke.handout)

    def _list(self, actor: Actor) -> None:  # noqa: ARG002 - the shape of an actor
        answer = self._reader.list_shards(self._aws.kernel.now_ms)
        self._aws.kernel.after(0, lambda: self.feed(answer))

    def _fetch(self, actor: Actor, fetch: Fetch) -> None:  # noqa: ARG002 - the shape of an actor
        aws, shard_id = self._aws, fetch.shard_id
        if fetch.position is None and self._seen.get(shard_id) == aws.versions.get(shard_id, 0):
            aws.park(shard_id, PARK_US)
        news, epoch = aws.versions.get(shard_id, 0), aws.epoch
        answer = self._reader.fetch(fetch, aws.kernel.now_ms)
        if aws.epoch != epoch:  # no answer is on its way for days
            now_ms = aws.kernel.now_ms
            answer = FetchFailed(
                now_ms=now_ms, shard_id=shard_id, fetch_id=fetch.fetch_id, trouble="unavailable"
            )
        self._seen.pop(shard_id, None)
        if isinstance(answer, RecordsFetched):
            numbers = [record.sequence_number for record in answer.records]
            aws.checker.polled(self.name, shard_id, numbers)
            if not numbers and not answer.closed and answer.millis_behind == 0:
                self._seen[shard_id] = news
        aws.kernel.after(0, lambda: self.feed(answer))

    def _deliver(self, actor: Actor, deliver: Deliver) -> None:
        aws = self._aws
        aws.kernel.sleep(latency_us(actor))
        failed = aws.faults.decide(actor, "E15", 0.2)
        if not failed:
            name = deliver.key or f"{deliver.kind}/{self.name}/{deliver.delivery_id}"
            aws.failures[name] = deliver.body
        now_ms = aws.kernel.now_ms
        aws.kernel.after(0, lambda: self.feed(deliver.finished(now_ms, delivered=not failed)))
