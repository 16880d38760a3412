"""The checker on tables of the real consumer, with which it shares no code."""

import base64
import random
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from zlib import crc32

import msgspec
import pytest
from every_pair import recall, viewed_pairs
from reconcile_world import AT_S, hundred, view

from tapstack.aws.dynamodb import DynamoTable
from tapstack.collector.records import Records
from tapstack.consumer.consume import Dependencies, Limits, consume
from tapstack.consumer.journal_lag import JournalLag
from tapstack.consumer.records import StreamRecord
from tapstack.core.client_events import decode_client_event
from tapstack.dead_letters import LATE, read_all
from tapstack.errors import InvalidEvent
from tapstack.projections import project
from tapstack.projections.catalogue import PROJECTIONS
from tapstack_emulator import MemoryBucket, MemoryDynamoDB
from tapstack_local.reconciliation.accepted_events import AcceptedEvents
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.tables import ItemRow, Tables
from tapstack_local.traffic import Defects, generate


class Still:
    def now_ms(self):
        return AT_S * 1000

    def sleep_ms(self, duration_ms):
        raise AssertionError("nothing to wait for")


TABLE = "behaviour"
SHARDS = 6  # as many lanes, in two stripes
DEFECTS = Defects(resent=0.05, overtaken=0.05, late=0.02, ancient=0.01)


def is_valid(payload):
    try:
        decode_client_event(msgspec.json.encode(payload))
    except InvalidEvent:
        return False
    return True


def run_consumer(payloads):
    """Send everything through the real consumer and projector; return the accepted and the tables."""
    dynamodb, late, accepted = MemoryDynamoDB(Still()), MemoryBucket(), AcceptedEvents(lambda: AT_S)
    dynamodb.create_table(TABLE, ttl_attribute="ttl")
    dependencies = Dependencies(
        table=DynamoTable(dynamodb, TABLE),
        lag=JournalLag(),
        quarantine=MemoryBucket(),
        late=late,
        clock=Still(),
        jitter=random.random,
    )
    shards = [[] for _ in range(SHARDS)]
    for payload in payloads:
        try:
            event = decode_client_event(msgspec.json.encode(payload))
        except InvalidEvent:
            continue
        accepted.accept(payload)
        shard = crc32((event.user_id or event.anonymous_id).encode()) % SHARDS
        record = StreamRecord(
            shard_id=f"shardId-{shard:012}",
            sequence_number=str(accepted.accepted_count),
            data=Records(datetime.fromtimestamp(AT_S, tz=UTC)).record(event),
            arrived_at_s=AT_S,
        )
        shards[shard].append(record)
    limits = Limits(lanes=SHARDS, row_ttl_s=8 * 86_400, age_max_s=7 * 86_400)
    for start in range(0, max(map(len, shards)), 500):
        for batch in filter(None, (shard[start : start + 500] for shard in shards)):
            assert consume(batch, dependencies, limits, lambda: 60_000).resume_from is None
        run_projector(dependencies)
    tables = Tables()
    for item in dynamodb.items(TABLE):
        state = base64.b64decode(item["s"]["B"])
        tables.add(item["pk"]["S"], item["sk"]["S"], state, int(item["v"]["N"]))
    tables.late = list(read_all(late, LATE))
    return accepted, tables


def run_projector(dependencies):
    projector = project.Dependencies(table=dependencies.table, clock=Still(), jitter=random.random)
    limits = project.Limits(row_ttl_s=40 * 86_400, entries_max=3)
    assert project.project(PROJECTIONS, projector, limits, lambda: 60_000).entries_left == 0


@pytest.fixture(scope="module")
def consumed():
    requests = generate(11, 8_000, base_ms=AT_S * 1000, defects=DEFECTS)
    payloads = [payload for request in requests for payload in request.events if isinstance(payload, dict)]
    items = [{"item_id": f"sku-{number:04}"} for number in range(500)]
    return run_consumer([*payloads, *(hundred(event_id=f"l-{n}", items=items) for n in range(5))])


def test_the_checker_and_the_consumer_agree_on_generated_traffic(consumed):
    result = reconcile(*consumed, age_max_s=7 * 86_400)
    assert [finding for finding in result.findings if finding.short or finding.over] == []
    assert result.applied + result.late == consumed[0].distinct_count > 7_000
    assert result.duplicates > 100
    assert result.late > 10


@pytest.mark.parametrize("seed", range(10))
def test_any_change_of_a_counter_is_found(consumed, seed):
    accepted, tables = consumed
    chance = random.Random(seed)
    changed = replace(tables, users=dict(tables.users), items=dict(tables.items))
    if seed % 2:
        user = chance.choice(sorted(changed.users))
        changed.users[user] = row = deepcopy(changed.users[user])
        counters = row.counters
    else:
        item = chance.choice(sorted(name for name in tables.items))
        changed.items[item] = stripes = deepcopy(changed.items[item])
        counters = chance.choice([row for row in stripes.values() if row.lifetime]).lifetime
    key = chance.choice(sorted(counters, key=str))
    counters[key] += chance.choice([-1, 1])
    result = reconcile(accepted, changed, age_max_s=7 * 86_400)
    assert result.lost + result.overcounted == 1


def test_the_recall_of_exact_maps_is_1_and_of_empty_ones_0():
    views = [view(0, "a"), view(1, "b"), view(2, "c"), view(3, "d"), view(1, "b")]
    pairs = viewed_pairs(views)
    assert pairs["a"] == {"b": 1, "c": 1}
    assert pairs["d"] == {"b": 1, "c": 1}
    tables = Tables()
    for item, partners in pairs.items():
        tables.items[item] = {"0000": ItemRow({}, [{}, {}, {}], AT_S, dict(partners), {})}
    assert recall(pairs, tables) == 1.0
    tables.items["a"]["0000"].viewed_with = {"x": 9}
    assert recall(pairs, tables) == 0.75
    assert recall(pairs, Tables()) == 0.0


def test_the_consumers_maps_name_nearly_all_frequent_partners(consumed):
    requests = generate(11, 8_000, base_ms=AT_S * 1000, defects=DEFECTS)
    payloads = [payload for request in requests for payload in request.events if isinstance(payload, dict)]
    accepted = [payload for payload in payloads if is_valid(payload)]
    assert recall(viewed_pairs(accepted), consumed[1]) > 0.95
