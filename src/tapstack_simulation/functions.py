"""Lambda: runs invocations of the consumer, cuts them off, loses their answers, lets zombies go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from tapstack.aws.dynamodb import DynamoTable
from tapstack.consumer.common_terms import CommonTerms
from tapstack.consumer.consume import Dependencies, Limits
from tapstack.consumer.journal_lag import JournalLag
from tapstack.core.attributes.declared import Declared
from tapstack.core.attributes.reading import read_definitions
from tapstack.entrypoints.consumer_batch import handle
from tapstack_emulator import Crash
from tapstack_emulator.event_source_mapping.config import MappingConfig
from tapstack_emulator.event_source_mapping.model import Invoke
from tapstack_emulator.event_source_mapping.payload import invocation_event
from tapstack_emulator.event_source_mapping.responses import InvokeResult
from tapstack_simulation.checking.attributes import FILES
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.faulty_channels import FaultyBucket, FaultyChannel, latency_us
from tapstack_simulation.kernel import Actor, ActorClock, Kernel, Stuck
from tapstack_simulation.observed_aws import TABLE, ObservedAws

ANSWERS_LIKE_EMPTY = (b"null", b"{}", b'""', b"[]", b'{"batchItemFailures":null}', b"5", b'{"foo":1}', b"<>")
# Few users and short intervals, as runs are small and short.
SEARCH_USERS_MIN, COMMON_TERMS_EVERY_S = 2, 3
# What deployments declare; the checker knows the same files.
DECLARED = tuple(Declared(read_definitions(text)) for text in FILES)
BAD_IDENTIFIERS = (b'""', b"null", b"123", b'"123"', b'{"a":1}')

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

Respond = Callable[[InvokeResult], bool]  # False if it came too late


class Functions:
    """The consumer as it is deployed just now, and all invocations that run.

    Parameters
    ----------
    aws
        The services.
    limits
        The first deployment's settings.
    timeout_ms
        When an invocation is cut off.
    """

    def __init__(self, aws: ObservedAws, limits: Limits, timeout_ms: int) -> None:
        self.limits = limits
        self.clock_offset_ms = 0
        self.running: dict[str, Actor] = {}
        self.invocations = 0
        self._aws = aws
        self._timeout_us = timeout_ms * 1000
        self._lag = JournalLag()
        self._common = CommonTerms(SEARCH_USERS_MIN, COMMON_TERMS_EVERY_S)
        self._table_channel = FaultyChannel(aws, aws.table_api, "dynamodb", "consumer")
        self._quarantine = FaultyBucket(aws, aws.quarantine, "quarantine")
        self._late = FaultyBucket(aws, aws.late, "late")

    def deploy(self, limits: Limits) -> None:
        """Replace the code; invocations of the old one go on."""
        self.limits = limits

    def invoke(self, config: MappingConfig, invoke: Invoke, respond: Respond) -> None:
        """Start an invocation for a mapping; `respond` hears of its end, once."""
        self.invocations += 1
        call = _Invocation(self, self._aws, config, invoke, respond)
        name = f"i{self.invocations}"
        self._aws.kernel.spawn(name, call.run, 500)

    def dependencies(self, actor: Actor) -> Dependencies:
        """Return what one invocation depends on."""
        return Dependencies(
            table=DynamoTable(self._table_channel, TABLE),
            lag=self._lag,
            common=self._common,
            quarantine=self._quarantine,
            late=self._late,
            clock=ActorClock(self._aws.kernel, actor),
            jitter=actor.random.random,
        )

    def end_all(self) -> None:
        """Let every running invocation die."""
        for actor in list(self.running.values()):
            self._aws.kernel.kill(actor)

    @property
    def timeout_us(self) -> int:
        """When an invocation is cut off."""
        return self._timeout_us


class _Context:
    """Lambda's context of an invocation."""

    def __init__(self, kernel: Kernel, request_id: str, deadline_us: int) -> None:
        self.aws_request_id = request_id
        self._kernel = kernel
        self._deadline_us = deadline_us

    def get_remaining_time_in_millis(self) -> int:
        """Return the remaining time by the true clock."""
        return (self._deadline_us - self._kernel.now_us) // 1000


class _Invocation:
    """One invocation, from request to answer."""

    def __init__(
        self, functions: Functions, aws: ObservedAws, config: MappingConfig, invoke: Invoke, respond: Respond
    ) -> None:
        self._functions = functions
        self._aws = aws
        self._config = config
        self._invoke = invoke
        self._respond = respond
        self._answered = False
        self._ended = False

    def run(self, actor: Actor) -> None:
        """Run as an actor."""
        functions, aws = self._functions, self._aws
        if aws.faults.decide(actor, "E10"):
            self._answer(InvokeResult.throttled(), "E10")
            return
        actor.clock_offset_ms = functions.clock_offset_ms
        functions.running[actor.name] = actor
        deadline_us = aws.kernel.now_us + functions.timeout_us
        aws.kernel.after(functions.timeout_us, lambda: self._cut_off(actor))
        if aws.faults.decide(actor, "E3"):
            after_us = int(actor.random.random() ** 2 * 400_000)
            aws.kernel.after(after_us, lambda: self._abandon(actor.random.random() < 0.5))
        try:
            payload = self._consume(actor, deadline_us)
        except Crash:
            self._ended = True
            self._answer(InvokeResult.failed())
            raise
        finally:
            self._ended = True
            functions.running.pop(actor.name, None)
        self._finish(actor, payload)

    def _consume(self, actor: Actor, deadline_us: int) -> bytes:
        """Let the function's own code read the event and write the answer, both as JSON."""
        kernel, invoke, functions = self._aws.kernel, self._invoke, self._functions
        self._aws.commits_before[actor.name] = self._aws.checker.commits
        self._aws.batches[actor.name] = [(invoke.shard_id, r.sequence_number) for r in invoke.records]
        event = _decode(invocation_event(self._config, invoke.shard_id, invoke.records))
        context = _Context(kernel, invoke.request_id, deadline_us)
        try:
            records, report, answer = handle(event, functions.dependencies(actor), functions.limits, context)
        except (Violation, Stuck):
            raise
        except Exception as error:
            raise Violation(9, f"the consumer raised {type(error).__name__}: {error}") from error
        kernel.trace(
            f"{invoke.shard_id} {len(records)} {report.applied} {report.duplicates} {report.resume_from}"
        )
        return _encode(answer)

    def _finish(self, actor: Actor, payload: bytes) -> None:
        """Hold the answer against the truth, then perhaps lie about it to the mapping."""
        faults = self._aws.faults
        numbers = [record.sequence_number for record in self._invoke.records]
        resume_from = _resume_from(payload, numbers)
        done = numbers if resume_from is None else numbers[: numbers.index(resume_from)]
        self._aws.checker.responded(self._invoke.shard_id, done)
        fault = None if resume_from is None else "E7"
        if faults.decide(actor, "E8"):
            fault, bad = "E8", actor.random.choice(BAD_IDENTIFIERS)
            payload = b'{"batchItemFailures":[{"itemIdentifier":' + bad + b"}]}"
        elif resume_from is None and faults.decide(actor, "E9"):
            fault, payload = "E9", actor.random.choice(ANSWERS_LIKE_EMPTY)
        elif faults.decide(actor, "E7"):
            fault, payload = "E7", _failure(actor.random.choice(numbers[: len(done) + 1]))
        result = InvokeResult.success(payload)
        if faults.decide(actor, "E2"):
            fault = "E2"
            result = InvokeResult.failed() if actor.random.random() < 0.5 else InvokeResult.throttled()
        self._aws.kernel.after(latency_us(actor), lambda: self._answer(result, fault))

    def _cut_off(self, actor: Actor) -> None:
        if not self._ended:
            self._aws.faults.count("E1")
            self._aws.kernel.kill(actor)
            self._answer(InvokeResult.failed(b'{"errorMessage":"Task timed out"}'))

    def _abandon(self, failed: bool) -> None:  # noqa: FBT001 - one private caller
        if not self._ended:
            self._answer(InvokeResult.failed() if failed else InvokeResult.throttled(), "E3")

    def _answer(self, result: InvokeResult, fault: str | None = None) -> None:
        """Answer, once; a fault of the answer counts if the mapping still waits for it."""
        if not self._answered:
            self._answered = True
            if self._respond(result) and fault is not None:
                self._aws.faults.count(fault)


def _failure(number: str) -> bytes:
    return _encode({"batchItemFailures": [{"itemIdentifier": number}]})


def _resume_from(payload: bytes, numbers: Sequence[str]) -> str | None:
    """Read an answer as AWS documents it; of what else it might mean nothing is said."""
    match _decode(payload):
        case {"batchItemFailures": []}:
            return None
        case {"batchItemFailures": [{"itemIdentifier": number}]} if number in numbers:
            return str(number)
    raise Violation(9, f"the consumer gave an answer that AWS does not document: {payload.decode()}")
