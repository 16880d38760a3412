"""The projector: invoked when the table's stream has news, late, twice, beside another, cut off half-way."""

from __future__ import annotations

import msgspec

from tapstack.aws.dynamodb import DynamoTable
from tapstack.core.attributes.reading import read_definitions
from tapstack.errors import NewerLayout, Unavailable
from tapstack.ports import LAYOUT, AwsApi, AwsError
from tapstack.projections.catalogue import projections_of
from tapstack.projections.project import Dependencies, Limits, Report, project
from tapstack_emulator import Crash
from tapstack_emulator.partiql import parse_statement
from tapstack_simulation.checking.attributes import FILES
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.faulty_channels import FaultyChannel
from tapstack_simulation.kernel import Actor, ActorClock, Dice, Stuck
from tapstack_simulation.observed_aws import TABLE, ObservedAws

PROJECTIONS = projections_of(read_definitions(FILES[-1]))  # with all that consumers ever know
TIMEOUT_RATIO = 15  # of the consumer's: nothing waits for it
INTERVAL_US = 2_000_000
LATE_US = 90_000_000
RETRY_US = 1_000_000
REFUSALS_MAX = 3  # of the release before, until the later one comes again


class LaterRelease:
    """`tapstack.ports.AwsApi` as a release sees it whose rows have the layout after ours."""

    _OURS, _LATER = (f'"l":{{"N":"{layout}"}}'.encode() for layout in (LAYOUT, LAYOUT + 1))

    def __init__(self, api: AwsApi) -> None:
        self._api = api

    def call(self, operation: str, body: bytes) -> bytes:
        """Make a call whose rows it writes and knows."""
        try:
            answer = self._api.call(operation, self._rewritten(operation, body))
        except AwsError as error:
            error.body = error.body.replace(self._LATER, self._OURS)
            raise
        return answer.replace(self._LATER, self._OURS)

    def _rewritten(self, operation: str, body: bytes) -> bytes:
        if operation != "BatchExecuteStatement":
            return body.replace(self._OURS, self._LATER)
        request = msgspec.json.decode(body)
        for asked in request["Statements"]:
            written = parse_statement(asked["Statement"], asked["Parameters"]).shape.written
            asked["Parameters"][written.index("l")] = {"N": str(LAYOUT + 1)}
        return msgspec.json.encode(request)


class Projectors:
    """The invocations of the projector.

    Parameters
    ----------
    aws
        The services.
    limits
        Its settings.
    timeout_ms
        When an invocation of the consumer is cut off.
    """

    def __init__(self, aws: ObservedAws, limits: Limits, timeout_ms: int) -> None:
        self.clock_offset_ms = 0
        self.running: dict[str, Actor] = {}
        self.due = 0
        self._has_later_release = False
        self._refusals = 0  # of the release before, since then
        self._aws = aws
        self._limits = limits
        self._timeout_us = TIMEOUT_RATIO * timeout_ms * 1000
        self._channel = FaultyChannel(aws, aws.table_api, "dynamodb", "projector")
        self._dice = Dice(aws.kernel.seed, "projectors")
        self._invocations = 0
        aws.on_entry = self.trigger

    @property
    def is_idle(self) -> bool:
        """Whether every entry of the journal is folded, and nobody is at work."""
        return not self.due and not self.running and self._aws.checker.journal.is_folded()

    def trigger(self) -> None:
        """Hear that there is a new entry: one invocation for all that come within the interval."""
        faults, dice = self._aws.faults, self._dice
        if not self.due:
            is_late = faults.decide(dice, "P2")
            if is_late:
                faults.count("P2")
            self._start(dice.random.randrange(LATE_US if is_late else INTERVAL_US))
        if faults.decide(dice, "P1"):
            faults.count("P1")
            self._start(dice.random.randrange(2 * INTERVAL_US))

    def _start(self, delay_us: int) -> None:
        self.due += 1
        self._aws.kernel.after(delay_us, self._invoke)

    def _invoke(self) -> None:
        self.due -= 1
        self._invocations += 1
        self._aws.kernel.spawn(f"p{self._invocations}", self._run)

    def _run(self, actor: Actor) -> None:
        kernel = self._aws.kernel
        actor.clock_offset_ms = self.clock_offset_ms
        self.running[actor.name] = actor
        deadline_us = kernel.now_us + self._timeout_us
        kernel.after(self._timeout_us, lambda: kernel.kill(actor))
        try:
            report = self._project(actor, deadline_us)
        except Unavailable:
            self._end(actor, failed=True)
            return
        except Crash:
            self._end(actor, failed=True)
            raise
        self._end(actor, failed=bool(report.out_of_time))
        kernel.trace(f"projected {report.entries} {report.rows_written} {report.conflicts}")
        if report.entries_left and not report.out_of_time:
            raise Violation(9, f"{report.entries_left} entries of the journal are not to be had")

    def _end(self, actor: Actor, *, failed: bool = False) -> None:
        """Let the stream deliver again what failed, unless it is about to."""
        self.running.pop(actor.name, None)
        if failed and not self.due:
            self._start(RETRY_US)

    def _project(self, actor: Actor, deadline_us: int) -> Report:
        kernel = self._aws.kernel
        dependencies = Dependencies(
            table=DynamoTable(self._api(actor), TABLE),
            clock=ActorClock(kernel, actor),
            jitter=actor.random.random,
        )
        try:
            return project(
                PROJECTIONS, dependencies, self._limits, lambda: (deadline_us - kernel.now_us) // 1000
            )
        except (Violation, Stuck, Unavailable):
            raise
        except NewerLayout as error:
            if not self._has_later_release:
                raise Violation(9, f"the projector met a row of no release: {error}") from error
            self._refusals += 1
            raise Unavailable("the rows of a later release are not written") from error
        except Exception as error:
            raise Violation(9, f"the projector raised {type(error).__name__}: {error}") from error

    def _api(self, actor: Actor) -> AwsApi:
        """Return the table as the release sees it that runs just now."""
        faults = self._aws.faults
        is_later = self._has_later_release and (faults.healed or self._refusals >= REFUSALS_MAX)
        if not self._has_later_release and faults.decide(actor, "P3"):
            faults.count("P3")
            is_later = self._has_later_release = True
        return LaterRelease(self._channel) if is_later else self._channel

    def end_all(self) -> None:
        """Let every running invocation die."""
        for actor in list(self.running.values()):
            self._aws.kernel.kill(actor)
