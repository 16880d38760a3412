"""Channels between an actor and AWS: every call waits before and after its effect, and may fail."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from tapstack import dead_letters
from tapstack.errors import OutcomeUnknown, Unavailable
from tapstack.ports import AwsError, ObjectPage
from tapstack_emulator import FaultyApi, Injection, MemoryBucket
from tapstack_emulator.faults import injection
from tapstack_simulation.faults import CallFault
from tapstack_simulation.kernel import Actor
from tapstack_simulation.observed_aws import ObservedAws, ObservedDynamoDB, ObservedKinesis

CALL_TIMEOUT_US = 5_000_000
PUTTING = ("collector", "drainer")
T = TypeVar("T")
_KINDS_OF_OURS = frozenset({"delay", "late_effect", "mixed_reasons", "repeat"})

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class FaultyChannel:
    """`tapstack.ports.AwsApi` of one role.

    Parameters
    ----------
    aws
        The services.
    api
        The one at the other end.
    service
        ``kinesis`` or ``dynamodb``.
    role
        Who calls: ``consumer``, ``collector``, ``mapping`` or ``reader``.
    """

    def __init__(
        self, aws: ObservedAws, api: ObservedKinesis | ObservedDynamoDB, service: str, role: str
    ) -> None:
        self._aws = aws
        self._api = api
        self._role = role
        self._faulty = FaultyApi(api, aws.policy, service=service, seed=aws.kernel.seed)

    def call(self, operation: str, body: bytes) -> bytes:
        """Make one call, at the scheduler's mercy."""
        kernel = self._aws.kernel
        actor = kernel.current
        if actor is None:
            raise AssertionError("only actors call")
        kernel.sleep(latency_us(actor))
        try:
            answer = self._perform(actor, operation, body)
        except AwsError:
            kernel.sleep(latency_us(actor))
            raise
        except OutcomeUnknown:
            kernel.sleep(actor.random.randrange(CALL_TIMEOUT_US))
            raise
        kernel.sleep(latency_us(actor))
        return answer

    def _perform(self, actor: Actor, operation: str, body: bytes) -> bytes:
        aws = self._aws
        outage = self._outage(body)
        if outage is not None:
            name, injected = outage
            aws.faults.count(name)
            return self._inject(injected, operation, body)
        if operation == "BatchGetItem" and self._role in aws.read_units:
            limited = aws.read_units[self._role].limit(operation, body)
            if limited is not None:
                aws.faults.count("D13")
                return self._inject(limited, operation, body)
        fault = aws.faults.of_call(actor, self._role, operation)
        aws.kernel.trace(f"{operation} {fault.kind if fault else ''} {len(body)}")
        if fault is None:
            return self._carry_out(actor, operation, body)
        if fault.kind in _KINDS_OF_OURS:
            return self._bend(actor, fault, operation, body)
        before = self._faulty.counts.total()
        try:
            return self._inject(Injection(fault.kind), operation, body)  # type: ignore[arg-type] # kinds are Faults
        finally:
            if self._faulty.counts.total() > before:
                aws.faults.count(fault.name)

    def _carry_out(self, actor: Actor, operation: str, body: bytes) -> bytes:
        """Make a call; what others do may come between the statements of a batch."""
        if operation != "BatchExecuteStatement":
            return self._api.call(operation, body)
        request = _decode(body)
        statements = request["Statements"]
        split = actor.random.randrange(len(statements))
        responses: list[Any] = []
        for some in (statements[:split], statements[split:]):
            if some:
                answer = self._api.call(operation, _encode({**request, "Statements": some}))
                responses += _decode(answer)["Responses"]
                self._aws.kernel.sleep(latency_us(actor))
        return _encode({"Responses": responses})

    def _outage(self, body: bytes) -> tuple[str, Injection] | None:
        """Return what an operator's action does to every call just now."""
        aws = self._aws
        if self._role in aws.denied:
            return "O6", Injection("access_denied")
        if self._role not in PUTTING:
            return None
        if aws.is_stream_down:
            return "C6", Injection("internal_error")
        refused = _entries_of(body, aws.refused_key) if aws.refused_key is not None else ()
        return ("C5", Injection("partial_put", refused)) if refused else None

    def _inject(self, chosen: Injection, operation: str, body: bytes) -> bytes:
        self._aws.policy.next = chosen
        return self._faulty.call(operation, body)

    def _bend(self, actor: Actor, fault: CallFault, operation: str, body: bytes) -> bytes:
        aws = self._aws
        if fault.kind == "delay":  # the invocation's timeout counts it, if it comes to that
            aws.kernel.sleep(actor.random.randrange(90_000_000))
            return self._api.call(operation, body)
        if fault.kind == "late_effect":
            aws.faults.count(fault.name)
            self._later(operation, body, actor.random.randrange(30_000_000))
            raise OutcomeUnknown(f"{operation}: no answer")
        if fault.kind == "repeat":
            delay_us = actor.random.randrange(601_000_000, 850_000_000)
            self._later(operation, body, delay_us, counted=fault.name)
            return self._api.call(operation, body)
        return self._mixed(actor, operation, body)

    def _later(self, operation: str, body: bytes, delay_us: int, counted: str | None = None) -> None:
        aws = self._aws
        sender = getattr(aws.kernel.current, "name", "")

        def arrive() -> None:
            if counted is not None:
                aws.faults.count(counted)
            aws.sender = sender
            try:
                self._api.call(operation, body)
            except AwsError as error:
                aws.kernel.trace(f"ghost {error.code}")
            else:
                aws.kernel.trace("ghost applied")
            finally:
                aws.sender = ""

        aws.ghost(arrive, delay_us)

    def _mixed(self, actor: Actor, operation: str, body: bytes) -> bytes:
        """Cancel a transaction for what is really wrong with it and for contention, perhaps load as well."""
        assert isinstance(self._api, ObservedDynamoDB), "only DynamoDB has transactions"  # noqa: S101 - for types
        count = injection.entry_count(operation, body)
        held = sorted(actor.random.sample(range(count), actor.random.randint(1, max(1, count // 2))))
        try:
            with self._api.holding(body, held):
                self._api.call(operation, body)
        except AwsError as error:
            reasons: list[dict[str, Any]] = _decode(error.body)["CancellationReasons"]
            free = [index for index, reason in enumerate(reasons) if reason["Code"] == "None"]
            if free and actor.random.random() < 0.5:
                reasons[actor.random.choice(free)] = {"Code": "ThrottlingError", "Message": "slow down"}
            codes = {reason["Code"] for reason in reasons} - {"None"}
            self._aws.faults.count("D6" if len(codes) > 1 else "D4")
            raise injection.cancelled(reasons) from None
        raise AssertionError("a held row refuses every write")


class FaultyBucket:
    """`tapstack.ports.ObjectWriter` of the consumer and of the collector.

    Parameters
    ----------
    aws
        The services.
    bucket
        The bucket.
    kind
        ``quarantine``, ``late`` or ``spill``.
    """

    def __init__(self, aws: ObservedAws, bucket: MemoryBucket, kind: str) -> None:
        self._aws = aws
        self._bucket = bucket
        self._kind = kind

    def put(self, key: str, body: bytes) -> None:
        """Store an object; see `tapstack.ports.ObjectWriter.put`."""
        puts = self._bucket.puts

        def put() -> None:
            before = len(puts)
            try:
                self._bucket.put(key, body)
            finally:
                if len(puts) > before:
                    self._note(self._actor(), key, body)

        self._call("bucket", "PutObject", put)

    def _actor(self) -> Actor:
        actor = self._aws.kernel.current
        if actor is None:
            raise AssertionError("only actors call")
        return actor

    def _call(self, role: str, operation: str, act: Callable[[], T]) -> T:
        aws, actor = self._aws, self._actor()
        aws.kernel.sleep(latency_us(actor))
        if "bucket" in aws.denied:
            aws.faults.count("O6")
            raise Unavailable("s3: AccessDenied")
        if aws.are_buckets_down:
            aws.faults.count("C7")
            raise OutcomeUnknown("s3: no answer")
        fault = aws.faults.of_call(actor, role, operation)
        aws.policy.next = Injection(fault.kind if fault else "none")  # type: ignore[arg-type] # kinds are Faults
        try:
            result = act()
        finally:
            if fault is not None:
                aws.faults.count(fault.name)
        aws.kernel.sleep(latency_us(actor))
        return result

    def _note(self, actor: Actor, key: str, body: bytes) -> None:  # noqa: ARG002 - of the spill bucket
        aws = self._aws
        began_at = None if aws.faults.draws("D8") else aws.commits_before.get(actor.name)
        for letter in dead_letters.decode(body):
            if isinstance(letter, dead_letters.RefusedEvent):
                aws.checker.collected.refusal_kept(actor.name, letter.coordinates, letter.data, letter.detail)
            else:
                aws.checker.kept(self._kind, letter.coordinates, letter.data, began_at)


class SpillBucket(FaultyBucket):
    """`tapstack.ports.SpillStore`: the spill bucket of the collector and of the drainer.

    Parameters
    ----------
    aws
        The services.
    """

    def __init__(self, aws: ObservedAws) -> None:
        super().__init__(aws, aws.spill, "spill")

    def list(self, prefix: str, *, after: str = "") -> ObjectPage:
        """List keys; see `tapstack.ports.ObjectStore.list`."""
        return self._call("drainer", "ListObjectsV2", lambda: self._bucket.list(prefix, after=after))

    def get(self, key: str) -> bytes | None:
        """Read an object; see `tapstack.ports.ObjectStore.get`."""
        return self._call("drainer", "GetObject", lambda: self._bucket.get(key))

    def delete(self, key: str) -> None:
        """Delete an object; see `tapstack.ports.ObjectStore.delete`."""

        def delete() -> None:
            try:
                self._bucket.delete(key)
            finally:
                if key not in self._bucket.objects:
                    self._aws.checker.collected.spill_deleted(key)

        self._call("drainer", "DeleteObject", delete)

    def get_each(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the object under each key."""
        return [self.get(key) for key in keys]

    def delete_each(self, keys: Sequence[str]) -> None:
        """Delete the object under each key."""
        for key in keys:
            self.delete(key)

    def _note(self, actor: Actor, key: str, body: bytes) -> None:  # noqa: ARG002 - of the others
        entries = [_decode(line) for line in body.splitlines()]
        datas = [(entry["partition_key"], base64.b64decode(entry["data"])) for entry in entries]
        self._aws.checker.collected.spilled(key, datas, self._aws.kernel.now_ms)
        self._aws.on_spill()


def latency_us(actor: Actor) -> int:
    """Draw how long a request or an answer is on its way: mostly a few milliseconds, at times many."""
    return int(-math.log(1.0 - actor.random.random()) * 6_000) + 200


def _entries_of(body: bytes, key: str) -> tuple[int, ...]:
    records = _decode(body)["Records"]
    return tuple(index for index, entry in enumerate(records) if entry["PartitionKey"] == key)
