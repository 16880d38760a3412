"""A mapping in a test: a Lambda handler, a stream in memory and a clock that jumps; nothing sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from tapstack.ports import AwsApi
from tapstack_emulator.clock import ManualClock
from tapstack_emulator.event_source_mapping.choices import Choices
from tapstack_emulator.event_source_mapping.config import MappingConfig, Pacing
from tapstack_emulator.event_source_mapping.model import Deliver
from tapstack_emulator.event_source_mapping.responses import InvokeResult
from tapstack_emulator.event_source_mapping.runner import MappingRunner

Handler = Callable[[dict[str, Any], Any], Any]
"""A Lambda handler: ``handler(event, context)``."""


class SteppingClock(ManualClock):
    """A clock that jumps to the next thing to do as soon as everything else has had its turn."""

    async def wait(self, wake: asyncio.Event, timeout_ms: int | None) -> None:
        """Return once `wake` is set; else jump by `timeout_ms`."""
        for _ in range(10):
            await asyncio.sleep(0)
            if wake.is_set():
                return
        if timeout_ms is None:
            await wake.wait()
        else:
            self.advance_ms(timeout_ms)


class Delivered(NamedTuple):
    """What a mapping did.

    Parameters
    ----------
    events
        Each event that the handler was called with, in order.
    discarded
        Each failure record that went to the on-failure destination.
    """

    events: list[dict[str, Any]]
    discarded: list[dict[str, Any]]

    def sequence_numbers(self) -> list[list[str]]:
        """Return the sequence numbers of each invocation."""
        return [[row["kinesis"]["sequenceNumber"] for row in event["Records"]] for event in self.events]


def deliver(
    kinesis: AwsApi,
    config: MappingConfig,
    handler: Handler,
    clock: SteppingClock,
    *,
    pacing: Pacing | None = None,
    choices: Choices | None = None,
) -> Delivered:
    """Run a mapping until each record of the stream was acknowledged or given up.

    Parameters
    ----------
    kinesis
        Holds the stream that `config` names; its clock should be `clock`.
    config
        The mapping. Without a limit of retries or of age, a record that always fails never ends.
    handler
        What is invoked. An exception of it fails the batch, as in Lambda.
    clock
        Jumps over waits for records, windows and backoffs.
    pacing, choices
        See `MappingRunner`.
    """
    done = Delivered([], [])

    async def invoke(payload: bytes) -> InvokeResult:
        event = msgspec.json.decode(payload)
        done.events.append(event)
        return _result(handler, event)

    async def run() -> None:
        runner = MappingRunner(
            config=config,
            kinesis=kinesis,
            function=invoke,
            destination=_Kept(done.discarded),
            pacing=pacing or Pacing(),
            choices=choices,
            clock=clock,
        )
        runner.start()
        await runner.drain()
        await runner.stop()

    asyncio.run(run())
    return done


class _Kept:
    """An on-failure destination that keeps what it gets."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    async def put(self, delivery: Deliver) -> None:
        """Keep a failure record."""
        self._records.append(msgspec.json.decode(delivery.body))


def _result(handler: Handler, event: dict[str, Any]) -> InvokeResult:
    try:
        return InvokeResult.success(msgspec.json.encode(handler(event, None)))
    except Exception as error:  # noqa: BLE001 - whatever it is, Lambda reports it and the mapping retries
        body = {"errorType": type(error).__name__, "errorMessage": str(error)}
        return InvokeResult.failed(msgspec.json.encode(body))
