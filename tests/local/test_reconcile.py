"""The checker: it is silent when all is well, and it notices.

The small tables are built by hand in the layout of docs/reference/table.md; the large ones by the real
consumer, with which the checker shares no code.
"""

import random
from copy import deepcopy
from datetime import UTC, datetime

import msgspec
import pytest

from tapstack.collector.collect import canonical
from tapstack.consumer.consume import Limits, World, consume
from tapstack.consumer.records import StreamRecord
from tapstack.core.events import decode_client_event, encode_event
from tapstack.core.identity import lane_of
from tapstack.errors import InvalidEvent
from tapstack.local.reconcile import reconcile
from tapstack.local.reconcile_ledger import Ledger, digest, effect_of
from tapstack.local.reconcile_pairs import recall, viewed_pairs
from tapstack.local.reconcile_tables import ItemRow, StoredEvent, Tables
from tapstack.local.traffic import Sins, generate
from tapstack.ports import Row

AT_S = 1_800_000_000
AT = "2027-01-15T08:00:00.000Z"
CLIENT = "019b76da-8874-7156-a5d8-255fbdece618"
RAW = bytes.fromhex(CLIENT.replace("-", ""))
VIEW, PURCHASE = 1, 10


def view(n, item="a", user="u"):
    return {
        "event_type": "item_view",
        "user_id": user,
        "client_id": CLIENT,
        "n": n,
        "occurred_at": AT,
        "items": [{"item_id": item}],
    }


def purchase():
    return {
        "event_type": "purchase",
        "user_id": "u",
        "event_id": "e-1",
        "occurred_at": AT,
        "currency": "EUR",
        "items": [{"item_id": "a", "price": 2.5, "quantity": 2}, {"item_id": "b", "price": 1}],
    }


def ledger_of(*events):
    ledger = Ledger()
    for event in events:
        ledger.accept(event)
    return ledger


class ByHand:
    """The rows of three views, of a, b and a again, and a purchase of a and b; each item in two lanes."""

    def __init__(self):
        self.numbers = [AT_S // length for length in (300, 3_600, 86_400)]
        self.user = [
            [{RAW: [0, 2, []]}, -1, {digest("e-1"): AT_S}, -1, []],
            [AT_S, AT_S, None, {}, 0, []],
            {VIEW: 3, PURCHASE: 1, "EUR": 6_000_000},
            [],
            [[], 0, -1],
            4,
        ]
        self.items = {
            ("a", "0000"): self.item({VIEW: 1}, {"b": 1}, {}),
            ("a", "0001"): self.item({VIEW: 1, PURCHASE: 1, "EUR": 5_000_000}, {}, {"b": 1}),
            ("b", "0000"): self.item({VIEW: 1, PURCHASE: 1, "EUR": 1_000_000}, {"a": 1}, {"a": 1}),
        }
        self.boards = {"0000": {"a": 1, "b": 2}, "0001": {"a": 2}}
        self.late = []

    def item(self, counters, viewed_with, bought_with):
        windows = [{number: dict(counters)} for number in self.numbers]
        return [[dict(counters), windows, AT_S], viewed_with, bought_with]

    def tables(self):
        tables = Tables(late=self.late)
        tables.add("U#u", "-", msgspec.msgpack.encode(self.user))
        for (item, lane), state in self.items.items():
            tables.add(f"I#{item}", lane, msgspec.msgpack.encode(state))
        for name, number in zip(("5m", "1h", "1d"), self.numbers, strict=True):
            for lane, board in self.boards.items():
                tables.add(f"T#{name}#{number}", lane, msgspec.msgpack.encode(board))
        return tables


EVENTS = [view(0), view(1, "b"), view(2), purchase()]


def outcome(rows, *events):
    result = reconcile(ledger_of(*(events or EVENTS)), rows.tables())
    return result.lost, result.overcounted


def found(rows, *events):
    result = reconcile(ledger_of(*(events or EVENTS)), rows.tables())
    return {finding.name for finding in result.findings if finding.short or finding.over}


def test_when_all_is_well_nothing_is_found():
    result = reconcile(ledger_of(*EVENTS, view(1, "b")), ByHand().tables())
    assert (result.lost, result.overcounted, result.applied, result.duplicates) == (0, 0, 4, 1)
    assert all(
        finding.compared and not finding.examples
        for finding in result.findings
        if "none of ours" not in finding.name and "aside" not in finding.name
    )


def test_an_event_that_was_accepted_and_is_nowhere_is_lost_and_named():
    result = reconcile(ledger_of(*EVENTS, view(3, "b")), ByHand().tables())
    assert (result.lost, result.overcounted) == (1, 0)
    examples = [example for finding in result.findings for example in finding.examples]
    assert "U#u item_view: 3 instead of 4" in examples
    assert f"U#u client {CLIENT} n 3: accepted, and never seen" in examples


def test_an_event_that_was_never_accepted_is_overcounted():
    assert outcome(ByHand(), *EVENTS[:-1]) == (0, 1)


def test_an_event_counted_twice_is_overcounted():
    rows = ByHand()
    rows.user[2][VIEW] += 1
    for counters in [rows.items["b", "0000"][0][0], *rows.items["b", "0000"][0][1][0].values()]:
        counters[VIEW] += 1
    assert outcome(rows) == (0, 1)
    assert {"users' counters", "items' lifetime counters", "items' counters in windows of 5m"} <= found(rows)


def test_a_number_that_is_missing_in_the_row_is_lost():
    rows = ByHand()
    rows.user[0][0][RAW] = [0, 2, [[1, 1]]]
    assert outcome(rows) == (1, 0)


def test_an_amount_that_is_off_by_a_millionth_is_found():
    rows = ByHand()
    rows.user[2]["EUR"] += 1
    assert outcome(rows) == (0, 1)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("by", [1, -1])
def test_a_window_that_is_off_by_one_is_found(position, by):
    rows = ByHand()
    rows.items["b", "0000"][0][1][position][rows.numbers[position]][VIEW] += by
    assert outcome(rows) == ((0, 1) if by > 0 else (1, 0))


def test_an_event_counted_in_the_wrong_window_is_found():
    rows = ByHand()
    windows = rows.items["b", "0000"][0][1][0]
    windows[rows.numbers[0] + 1] = windows.pop(rows.numbers[0])
    assert outcome(rows) > (0, 0)
    assert "items' counters in windows of 5m" in found(rows)


def test_a_window_that_is_no_longer_kept_is_not_compared():
    rows = ByHand()
    for state in rows.items.values():
        state[0][2] = AT_S + 3_600 * 2  # later arrivals: the windows of five minutes are forgotten
        del state[0][1][0][rows.numbers[0]]
    assert outcome(rows) == (0, 0)


def test_a_missing_lane_is_found():
    rows = ByHand()
    del rows.items["a", "0001"]
    assert outcome(rows)[0] > 0
    assert {"items' lifetime counters", "pairs of items", "leaderboards"} <= found(rows)


def test_a_missing_pair_is_found():
    rows = ByHand()
    rows.items["a", "0000"][1] = {}
    assert outcome(rows) == (1, 0)
    assert found(rows) == {"pairs of items"}


@pytest.mark.parametrize("board", [{"a": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2, "c": 1}])
def test_a_wrong_leaderboard_is_found(board):
    rows = ByHand()
    rows.boards["0000"] = board
    assert found(rows) == {"leaderboards"}
    assert outcome(rows) != (0, 0)


def test_a_row_that_nobody_should_have_written_is_found():
    tables = ByHand().tables()
    tables.add("X#1", "-", msgspec.msgpack.encode({}))
    assert reconcile(ledger_of(*EVENTS), tables).overcounted == 1


def stored(event, *, days=40, skew_ms=0):
    """The object of an event that was so many days on its way from the collector to the consumer."""
    data = msgspec.json.encode({**event, "received_at": AT, "clock_skew_ms": skew_ms})
    return StoredEvent("late/shardId-000000000000/1-0.json", "why", data, AT_S + days * 86_400)


def test_an_event_in_the_late_store_is_not_lost():
    rows = ByHand()
    rows.late = [stored(view(3, "b"))]
    assert outcome(rows, *EVENTS, view(3, "b")) == (0, 0)
    assert outcome(rows, *EVENTS, view(3, "b"), view(4)) == (1, 0)


def test_an_event_in_the_late_store_may_have_been_counted_before():
    rows = ByHand()
    rows.late = [stored(view(2))]
    assert outcome(rows) == (0, 0)


def test_an_event_that_was_never_answered_for_may_count_or_not():
    for events in ([*EVENTS[:-1]], [*EVENTS]):
        ledger = ledger_of(*events)
        ledger.doubt(purchase())
        ledger.doubt(view(3, "b"))
        result = reconcile(ledger, ByHand().tables())
        assert (result.lost, result.overcounted) == (0, 0)


def hundred(**changes):
    return purchase() | {"items": [{"item_id": f"i-{n}", "price": 1} for n in range(100)]} | changes


def test_a_long_event_is_one_event():
    effect = effect_of(hundred())
    assert len(effect.items) == 100
    assert effect.delta == {PURCHASE: 1, "EUR": 100_000_000}
    assert set(ledger_of(hundred()).ids["U#u"]) == {digest("e-1")}


def test_a_part_that_a_row_still_expects_is_missing_and_named():
    rows = ByHand()
    rows.user[0][4] = [17]
    result = reconcile(ledger_of(*EVENTS), rows.tables())
    assert (result.lost, result.overcounted) == (1, 0)
    assert "U#u part with digest 17: accepted, and never seen" in result.findings[1].examples


def test_a_long_event_in_the_late_store_is_there_whole():
    rows = ByHand()
    event = hundred(event_id="e-2")
    rows.late = [stored(event)]
    assert outcome(rows, *EVENTS, event) == (0, 0)


@pytest.mark.parametrize("kind", ["late", "quarantined"])
def test_a_pipeline_that_sets_everything_aside_loses_everything(kind):
    events = [view(0), view(1, "b"), purchase()]
    tables = Tables(**{kind: [stored(event, days=0) for event in events]})
    result = reconcile(ledger_of(*events), tables)
    assert (result.applied, result.lost) == (0, 3)


def test_an_accepted_event_in_quarantine_is_lost_however_old():
    tables = Tables(quarantined=[stored(view(0))])
    assert reconcile(ledger_of(view(0)), tables).lost == 1


def test_poison_that_the_collector_never_saw_is_nobodys_loss():
    tables = ByHand().tables()
    tables.quarantined = [StoredEvent("quarantine/1", "no JSON", b"?", AT_S), stored(view(9))]
    result = reconcile(ledger_of(*EVENTS), tables)
    assert (result.quarantined, result.lost, result.overcounted) == (2, 0, 0)


BIRTH_MS = int(CLIENT.replace("-", "")[:12], 16)
REASONS = {
    "too old": (stored(view(3, "b"), days=31), {}),
    "of a time before the floor": (
        stored(purchase() | {"event_id": "e-9"}, days=0),
        {"ids_floor_ms": AT_S * 1_000},
    ),
    "of a client born before the floor": (
        stored(view(3, "b"), days=0),
        {"clients": {}, "clients_floor_ms": BIRTH_MS},
    ),
    "below what is known of its client": (stored(view(3, "b"), days=0), {"clients": {RAW: [4, 5, []]}}),
    "too long": (stored(hundred(event_id="e-2"), days=0), {}),
}


@pytest.mark.parametrize(("event", "memory"), REASONS.values(), ids=REASONS)
@pytest.mark.parametrize("has_reason", [True, False], ids=["seen", "not seen"])
def test_a_late_event_is_excused_only_by_a_reason_that_the_checker_sees(event, memory, has_reason):
    tables = ByHand().tables()
    tables.late = [event]
    if has_reason:
        for name, value in memory.items():
            setattr(tables.users["U#u"], name, value)
    elif not memory:
        event = tables.late[0] = stored(view(3, "b"), days=29)
    payload = msgspec.json.decode(event.data)
    ledger = ledger_of(*EVENTS, payload)
    finding = next(each for each in reconcile(ledger, tables).findings if "aside" in each.name)
    assert (finding.compared, finding.short) == (1, 0 if has_reason else 1)


def test_what_is_aside_without_a_reason_adds_to_what_is_nowhere():
    tables = ByHand().tables()
    tables.quarantined = [stored(view(4)), stored(view(4))]
    tables.late = [stored(view(5), days=0)]
    result = reconcile(ledger_of(*EVENTS, view(3, "b"), view(4), view(5)), tables)
    assert (result.lost, result.overcounted) == (3, 0)
    [finding] = [each for each in result.findings if "aside" in each.name]
    assert (finding.compared, finding.short) == (3, 2)


@pytest.mark.parametrize("kind", ["late", "quarantined"])
def test_a_copy_aside_of_an_event_that_is_counted_is_no_loss(kind):
    tables = ByHand().tables()
    setattr(tables, kind, [stored(view(2), days=0), stored(purchase(), days=0)])
    result = reconcile(ledger_of(*EVENTS), tables)
    assert (result.lost, result.overcounted) == (0, 0)


def test_whether_a_quarantined_event_that_its_row_forgot_is_lost_the_counters_say():
    tables = ByHand().tables()
    tables.users["U#u"].clients = {RAW: [3, 2, []]}
    tables.quarantined = [stored(view(2), days=0)]
    assert reconcile(ledger_of(*EVENTS), tables).lost == 0
    tables.users["U#u"].counters[VIEW] -= 1
    assert reconcile(ledger_of(*EVENTS), tables).lost == 1


def test_a_clock_ahead_is_no_excuse():
    tables = ByHand().tables()
    tables.late = [stored(view(3, "b"), days=0, skew_ms=-1)]
    assert reconcile(ledger_of(*EVENTS, view(3, "b")), tables).lost == 1


class Memory:
    """The consumer's table and stores in memory, without faults."""

    def __init__(self):
        self.rows, self.objects = {}, {}

    def read(self, keys):
        return {key: self.rows[key] for key in keys if key in self.rows}, []

    def commit(self, writes):
        for write in writes:
            self.rows[write.key] = Row(
                key=write.key, version=write.seen_version + 1, state=write.state, expires_at_s=0
            )

    def put(self, key, body):
        self.objects[key] = body


class Still:
    def now_ms(self):
        return AT_S * 1000

    def sleep_ms(self, duration_ms):
        raise AssertionError("nothing to wait for")


LANES = 4
SINS = Sins(resent=0.05, overtaken=0.05, late=0.02, ancient=0.01)


def is_valid(payload):
    try:
        decode_client_event(msgspec.json.encode(payload))
    except InvalidEvent:
        return False
    return True


def run_consumer(payloads):
    """Send everything through the real consumer, a lane a shard; tell the ledger and the tables."""
    memory, late, ledger = Memory(), Memory(), Ledger()
    world = World(table=memory, quarantine=Memory(), late=late, clock=Still(), jitter=random.random)
    shards = [[] for _ in range(LANES)]
    for payload in payloads:
        try:
            event = decode_client_event(msgspec.json.encode(payload))
        except InvalidEvent:
            continue
        ledger.accept(payload)
        record = StreamRecord(
            shard_id="shardId-0",
            sequence_number=str(ledger.accepted_count),
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
    for key, body in late.objects.items():
        kept = msgspec.json.decode(body, type=dict)
        data = msgspec.convert(kept["data"], bytes)
        tables.late.append(StoredEvent(key, "late", data, kept["arrived_at_s"]))
    return ledger, tables


@pytest.fixture(scope="module")
def consumed():
    requests = generate(11, 8_000, base_ms=AT_S * 1000, sins=SINS)
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
    ledger, tables = consumed
    chance = random.Random(seed)
    changed = Tables(dict(tables.users), dict(tables.items), dict(tables.boards), tables.late)
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
    result = reconcile(ledger, changed, age_max_s=7 * 86_400)
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
    requests = generate(11, 8_000, base_ms=AT_S * 1000, sins=SINS)
    payloads = [payload for request in requests for payload in request.events if isinstance(payload, dict)]
    accepted = [payload for payload in payloads if is_valid(payload)]
    assert recall(viewed_pairs(accepted), consumed[1]) > 0.95
