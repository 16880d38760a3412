"""The whole pipeline on this machine: HTTP, Kinesis, the event source mapping, DynamoDB on the emulator.

How long it takes until a count can be read is measured for users, whose rows the consumer writes, and
for items, whose rows the projector writes some time later.

Peers, in the same run: the same events put straight on the stream, without HTTP, load balancer and
collector; and, as a floor that no consumer can beat here, the rate at which the emulator alone takes rows
of the same size in transactions of 100, sent by one connection after the other and by four at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from benchmarks._report import finish, options, progress
from benchmarks._traffic import stream
from tapstack_emulator.lambda_host.config import REGION
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.cloud_functions import CONSUMER, LATE_BUCKET, PROJECTOR, QUARANTINE_BUCKET
from tapstack_local.reconciliation.accepted_events import AcceptedEvents
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.tables import Reader
from tapstack_local.run import BACKLOG_MAX_PER_SHARD, shop
from tapstack_local.sender import Sender, percentiles
from tapstack_local.traffic import Request

SHARDS = 4
MAX_EVENTS = 40_000
PACED_PER_MIN = 10_000
PACED_EVENTS = 5_000
TRANSACTIONS = 150
ROWS = 100  # of one transaction, as the consumer fills them
PUT_COUNT = 500
PROBE_POLL_S = 0.02

_ENCODE = msgspec.json.Encoder().encode
_HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "DynamoDB_20120810.TransactWriteItems",
    "authorization": f"AWS4-HMAC-SHA256 Credential=bench/20260101/{REGION}/dynamodb/aws4_request",
}


@contextlib.asynccontextmanager
async def cloud() -> AsyncIterator[EmbeddedCloud]:
    with tempfile.TemporaryDirectory(prefix="tapstack-bench-") as folder:
        async with EmbeddedCloud(CloudConfig(shards=SHARDS, seed=1), keep_logs=Path(folder)) as running:
            yield running


async def over_http(requests: Iterable[Request], events_per_min: float | None) -> dict[str, Any]:
    """Send events as SDKs do, until all of them are counted; and check that they are."""
    ledger = AcceptedEvents()
    async with cloud() as running:
        sender = Sender(
            running.base_url,
            ledger,
            events_per_min=events_per_min,
            is_full=lambda: running.backlog > SHARDS * BACKLOG_MAX_PER_SHARD,
        )
        async with probed(running.base_url, ledger) as items_ms:
            sent = await sender.run(requests)
        assert await running.drain() == ""
        took_s = time.monotonic() - sent.started_s
        async with aiohttp.ClientSession() as session:
            reader = Reader(session, running.emulator_url, running.emulator_url, REGION)
            tables = await reader.read_all(running.table, LATE_BUCKET, QUARANTINE_BUCKET)
        result = reconcile(ledger, tables)
        assert (result.lost, result.overcounted, sent.unanswered) == (0, 0, 0), result
        written = consumed(running.folder)
    return {
        "events_per_min": result.applied / took_s * 60,
        "took_s": took_s,
        "rows_written": written["rows_written"],
        "transactions": written["transactions"],
        "derived_rows_written": written["projection_rows_written"],
        **{f"visible_ms_{name}": value for name, value in percentiles(sent.visible_ms).items()},
        **{f"items_visible_ms_{name}": value for name, value in percentiles(items_ms).items()},
    }


@contextlib.asynccontextmanager
async def probed(base_url: str, ledger: AcceptedEvents) -> AsyncIterator[list[float]]:
    """View a new item now and then for as long as the block runs; how long until it can be read, in ms."""
    visible_ms: list[float] = []
    async with aiohttp.ClientSession(base_url) as session:
        probe = asyncio.create_task(_probe(session, ledger, visible_ms))
        try:
            yield visible_ms
        finally:
            probe.cancel()
            await asyncio.wait([probe])


async def _probe(session: aiohttp.ClientSession, ledger: AcceptedEvents, visible_ms: list[float]) -> None:
    for number in count():
        event = {
            "event_type": "item_view",
            "event_id": f"probe-{number}",
            "user_id": "probe",
            "occurred_at": datetime.now(UTC).isoformat(),
            "items": [{"item_id": f"probe-{number}"}],
        }
        ledger.doubt(event)  # the probe may end before the answer comes
        async with session.post("/v1/events", json=event) as answer:
            if answer.status != 200:
                continue
        ledger.accept(event)
        started_s = time.monotonic()
        while True:
            async with session.get(f"/v1/items/probe-{number}") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(PROBE_POLL_S)
        visible_ms.append((time.monotonic() - started_s) * 1_000)


def consumed(folder: Path) -> dict[str, int]:
    """Add up what the logs of consumer and projector say."""
    names = {CONSUMER: ("rows_written", "transactions"), PROJECTOR: ("projection_rows_written",)}
    totals = {name: 0 for function in names for name in names[function]}
    for function, counted in names.items():
        for line in (folder / f"{function}.log").read_text().splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                said = json.loads(line)
                for name in counted:
                    totals[name] += said[name]
    return totals


async def straight_to_the_stream(events: int) -> float:
    """Put the same traffic on the stream as the collector would leave it; tell events a minute."""
    entries = [entry for _, entry in stream(events, start_ms=time.time_ns() // 1_000_000 - 600_000)]
    async with cloud() as running:
        started_s = time.monotonic()
        for at in range(0, len(entries), PUT_COUNT):
            while running.backlog > SHARDS * BACKLOG_MAX_PER_SHARD:  # noqa: ASYNC110 - as the sender does
                await asyncio.sleep(0.01)
            records = [
                {"Data": entry.data, "PartitionKey": entry.partition_key}
                for entry in entries[at : at + PUT_COUNT]
            ]
            answer = running.kinesis.call(
                "PutRecords", _ENCODE({"StreamName": running.stream, "Records": records})
            )
            assert msgspec.json.decode(answer)["FailedRecordCount"] == 0
            await asyncio.sleep(0)
        await running.drain()
        return len(entries) / (time.monotonic() - started_s) * 60


async def emulator_rows_per_s(in_parallel: int) -> float:
    """Return how many new rows of 600 bytes the emulator alone takes in transactions."""
    async with cloud() as running, aiohttp.ClientSession() as session:
        url, table = running.emulator_url, running.table
        state = {"B": "A" * 800}  # 600 bytes

        async def write(worker: int) -> None:
            for number in range(TRANSACTIONS // in_parallel):
                items = [
                    {
                        "Put": {
                            "TableName": table,
                            "Item": {"pk": {"S": f"U#{worker}-{number}-{row}"}, "sk": {"S": "-"}, "s": state},
                            "ConditionExpression": "attribute_not_exists(pk)",
                        }
                    }
                    for row in range(ROWS)
                ]
                body = _ENCODE({"TransactItems": items})
                async with session.post(url, data=body, headers=_HEADERS) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()

        started_s = time.monotonic()
        await asyncio.gather(*(write(worker) for worker in range(in_parallel)))
        rows = TRANSACTIONS // in_parallel * in_parallel * ROWS
        return rows / (time.monotonic() - started_s)


async def measure(*, as_json: bool) -> None:
    progress("the emulator alone")
    rows_per_s = {count: await emulator_rows_per_s(count) for count in (1, 4)}
    progress(f"{MAX_EVENTS:,} events straight to the stream")
    straight = await straight_to_the_stream(MAX_EVENTS)
    progress(f"{MAX_EVENTS:,} events over HTTP, as fast as it goes")
    fast = await over_http(shop(1, MAX_EVENTS, None, time.time_ns() // 1_000_000), None)
    progress(f"{PACED_EVENTS:,} events over HTTP at {PACED_PER_MIN:,} a minute")
    paced_requests = shop(1, PACED_EVENTS, PACED_PER_MIN, time.time_ns() // 1_000_000)
    paced = await over_http(paced_requests, PACED_PER_MIN)
    ours_rows_per_s = fast["rows_written"] / fast["took_s"]
    finish(
        "end_to_end",
        {
            "events_per_min": fast["events_per_min"],
            "visible_ms_p50_at_full_speed": fast["visible_ms_p50"],
            "items_visible_ms_p50_at_full_speed": fast["items_visible_ms_p50"],
            "rows_written_per_event": fast["rows_written"] / MAX_EVENTS,
            "derived_rows_written_per_event": fast["derived_rows_written"] / MAX_EVENTS,
            "rows_per_transaction": fast["rows_written"] / fast["transactions"],
            "rows_written_per_s": ours_rows_per_s,
            **{
                f"{what}_{name}_at_10000_a_min": paced[f"{what}_{name}"]
                for what in ("visible_ms", "items_visible_ms")
                for name in ("p50", "p99", "max")
            },
        },
        {
            "straight_to_the_stream": {"events_per_min": straight},
            "emulator_alone_one_connection": {"rows_per_s": rows_per_s[1]},
            "emulator_alone_four_connections": {"rows_per_s": rows_per_s[4]},
        },
        {
            "share_of_straight_to_the_stream": fast["events_per_min"] / straight,
            "share_of_the_emulators_rows_per_s": ours_rows_per_s / max(rows_per_s.values()),
            "times_the_goal_of_60000_a_min": fast["events_per_min"] / 60_000,
        },
        as_json=as_json,
    )


def main() -> None:
    """Measure."""
    asyncio.run(measure(as_json=options("end_to_end", __doc__).parse_args().json))


if __name__ == "__main__":
    main()
