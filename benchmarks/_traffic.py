"""The default traffic as batches of Lambda events, through the real collector."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from tapstack.collector.intake import (
    collect,
)
from tapstack.collector.publish import (
    Dependencies,
)
from tapstack.ports import StreamEntry
from tapstack_emulator import ManualClock
from tapstack_local.traffic import generate

START_MS = 1_795_000_000_000
BATCH = 1_000


class _Tape:
    """A stream that keeps what it is given, with the time it came."""

    def __init__(self, clock: ManualClock) -> None:
        self.records: list[tuple[int, StreamEntry]] = []
        self._clock = clock

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        self.records += [(self._clock.now_ms(), entry) for entry in entries]
        return [True] * len(entries)


def stream(events: int, seed: int = 1, start_ms: int = START_MS) -> list[tuple[int, StreamEntry]]:
    """Return the records that the default traffic leaves on the stream, with their arrival in ms."""
    clock = ManualClock(start_ms)
    tape = _Tape(clock)
    dependencies = Dependencies(stream=tape, clock=clock, jitter=lambda: 0.0)
    for request in generate(seed, events, base_ms=start_ms):
        clock.advance_ms(max(0, start_ms + request.at_ms - clock.now_ms()))
        collect([_bytes(event) for event in request.events], dependencies, event_bytes_max=32 * 1024)
    return tape.records


def batches(
    events: int, shards: int, seed: int = 1, size: int = BATCH, start_ms: int = START_MS
) -> Iterator[dict[str, Any]]:
    """Yield batches of `size` events of one shard each, as Lambda delivers them."""
    waiting: dict[int, list[dict[str, Any]]] = {shard: [] for shard in range(shards)}
    for number, (arrived_ms, entry) in enumerate(stream(events, seed, start_ms)):
        hashed = hashlib.md5(entry.partition_key.encode()).digest()
        shard = int.from_bytes(hashed, "big") * shards >> 128
        waiting[shard].append(_record(shard, number, arrived_ms, entry))
        if len(waiting[shard]) == size:
            yield {"Records": waiting[shard]}
            waiting[shard] = []


def _record(shard: int, number: int, arrived_ms: int, entry: StreamEntry) -> dict[str, Any]:
    sequence_number = f"49{number:054d}"
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": entry.partition_key,
            "sequenceNumber": sequence_number,
            "data": base64.b64encode(entry.data).decode(),
            "approximateArrivalTimestamp": arrived_ms / 1000,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-{shard:012d}:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/consumer",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/clicks",
    }


def _bytes(event: object) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()
