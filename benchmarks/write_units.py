"""The table's units per 1,000 events, as it charges them, beside a naive handler keeping the same figures.

Batches of 1,000 events are a backlog's; 83 are what the promised peak of 10,000 a minute leaves on each
of two shards in a window of one second, as deployed, 415 and 830 in five and ten seconds.

The projector runs once in ten seconds of the stream's time: the more rarely, the fewer rows it writes.

The naive handler pays one unit for each ``ADD``: the user's row, each item's counters, each pair. It
is taken at its cheapest: every row of it within 1 KiB, and no redelivery.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import msgspec

from benchmarks._report import finish, options, progress
from benchmarks._traffic import BATCH, batches
from benchmarks.consumer import ENVIRONMENT
from tapstack.ports import AwsApi
from tapstack_emulator import ManualClock, MemoryBucket, MemoryDynamoDB

EVENTS = 50_000
PROJECTION_INTERVAL_S = 10
CASES = ((4, BATCH), (1, BATCH), (2, 21), (2, 83), (2, 415), (2, 830))  # shards, events of a batch


class Meter:
    """A table's API that adds up the units which DynamoDB would charge, and counts calls."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self.units: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def call(self, operation: str, body: bytes) -> bytes:
        """Pass a call on."""
        asked = msgspec.json.decode(body) | {"ReturnConsumedCapacity": "TOTAL"}
        answer = self._api.call(operation, msgspec.json.encode(asked))
        used = msgspec.json.decode(answer).get("ConsumedCapacity", [])
        self.units[operation] += sum(
            each["CapacityUnits"] for each in (used if isinstance(used, list) else [used])
        )
        self.calls[operation] += 1
        return answer


def naive_units(event: dict[str, Any], viewed: dict[str, list[str]], bought: dict[str, list[str]]) -> int:
    """Count the ``ADD``s of one event: user, items, and pairs as the consumer pairs them."""
    user = event.get("user_id") or event["anonymous_id"]
    items = [item["item_id"] for item in event.get("items", ())]
    pairs = 0
    if event["event_type"] == "item_view":
        for item_id in items:
            seen = viewed.setdefault(user, [])
            if item_id not in seen:
                pairs += len(seen[-2:])
                seen.append(item_id)
    elif event["event_type"] == "purchase":
        for item_id in items:
            basket = bought.setdefault(user, [])
            if item_id not in basket:
                pairs += len(basket[-8:])
                basket.append(item_id)
    return 1 + len(set(items)) + pairs


def measure(shards: int, size: int) -> dict[str, float]:
    """Run the real consumer over an in-memory table and count what it writes."""
    from tapstack.aws.dynamodb import DynamoTable
    from tapstack.consumer.consume import Dependencies, Limits, consume
    from tapstack.consumer.journal_lag import JournalLag
    from tapstack.entrypoints.consumer_batch import stream_records
    from tapstack.projections import project
    from tapstack.projections.catalogue import PROJECTIONS

    clock = ManualClock()
    api = MemoryDynamoDB(clock, versions_max=1)
    api.create_table("behaviour", ttl_attribute="ttl")
    meter = Meter(api)
    dependencies = Dependencies(
        table=DynamoTable(meter, "behaviour"),
        lag=JournalLag(),
        quarantine=MemoryBucket(),
        late=MemoryBucket(),
        clock=clock,
        jitter=lambda: 0.0,
    )
    limits = Limits(lanes=shards, row_ttl_s=400 * 86_400, age_max_s=30 * 86_400)
    projector = project.Dependencies(table=dependencies.table, clock=clock, jitter=lambda: 0.0)
    projected_s = 0
    totals: Counter[str] = Counter()
    viewed: dict[str, list[str]] = {}
    bought: dict[str, list[str]] = {}
    seen: set[object] = set()
    for batch in batches(EVENTS, shards, size=size):
        records = stream_records(batch)
        report = consume(records, dependencies, limits, lambda: 120_000)
        totals["batches"] += 1
        totals["rows"] += report.rows_written
        totals["events"] += report.applied
        if records[-1].arrived_at_s - projected_s >= PROJECTION_INTERVAL_S:
            projected_s = records[-1].arrived_at_s
            done = project.project(
                PROJECTIONS, projector, project.Limits(row_ttl_s=400 * 86_400), lambda: 120_000
            )
            totals["derived_rows"] += done.rows_written
        for record in records:
            event = msgspec.json.decode(record.data)
            name = (event.get("client_id"), event.get("n"), event.get("event_id"))
            if name not in seen:  # a redelivery is not held against it
                seen.add(name)
                totals["naive"] += naive_units(event, viewed, bought)
    thousand = totals["events"] / 1000
    writes, puts, reads = "TransactWriteItems", "PutItem", "BatchGetItem"
    assert set(meter.calls) <= {writes, puts, reads, "Query"}
    return {
        "units": (meter.units[writes] + meter.units[puts]) / thousand,
        "derived_units": meter.units[puts] / thousand,
        "read_units": (meter.units[reads] + meter.units["Query"]) / thousand,
        "naive_units": totals["naive"] / thousand,
        "rows": totals["rows"] / thousand,
        "derived_rows": totals["derived_rows"] / thousand,
        "transactions": meter.calls[writes] / thousand,
        "writes_a_batch": meter.calls[writes] / totals["batches"],
        "reads_a_batch": meter.calls[reads] / totals["batches"],
    }


def main() -> None:
    """Measure."""
    as_json = options("write_units", __doc__).parse_args().json
    os.environ.update(ENVIRONMENT)
    figures: dict[str, float] = {}
    peers: dict[str, dict[str, float]] = {}
    ratios: dict[str, float] = {}
    for shards, size in CASES:
        case = f"{shards}_shards" if size == BATCH else f"{shards}_shards_batches_of_{size}"
        progress(f"{EVENTS} events, {shards} shards, batches of {size}")
        measured = measure(shards, size)
        for name in ("units", "derived_units", "read_units", "rows", "derived_rows", "transactions"):
            figures[f"{name}_per_1000_events_{case}"] = measured[name]
        for name in ("writes_a_batch", "reads_a_batch"):
            figures[f"{name}_{case}"] = measured[name]
        peers[f"naive_add_{case}"] = {"units_per_1000_events": measured["naive_units"]}
        ratios[f"ours_to_naive_{case}"] = measured["units"] / measured["naive_units"]
    finish("write_units", figures, peers, ratios, as_json=as_json)


if __name__ == "__main__":
    main()
