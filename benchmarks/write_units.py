"""Write units per 1,000 events, counted from item sizes, beside a naive handler keeping the same figures.

The naive handler pays one unit for each ``ADD``: the user's row, each item's counters, each pair. It
is taken at its cheapest: every row of it within 1 KiB, and no redelivery.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

from benchmarks._report import finish, options, progress
from benchmarks._traffic import BATCH, batches
from benchmarks.consumer import ENVIRONMENT
from tapstack_emulator import ManualClock, MemoryBucket, MemoryDynamoDB

BATCHES = 40


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


def measure(shards: int) -> dict[str, float]:
    """Run the real consumer over an in-memory table and count what it writes."""
    from tapstack.aws.dynamodb import DynamoTable
    from tapstack.consumer.consume import Limits, World, consume
    from tapstack.entrypoints.consumer_batch import stream_records

    clock = ManualClock()
    api = MemoryDynamoDB(clock, versions_max=1)
    api.create_table("behaviour", ttl_attribute="ttl")
    world = World(
        table=DynamoTable(api, "behaviour"),
        quarantine=MemoryBucket(),
        late=MemoryBucket(),
        clock=clock,
        jitter=lambda: 0.0,
    )
    limits = Limits(lanes=shards, row_ttl_s=400 * 86_400, age_max_s=30 * 86_400)
    totals = {"units": 0, "rows": 0, "transactions": 0, "naive": 0, "events": 0}
    viewed: dict[str, list[str]] = {}
    bought: dict[str, list[str]] = {}
    seen: set[object] = set()
    for batch in batches(BATCHES * BATCH * 5 // 4, shards):
        records = stream_records(batch)
        report = consume(records, world, limits, lambda: 120_000)
        totals["units"] += report.write_units
        totals["rows"] += report.rows_written
        totals["transactions"] += report.transactions
        totals["events"] += report.applied
        for record in records:
            event = msgspec.json.decode(record.data)
            name = (event.get("client_id"), event.get("n"), event.get("event_id"))
            if name not in seen:  # a redelivery is not held against it
                seen.add(name)
                totals["naive"] += naive_units(event, viewed, bought)
    thousand = totals["events"] / 1000
    rows = api.items("behaviour")
    return {
        "units": totals["units"] / thousand,
        "naive_units": totals["naive"] / thousand,
        "rows": totals["rows"] / thousand,
        "transactions": totals["transactions"] / thousand,
        "rows_in_table": float(len(rows)),
    }


def main() -> None:
    """Measure."""
    as_json = options("write_units", __doc__).parse_args().json
    os.environ.update(ENVIRONMENT)
    figures: dict[str, float] = {}
    peers: dict[str, dict[str, float]] = {}
    ratios: dict[str, float] = {}
    for shards in (4, 1):
        progress(f"{BATCHES} batches of {BATCH} events, {shards} shards")
        measured = measure(shards)
        for name in ("units", "rows", "transactions"):
            figures[f"{name}_per_1000_events_{shards}_shards"] = measured[name]
        peers[f"naive_add_{shards}_shards"] = {"units_per_1000_events": measured["naive_units"]}
        ratios[f"ours_to_naive_{shards}_shards"] = measured["units"] / measured["naive_units"]
    finish("write_units", figures, peers, ratios, as_json=as_json)


if __name__ == "__main__":
    main()
