"""A collector that takes requests of any wire format, and what is on its stream then."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from collectors import dependencies_of, failing_bucket
from event_strategies import NOON_S
from tapstack.collector.enrichment.order import Enrichment
from tapstack.collector.intake import CheckSchemas, Result
from tapstack.core.events import EVENT_BYTES_MAX, StreamEvent, decode_event
from tapstack.dead_letters import decode
from tapstack.entrypoints.collector_request import take
from tapstack.ports import StreamEntry
from tapstack_emulator import ManualClock, MemoryBucket

KEY = {"authorization": "Basic a2V5Og=="}


class Stream:
    """A stream that takes everything, or nothing."""

    def __init__(self, *, is_open: bool) -> None:
        self.data: list[bytes] = []
        self._is_open = is_open

    def put(self, entries: Sequence[StreamEntry]) -> Sequence[bool]:
        if self._is_open:
            self.data += [entry.data for entry in entries]
        return [self._is_open] * len(entries)


class Answered:
    """What came of a request."""

    def __init__(
        self,
        answer: dict[str, Any],
        results: Sequence[Result],
        data: Sequence[bytes],
        quarantine: Mapping[str, bytes],
    ) -> None:
        self.status: int = answer["statusCode"]
        self.headers: dict[str, str] = answer["headers"]
        is_base64 = answer["isBase64Encoded"]
        self.body = base64.b64decode(answer["body"]) if is_base64 else answer["body"].encode()
        self.results = results
        self.data = data
        self.quarantine = quarantine

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kept(self) -> list[Any]:
        """What is in quarantine."""
        return [letter for body in self.quarantine.values() for letter in decode(body)]

    @property
    def events(self) -> list[StreamEvent]:
        return [msgspec.json.decode(each, type=StreamEvent) for each in self.data]

    @property
    def event(self) -> dict[str, Any]:
        """The only event, without what the collector sets and what is empty."""
        (data,) = self.data
        event = msgspec.json.decode(data)
        return {name: value for name, value in event.items() if name not in SERVER_SET}


SERVER_SET = {"received_at", "clock_skew_ms", "protocol", "schema"}


def ask(
    method: str,
    target: str,
    body: object = None,
    headers: Mapping[str, str] = KEY,
    *,
    is_open: bool = True,
    spill: MemoryBucket | None = None,
    is_checked: bool = True,
    now_s: int = NOON_S,
    bucket: MemoryBucket | None = None,
    check_schemas: CheckSchemas | None = None,
    enrichment: Enrichment | None = None,
) -> Answered:
    """Send a request through the load balancer's event; a body that is not bytes is written as JSON.

    A stream that is not open takes nothing; nor does the spill bucket then, unless one is given.
    """
    parts = urlsplit(target)
    raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    stream, bucket = Stream(is_open=is_open), bucket or MemoryBucket()
    spill = spill or (MemoryBucket() if is_open else failing_bucket())
    taken = take(
        {
            "httpMethod": method,
            "path": parts.path,
            "queryStringParameters": dict(
                part.partition("=")[::2] for part in parts.query.split("&") if part
            ),
            "headers": dict(headers),
            "body": base64.b64encode(raw).decode(),
            "isBase64Encoded": True,
        },
        dependencies_of(stream, quarantine=bucket, spill=spill, clock=ManualClock(now_s * 1_000)),
        request_bytes_max=1_000_000,
        event_bytes_max=EVENT_BYTES_MAX,
        check_schemas=check_schemas,
        enrichment=None if enrichment is None else lambda: enrichment,
    )
    for each in stream.data if is_checked else ():
        decode_event(each)  # as the consumer does
    return Answered(taken.answer, taken.results, stream.data, bucket.objects)


def query(**fields: str) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
