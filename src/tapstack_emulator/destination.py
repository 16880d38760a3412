"""The on-failure destination of the event source mapping: a queue or a bucket."""

from __future__ import annotations

from tapstack_emulator.call_recorder import MAPPING, CallRecorder
from tapstack_emulator.event_source_mapping.model import Deliver
from tapstack_emulator.ministack import Emulator


class EmulatedDestination:
    """Stores failure records in the emulator.

    Parameters
    ----------
    emulator
        Holds the queue or the bucket.
    recorder
        Takes note of objects that are stored.
    """

    def __init__(self, emulator: Emulator, recorder: CallRecorder | None) -> None:
        self._emulator = emulator
        self._recorder = recorder

    async def put(self, delivery: Deliver) -> None:
        """Hand over a failure record; see `Destination.put`."""
        name = delivery.destination_arn.rpartition(":")[2]
        if delivery.key is None:
            await self._emulator.send_message(name, delivery.body.decode())
            return
        if self._recorder is not None:
            self._recorder.take(MAPPING, "s3", "PutObject", f"/{name}/{delivery.key}", delivery.body)
        await self._emulator.put_object(name, delivery.key, delivery.body)
