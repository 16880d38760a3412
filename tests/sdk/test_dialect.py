"""What real SDKs do with other answers: they drop what is refused, and repeat what is not stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from installed import PATIENCE_S, SDKS, Sdk, command, run

from collectors import dependencies_of, failing_bucket
from tapstack.collector.admission import Admission
from tapstack.collector.known_sources import KnownSources
from tapstack.core.events import StreamEvent
from tapstack.core.sources import Key, Source, Sources, hash_of, write_sources
from tapstack.entrypoints.collector_request import take
from tapstack.ports import StreamEntry
from tapstack_emulator import SystemClock
from tapstack_emulator.lambda_host.host import InvokeResponse
from tapstack_emulator.load_balancer.server import LoadBalancer
from tapstack_local.cloud_functions import RULES, TARGET_GROUPS

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

COUNT = 8


class Collector:
    """A collector that refuses every event, or whose stream is closed for a while, and its spill bucket."""

    def __init__(
        self,
        *,
        event_bytes_max: int = 32_768,
        closed_requests: int = 0,
        sources: Sources | None = None,
    ) -> None:
        self.requests = 0
        self.events: list[StreamEvent] = []
        self.allowed_origins: set[str] = set()
        self._event_bytes_max = event_bytes_max
        self._closed_requests = closed_requests
        self._admission: Admission | None = None
        if sources is not None:
            known = KnownSources(lambda: write_sources(sources), SystemClock())
            self._admission = Admission(known, SystemClock())

    async def invoke(self, payload: bytes, *, trace_id: str = "") -> InvokeResponse:
        self.requests += 1
        answer = take(
            json.loads(payload),
            dependencies_of(self, spill=failing_bucket(), clock=SystemClock()),
            request_bytes_max=1_000_000,
            event_bytes_max=self._event_bytes_max,
            allowed_origins=self.allowed_origins,
            admission=self._admission,
        ).answer
        return InvokeResponse(kind="success", payload=json.dumps(answer).encode())

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        is_open = self.requests > self._closed_requests
        if is_open:
            self.events += [msgspec.json.decode(entry.data, type=StreamEvent) for entry in entries]
        return [is_open] * len(entries)


def send(sdk: Sdk, collector: Collector) -> None:
    async def main() -> None:
        functions = {"tapstack-collector": collector.invoke, "tapstack-insights": collector.invoke}
        async with LoadBalancer(functions=functions, target_groups=TARGET_GROUPS, rules=RULES) as balancer:
            await run(sdk, balancer.base_url, COUNT)

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_what_is_refused_is_not_sent_again(sdk: Sdk) -> None:
    command(sdk)  # or skip
    usual, refusing = Collector(), Collector(event_bytes_max=10)
    send(sdk, usual)
    send(sdk, refusing)
    assert len(usual.events) == COUNT
    assert refusing.events == []
    assert 1 <= refusing.requests <= usual.requests


def source(**fields: Any) -> Sources:
    """The source of every SDK here: by its key, or as that of trackers that send none."""
    keys = tuple(Key(hash=hash_of(key), created_at=datetime.now(UTC)) for key in ("key", "tracker"))
    keyless = Source(id="trackers", sends_no_key=True, formats=("snowplow",))
    return Sources(sources=(Source(id="shop", keys=keys, **fields), keyless))


REFUSALS = {"401": Sources(), "403": source(formats=("native",))}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_who_may_not_send_does_not_send_again(sdk: Sdk, refusal: str) -> None:
    command(sdk)  # or skip
    if refusal == "403" and sdk.script.startswith("snowplow"):
        pytest.skip("Snowplow's trackers send no key, so they have no source that may not use their format")
    usual, refusing = Collector(), Collector(sources=REFUSALS[refusal])
    send(sdk, usual)
    send(sdk, refusing)
    assert refusing.events == []
    assert 1 <= refusing.requests <= usual.requests


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_an_sdk_sends_its_key(sdk: Sdk) -> None:
    command(sdk)  # or skip
    collector = Collector(sources=source())
    send(sdk, collector)
    assert len(collector.events) == COUNT
    assert {event.source for event in collector.events} <= {"shop", "trackers"}


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_what_is_not_stored_is_sent_again(sdk: Sdk) -> None:
    command(sdk)  # or skip
    # By GET, Snowplow's tracker goes by the answer to the last request of a batch, and loses others.
    closed_requests = COUNT if "get" in sdk.arguments else 1
    collector = Collector(closed_requests=closed_requests)
    send(sdk, collector)
    assert collector.requests > closed_requests
    assert len({event.event_id for event in collector.events}) == len(collector.events) == COUNT
