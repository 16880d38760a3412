"""The table's units per 1,000 events, as it charges them, beside a naive handler keeping the same figures.

Batches of 83 events are what the promised peak of 10,000 a minute leaves on each of two shards in a window of
one second, as deployed; 17 a fifth of that, 240 three times as much; 415 are five seconds of it, and 1,000 a
backlog's. The projector runs once in an interval: the more rarely, the fewer rows it writes.

The naive handler pays one unit for each ``ADD``: the user's row, each item's counters, each pair. It
is taken at its cheapest: every row of it within 1 KiB, and no redelivery.

Few users of that traffic come back often enough to have a history beyond their row. So what it costs is
measured on the same events as those of 100 people with two devices, some 500 each: with the default bounds
and without pages.
"""

from __future__ import annotations

import base64
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

from benchmarks._report import finish, options, progress
from benchmarks._traffic import BATCH, batches
from benchmarks.consumer import ENVIRONMENT
from tapstack.core.history import RECENT_MAX, HistoryBounds
from tapstack.ports import AwsApi
from tapstack_emulator import ManualClock, MemoryBucket, MemoryDynamoDB
from tapstack_emulator.partiql import parse_statement

EVENTS = 50_000
HISTORY, NO_HISTORY = HistoryBounds(), HistoryBounds(interactions=RECENT_MAX)
SHARDS = 2
REGULARS = 100  # people who share all events where history is measured
# Events of a batch, how many a shard gets in a second, and seconds between two runs of the projector.
CASES = ((17, 17, 10), (17, 17, 60), (83, 83, 10), (83, 83, 60), (240, 240, 10), (240, 240, 60),
         (415, 83, 10), (BATCH, 240, 10))  # fmt: skip


PROJECTED = "derived rows"
SEARCH_TERMS, IMPRESSIONS, POINTERS = "rows of search terms", "rows of impressions", "pointers"
APART = {"Q#": SEARCH_TERMS, "P#": IMPRESSIONS}  # the naive handler has none


class Meter:
    """A table's API that adds up the units which DynamoDB would charge, and counts calls."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self.units: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()

    def call(self, operation: str, body: bytes) -> bytes:
        """Pass a call on."""
        asked = msgspec.json.decode(body) | {"ReturnConsumedCapacity": "TOTAL"}
        answer = self._api.call(operation, msgspec.json.encode(asked))
        used = msgspec.json.decode(answer).get("ConsumedCapacity", [])
        written = list(_written_alone(operation, asked))
        if written:
            operation = APART.get(written[0][:2], PROJECTED)
        self.rows[POINTERS] += sum(
            each["Put"]["Item"]["sk"]["S"].startswith(("was#", "is#"))
            for each in asked.get("TransactItems", ())
        )
        self.units[operation] += sum(
            each["CapacityUnits"] for each in (used if isinstance(used, list) else [used])
        )
        self.calls[operation] += 1
        self.rows[operation] += len(written)
        return answer


def _written_alone(operation: str, asked: dict[str, Any]) -> Iterator[str]:
    """Yield the partitions of the rows that a call writes one by one, all of one projection."""
    if operation == "PutItem":
        yield asked["Item"]["pk"]["S"]
    for each in asked.get("Statements", ()):
        yield parse_statement(each["Statement"], each["Parameters"]).named["pk"]["S"]


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


class Regulars:
    """Gives events to a few people: each visitor's to one of them, who has a device for each shard."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, int], int] = {}
        self._counts: Counter[str] = Counter()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Change a batch, in place."""
        for record in batch["Records"]:
            event = msgspec.json.decode(base64.b64decode(record["kinesis"]["data"]))
            visitor = event.get("user_id") or event["anonymous_id"]
            person = f"user-{zlib.crc32(visitor.encode()) % REGULARS:06d}"
            name = str(uuid5(NAMESPACE_OID, person + record["eventID"].partition(":")[0]))
            device = f"{name[:14]}7{name[15:]}"  # a client's id is a UUIDv7
            event |= {"user_id": person, "anonymous_id": device}
            if "client_id" in event:  # others have an id of their own
                number = self._number(device, event["client_id"], event["n"])
                event |= {"client_id": device, "n": number}
            record["kinesis"]["data"] = base64.b64encode(msgspec.json.encode(event)).decode()
        return batch

    def _number(self, device: str, client_id: str, n: int) -> int:
        """Return an event's number on its device: what is sent again has the same."""
        known = device, client_id, n
        if known not in self._numbers:
            self._numbers[known] = self._counts[device]
            self._counts[device] += 1
        return self._numbers[known]


def measure(
    size: int,
    rate: int,
    interval_s: int,
    history: HistoryBounds = HISTORY,
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda batch: batch,
) -> dict[str, float]:
    """Run the real consumer and projector over an in-memory table and count what they write."""
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
    table = DynamoTable(meter, "behaviour")
    dependencies = Dependencies(
        table=table,
        lag=JournalLag(),
        quarantine=MemoryBucket(),
        late=MemoryBucket(),
        clock=clock,
        jitter=lambda: 0.0,
    )
    limits = Limits(lanes=SHARDS, row_ttl_s=400 * 86_400, age_max_s=30 * 86_400, history=history)
    projector = project.Dependencies(table=table, clock=clock, jitter=lambda: 0.0)
    waiting = 0  # events since the projector ran
    totals: Counter[str] = Counter()
    viewed: dict[str, list[str]] = {}
    bought: dict[str, list[str]] = {}
    seen: set[object] = set()
    for batch in batches(EVENTS, SHARDS, size=size):
        records = stream_records(change(batch))
        report = consume(records, dependencies, limits, lambda: 120_000)
        totals["batches"] += 1
        totals["rows"] += report.rows_written
        totals["events"] += report.applied
        waiting += len(records)
        if waiting >= SHARDS * rate * interval_s:
            waiting = 0
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
    writes, reads = "TransactWriteItems", "BatchGetItem"
    assert set(meter.calls) <= {writes, reads, "Query", PROJECTED, *APART.values()}
    apart = sum(meter.rows[name] for name in APART.values())
    return {
        "units": (meter.units[writes] + meter.units[PROJECTED]) / thousand,
        "derived_units": meter.units[PROJECTED] / thousand,
        "search_terms_units": meter.units[SEARCH_TERMS] / thousand,
        "impressions_units": meter.units[IMPRESSIONS] / thousand,
        "pointers_units": 2 * meter.rows[POINTERS] / thousand,  # among `units`; none has a KiB
        "read_units": (meter.units[reads] + meter.units["Query"]) / thousand,
        "naive_units": totals["naive"] / thousand,
        "rows": totals["rows"] / thousand,
        "derived_rows": (totals["derived_rows"] - apart) / thousand,
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
    for size, rate, interval_s in CASES:
        case = f"batch_{size}_projection_{interval_s}_s"
        progress(f"{EVENTS} events, {SHARDS} shards, batches of {size}, a projection each {interval_s} s")
        measured = measure(size, rate, interval_s)
        for name in ("units", "derived_units", "search_terms_units", "impressions_units", "pointers_units",
                     "read_units", "rows", "derived_rows", "transactions"):  # fmt: skip
            figures[f"{name}_per_1000_events_{case}"] = measured[name]
        for name in ("writes_a_batch", "reads_a_batch"):
            figures[f"{name}_{case}"] = measured[name]
        peers[f"naive_add_{case}"] = {"units_per_1000_events": measured["naive_units"]}
        ratios[f"ours_to_naive_{case}"] = measured["units"] / measured["naive_units"]
    progress(f"the history of {REGULARS} people who share {EVENTS} events")
    regulars, without = (measure(83, 83, 10, bounds, Regulars()) for bounds in (HISTORY, NO_HISTORY))
    for name in ("units", "rows"):
        figures[f"history_{name}_per_1000_events_of_regulars"] = regulars[name] - without[name]
    peers["regulars_without_history"] = {"units_per_1000_events": without["units"]}
    ratios["regulars_with_history_to_without"] = regulars["units"] / without["units"]
    finish("write_units", figures, peers, ratios, as_json=as_json)


if __name__ == "__main__":
    main()
