"""The checker on tables of the real consumer, with which it shares no code."""

import random
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from every_pair import recall, viewed_pairs
from reconcile_world import AT_S, hundred, view

from tapstack.collector.intake import (
    canonical,
)
from tapstack.consumer.consume import Dependencies, Limits, consume
from tapstack.consumer.records import StreamRecord
from tapstack.core.events import decode_client_event, encode_event
from tapstack.core.identity import lane_of
from tapstack.dead_letters import LATE, read_all
from tapstack.errors import InvalidEvent
from tapstack.ports import Row
from tapstack_emulator import MemoryBucket
from tapstack_local.reconciliation.accepted_events import AcceptedEvents
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.tables import ItemRow, Tables
from tapstack_local.traffic import Defects, generate


class Memory:
    """The consumer's table in memory, without faults."""

    def __init__(self):
        self.rows = {}

    def read(self, keys, *, consistent=False):
        return {key: self.rows[key] for key in keys if key in self.rows}, []

    def commit(self, writes):
        for write in writes:
            self.rows[write.key] = Row(
                key=write.key, version=write.seen_version + 1, state=write.state, expires_at_s=0
            )


class Still:
    def now_ms(self):
        return AT_S * 1000

    def sleep_ms(self, duration_ms):
        raise AssertionError("nothing to wait for")


LANES = 4
DEFECTS = Defects(resent=0.05, overtaken=0.05, late=0.02, ancient=0.01)


def is_valid(payload):
    try:
        decode_client_event(msgspec.json.encode(payload))
    except InvalidEvent:
        return False
    return True


def run_consumer(payloads):
    """Send everything through the real consumer, a lane a shard; tell the accepted and the tables."""
    memory, late, accepted = Memory(), MemoryBucket(), AcceptedEvents()
    world = Dependencies(
        table=memory, quarantine=MemoryBucket(), late=late, clock=Still(), jitter=random.random
    )
    shards = [[] for _ in range(LANES)]
    for payload in payloads:
        try:
            event = decode_client_event(msgspec.json.encode(payload))
        except InvalidEvent:
            continue
        accepted.accept(payload)
        record = StreamRecord(
            shard_id="shardId-0",
            sequence_number=str(accepted.accepted_count),
            data=encode_event(canonical(event, datetime.fromtimestamp(AT_S, tz=UTC))),
            arrived_at_s=AT_S,
        )
        shards[lane_of(event.user_id or event.anonymous_id, LANES)].append(record)
    for shard in shards:
        for start in range(0, len(shard), 500):
            limits = Limits(lanes=LANES, row_ttl_s=8 * 86_400, age_max_s=7 * 86_400)
            report = consume(shard[start : start + 500], world, limits, lambda: 60_000)
            assert report.resume_from is None
    tables = Tables()
    for key, row in memory.rows.items():
        tables.add(key.pk, key.sk, row.state)
    tables.late = list(read_all(late, LATE))
    return accepted, tables


@pytest.fixture(scope="module")
def consumed():
    requests = generate(11, 8_000, base_ms=AT_S * 1000, defects=DEFECTS)
    payloads = [payload for request in requests for payload in request.events if isinstance(payload, dict)]
    items = [{"item_id": f"sku-{number:04}"} for number in range(100)]
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
        item = chance.choice(sorted(name for name, lanes in tables.items.items()))
        changed.items[item] = lanes = deepcopy(changed.items[item])
        counters = chance.choice([row for row in lanes.values() if row.lifetime]).lifetime
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
