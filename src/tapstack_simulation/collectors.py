"""Collectors behind a load balancer: each request is an actor that may outlive its client's patience."""

from __future__ import annotations

import msgspec

from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector.objects import CollectorDependencies
from tapstack.collector.schemas import Strictness
from tapstack.entrypoints.collector_request import take
from tapstack.errors import Unavailable
from tapstack.ports import StreamEntry, StreamWriter
from tapstack_emulator import Crash
from tapstack_emulator.load_balancer.wire import Client, decode_response, encode_event
from tapstack_simulation.checking.checker import Checker
from tapstack_simulation.checking.nobody import UNWELCOME
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.environments import Environments
from tapstack_simulation.event_schemas import schemas
from tapstack_simulation.faulty_channels import FaultyBucket, FaultyChannel, SpillBucket, latency_us
from tapstack_simulation.guard import Guard
from tapstack_simulation.kernel import Actor, ActorClock, Reply, Stuck
from tapstack_simulation.observed_aws import STREAM, ObservedAws

EVENT_BYTES_MAX = 32_768
REQUEST_BYTES_MAX = 1_000_000
PATIENCE_US = 60_000_000
TARGET_GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/collector/6d0ecf831eec9f09"
SENDER = Client(
    address="203.0.113.7", port=443, protocol="https", trace_id="1-5c536348-3d683b8b04734faae651f476"
)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Watched:
    """The stream as one request sees it, with its confirmed entries noted."""

    def __init__(self, stream: StreamWriter, checker: Checker, request: str) -> None:
        self._stream = stream
        self._checker = checker
        self._request = request

    def put(self, entries: list[StreamEntry]) -> list[bool]:
        datas = [entry.data for entry in entries]
        try:
            confirmed = list(self._stream.put(entries))
        except Unavailable:
            self._checker.collected.entries_put(self._request, datas, [False] * len(datas))
            raise
        self._checker.collected.entries_put(self._request, datas, confirmed)
        return confirmed


class Collectors:
    """All collectors.

    Parameters
    ----------
    aws
        The services.
    schemas
        What becomes of events that break the schema.
    guard
        Who may send.
    """

    def __init__(self, aws: ObservedAws, schemas: Strictness, guard: Guard) -> None:
        self.checker = aws.checker
        self.schemas = schemas
        self.guard = guard
        self._environments = Environments(aws, guard)
        self._reads_secrets = guard.checks_keys or self._environments.need_key
        self.clock_offset_ms = 0
        self.running: dict[str, Actor] = {}
        self._aws = aws
        self._writer = KinesisWriter(FaultyChannel(aws, aws.stream_api, "kinesis", "collector"), STREAM)
        self._quarantine = FaultyBucket(aws, aws.quarantine, "quarantine")
        self._spill = SpillBucket(aws)
        self._requests = 0

    def post(self, client: Actor, events: list[bytes]) -> list[str] | None:
        """Send events in a request and return the fate of each, None if no usable answer came."""
        self._requests += 1
        name = f"c{self._requests}"
        answer = self._ask(client, name, events, self.guard.key)
        if answer is None:
            return None
        fates = _fates(answer, len(events), reads_secrets=self._reads_secrets)
        for event, fate in zip(events, fates, strict=True):
            if fate == "invalid" and UNWELCOME.encode() not in event:
                self._aws.checker.collected.refused(name, self.guard.pseudonyms.kept(event))
        return fates

    def status_of(self, client: Actor, name: str, events: list[bytes], key: str | None) -> int | None:
        """Send a request under a name and a key of its own; return its answer's status, None if none came."""
        answer = self._ask(client, name, events, key)
        return None if answer is None else decode_response(answer).status

    def _ask(self, client: Actor, name: str, events: list[bytes], key: str | None) -> bytes | None:
        aws = self._aws
        request = encode_event(
            method="POST",
            target="/v1/events",
            headers=[
                ("content-type", "application/json"),
                *([] if key is None else [("x-write-key", key)]),
            ],
            body=b"[" + b",".join(events) + b"]",
            client=SENDER,
            target_group_arn=TARGET_GROUP,
        )
        reply = Reply(aws.kernel)
        epoch = aws.epoch

        def arrive(actor: Actor) -> None:
            if aws.epoch == epoch:  # else so much time passed that nothing on its way arrives any more
                self._serve(actor, request, reply)

        aws.kernel.spawn(name, arrive, latency_us(client))
        patience_us = PATIENCE_US
        hangs_up = aws.faults.decide(client, "C2", 0.05)
        if hangs_up:
            patience_us = client.random.randrange(30_000)
        answer = reply.wait(patience_us)
        if hangs_up and answer is None:
            aws.faults.count("C2")
        return answer if isinstance(answer, bytes) else None

    def _serve(self, actor: Actor, request: bytes, reply: Reply) -> None:
        aws = self._aws
        actor.clock_offset_ms = self.clock_offset_ms
        self.running[actor.name] = actor
        environment = self._environments.serving(len(self.running))
        dependencies = CollectorDependencies(
            stream=_Watched(self._writer, aws.checker, actor.name),  # type: ignore[arg-type] # lists are sequences
            quarantine=self._quarantine,
            spill=self._spill,
            clock=ActorClock(aws.kernel, actor),
            jitter=actor.random.random,
            unique=lambda: f"{actor.random.getrandbits(128):032x}",
        )
        try:
            taken = take(
                _decode(request),
                dependencies,
                request_bytes_max=REQUEST_BYTES_MAX,
                event_bytes_max=EVENT_BYTES_MAX,
                check_schemas=schemas(self.schemas).check,
                admission=environment.admission,
                enrichment=environment.enrichment,
            )
        except (Violation, Stuck):
            raise
        except Crash:
            reply.give("502", latency_us(actor))
            raise
        except Exception as error:
            raise Violation(4, f"the collector raised {type(error).__name__}: {error}") from error
        finally:
            self.running.pop(actor.name, None)
        if aws.faults.decide(actor, "C2"):
            aws.faults.count("C2")
            reply.give("504", latency_us(actor))
            return
        reply.give(_encode(taken.answer), latency_us(actor))

    def end_all(self) -> None:
        """Let every request die."""
        for actor in list(self.running.values()):
            self._aws.kernel.kill(actor)


def _fates(payload: bytes, count: int, *, reads_secrets: bool) -> list[str]:
    """Read an answer as a sender does: 503 says that something is to be sent again, 400 that nothing is."""
    answer = decode_response(payload)
    if reads_secrets and answer.status == 503 and "results" not in _decode(answer.body):
        return ["retry"] * count  # nobody knows who may send, or what names are stored as
    fates = [result["status"] for result in _decode(answer.body).get("results", ())]
    if len(fates) == count and answer.status == 200:
        return [fate if fate in {"invalid", "denied"} else "ok" for fate in fates]
    if len(fates) == count and (answer.status == 503 or (answer.status == 400 and {"invalid"} == {*fates})):
        return fates
    raise Violation(4, f"valid events were answered with {answer.status}: {answer.body[:200]!r}")
