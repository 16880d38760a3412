"""Collectors behind a load balancer: each request is an actor that may outlive its client's patience."""

from __future__ import annotations

import msgspec

from tapstack.aws.kinesis import KinesisWriter
from tapstack.collector.collect import World, collect
from tapstack.errors import Unavailable
from tapstack.local.simulation.checker import Checker
from tapstack.local.simulation.checker_rows import Violation
from tapstack.local.simulation.cloud import STREAM, Cloud
from tapstack.local.simulation.kernel import Actor, ActorClock, Reply, Stuck
from tapstack.local.simulation.lines import Line, latency_us
from tapstack.ports import StreamEntry, StreamWriter
from tapstack.testing import Crash

EVENT_BYTES_MAX = 32_768
PATIENCE_US = 60_000_000


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
            self._checker.entries_put(self._request, datas, [False] * len(datas))
            raise
        self._checker.entries_put(self._request, datas, confirmed)
        return confirmed


class Collectors:
    """All collectors.

    Parameters
    ----------
    cloud
        The services.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.checker = cloud.checker
        self.clock_offset_ms = 0
        self.running: dict[str, Actor] = {}
        self._cloud = cloud
        self._writer = KinesisWriter(Line(cloud, cloud.stream_api, "kinesis", "collector"), STREAM)
        self._requests = 0

    def post(self, client: Actor, events: list[bytes]) -> list[str] | None:
        """Send events and wait; None if no usable answer came."""
        cloud = self._cloud
        self._requests += 1
        reply = Reply(cloud.kernel)
        cloud.kernel.spawn(
            f"c{self._requests}", lambda actor: self._serve(actor, events, reply), latency_us(client)
        )
        patience_us = PATIENCE_US
        hangs_up = cloud.ledger.decide(client, "C2", 0.05)
        if hangs_up:
            patience_us = client.random.randrange(30_000)
        answer = reply.wait(patience_us)
        if hangs_up and answer is None:
            cloud.ledger.count("C2")
        return answer if isinstance(answer, list) else None

    def _serve(self, actor: Actor, events: list[bytes], reply: Reply) -> None:
        cloud = self._cloud
        actor.clock_offset_ms = self.clock_offset_ms
        self.running[actor.name] = actor
        world = World(
            stream=_Watched(self._writer, cloud.checker, actor.name),  # type: ignore[arg-type] # lists are sequences
            clock=ActorClock(cloud.kernel, actor),
            jitter=actor.random.random,
        )
        try:
            results = collect(
                [msgspec.Raw(event) for event in events], world, event_bytes_max=EVENT_BYTES_MAX
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
        if cloud.ledger.decide(actor, "C2"):
            cloud.ledger.count("C2")
            reply.give("504", latency_us(actor))
            return
        reply.give([result.status for result in results], latency_us(actor))

    def end_all(self) -> None:
        """Let every request die."""
        for actor in list(self.running.values()):
            self._cloud.kernel.kill(actor)
