"""The drainer: invoked when something is spilled, late, twice, beside another run, cut off half-way."""

from __future__ import annotations

from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector.drain import DrainDependencies, Report, drain
from tapstack_emulator import Crash
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.faulty_channels import FaultyChannel, SpillBucket
from tapstack_simulation.kernel import Actor, ActorClock, Dice, Stuck
from tapstack_simulation.observed_aws import STREAM, ObservedAws

TIMEOUT_US = 30_000_000
INTERVAL_US = 5_000_000
LATE_US = 120_000_000


class Drainers:
    """The invocations of the drainer.

    Parameters
    ----------
    aws
        The services.
    """

    def __init__(self, aws: ObservedAws) -> None:
        self.running: dict[str, Actor] = {}
        self.due = 0
        self._aws = aws
        self._channel = FaultyChannel(aws, aws.stream_api, "kinesis", "drainer")
        self._bucket = SpillBucket(aws)
        self._dice = Dice(aws.kernel.seed, "drainers")
        self._invocations = 0
        aws.on_spill = self.trigger

    @property
    def is_idle(self) -> bool:
        """Whether nothing is spilled, and nobody is at work."""
        return not self.due and not self.running and not self._aws.spill.objects

    def trigger(self) -> None:
        """Let the schedule invoke the drainer within the interval, or late; now and then twice."""
        faults, dice = self._aws.faults, self._dice
        if not self.due:
            is_late = faults.decide(dice, "W2")
            if is_late:
                faults.count("W2")
            self._start(dice.random.randrange(LATE_US if is_late else INTERVAL_US))
        if faults.decide(dice, "W1"):
            faults.count("W1")
            self._start(dice.random.randrange(INTERVAL_US))

    def _start(self, delay_us: int) -> None:
        self.due += 1
        self._aws.kernel.after(delay_us, self._invoke)

    def _invoke(self) -> None:
        self.due -= 1
        self._invocations += 1
        self._aws.kernel.spawn(f"w{self._invocations}", self._run)

    def _run(self, actor: Actor) -> None:
        kernel = self._aws.kernel
        self.running[actor.name] = actor
        deadline_us = kernel.now_us + TIMEOUT_US
        kernel.after(TIMEOUT_US, lambda: kernel.kill(actor))
        try:
            report = self._drain(actor, deadline_us)
            kernel.trace(f"drained {report.objects} {report.events} {report.reason}")
        finally:
            self.running.pop(actor.name, None)
            if self._aws.spill.objects and not self.due:
                self._start(INTERVAL_US)

    def _drain(self, actor: Actor, deadline_us: int) -> Report:
        kernel = self._aws.kernel
        dependencies = DrainDependencies(
            stream=KinesisWriter(self._channel, STREAM),
            spill=self._bucket,
            clock=ActorClock(kernel, actor),
            jitter=actor.random.random,
        )
        try:
            report = drain(dependencies, lambda: (deadline_us - kernel.now_us) // 1000)
        except (Violation, Stuck, Crash):
            raise
        except Exception as error:
            raise Violation(9, f"the drainer raised {type(error).__name__}: {error}") from error
        if report.unreadable:
            raise Violation(4, "the drainer cannot read what was spilled")
        return report
