"""Events, and small tables built by hand in the layout of docs/reference/table.md."""

import itertools

import msgspec

from tapstack.dead_letters import DeadLetter, RefusedEvent
from tapstack_local.reconciliation.accepted_events import AcceptedEvents, digest
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.journal import PROJECTIONS
from tapstack_local.reconciliation.tables import Tables

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


def accepted_of(*events):
    accepted = AcceptedEvents(now_s=lambda: AT_S + 86_400)
    for event in events:
        accepted.accept(event)
    return accepted


LANES = {"0000": 0, "0001": 4}  # a lane that is folded into each stripe
ENTRIES = 2  # of each lane


class ByHand:
    """The rows of three views, of a, b and a again, and a purchase of a and b; items in two stripes."""

    def __init__(self):
        self.numbers = [AT_S // length for length in (300, 3_600, 86_400)]
        self.user = [
            [{RAW: [2, [], AT_S // 86_400]}, {digest("e-1"): AT_S}, {}, -1, -1, AT_S // 86_400],
            [AT_S, AT_S, None, {}, 0, []],
            {VIEW: 3, PURCHASE: 1, "EUR": 6_000_000},
            [[AT_S, PURCHASE, "a", 0], [AT_S, PURCHASE, "b", 0], *([AT_S, VIEW, item, 0] for item in "aab")],
            [[], 0, -1],
            4,
        ]
        self.items = {
            ("a", "0000"): self.item({VIEW: 1}, {"b": 1}, {}),
            ("a", "0001"): self.item(
                {VIEW: 1, PURCHASE: 1, "EUR": 5_000_000}, {}, {"b": 1}, price=2_500_000, units=2
            ),
            ("b", "0000"): self.item(
                {VIEW: 1, PURCHASE: 1, "EUR": 1_000_000}, {"a": 1}, {"a": 1}, price=1_000_000, units=1
            ),
        }
        both = {VIEW: {0: 1}, PURCHASE: {0: 1}}
        self.boards = {"0000": [{"a": {VIEW: {0: 1}}, "b": both}, {}], "0001": [{"a": both}, {}]}
        self.shop = [[{VIEW: 3, PURCHASE: 1}, [{}, {}, {}], AT_S], {}]
        self.late = []
        self.heads = dict.fromkeys(LANES.values(), ENTRIES)
        self.entries = [(lane, number) for lane in LANES.values() for number in range(1, ENTRIES + 1)]
        self.marks = {name: dict(self.heads) for name in PROJECTIONS}
        self.since_s = 0
        self.applied = dict.fromkeys(LANES, ENTRIES)

    def item(self, counters, viewed_with, bought_with, price=0, units=0):
        body = [self.windowed(counters), viewed_with, bought_with, None, None]
        if units:
            body[3:] = [[None, None, None, [AT_S, price, "EUR"]], self.windowed({0: units})]
        return body

    def windowed(self, counters):
        return [dict(counters), [{number: dict(counters)} for number in self.numbers], AT_S]

    def tables(self):
        tables = Tables(late=self.late)
        tables.add("U#u", "-", msgspec.msgpack.encode(self.user))
        for (item, stripe), state in self.items.items():
            self._add_derived(tables, f"I#{item}", stripe, state)
        for name, number in zip(("5m", "1h", "1d"), self.numbers, strict=True):
            for stripe, board in self.boards.items():
                self._add_derived(tables, f"T#{name}", stripe, [number, *board])
        self._add_derived(tables, "P#", "0000", self.shop)
        for lane, number in self.entries:
            tables.add(f"J#{lane:04}", f"{number:020}", msgspec.msgpack.encode([AT_S, []]))
        for lane, head in self.heads.items():
            tables.add("L#", f"{lane:04}", msgspec.msgpack.encode([]), head)
        for projection, marks in self.marks.items():
            tables.add("W#", projection, msgspec.msgpack.encode([marks, self.since_s]))
        return tables

    def _add_derived(self, tables, pk, stripe, body):
        applied = {LANES[stripe]: self.applied[stripe]}
        tables.add(pk, stripe, msgspec.msgpack.encode([applied, body]))


EVENTS = [view(0), view(1, "b"), view(2), purchase()]


def outcome(rows, *events):
    result = reconcile(accepted_of(*(events or EVENTS)), rows.tables())
    return result.lost, result.overcounted


def named(result, words):
    [finding] = [each for each in result.findings if words in each.name]
    return finding


def hundred(**changes):
    return purchase() | {"items": [{"item_id": f"i-{n}", "price": 1} for n in range(100)]} | changes


_numbers = itertools.count(1)


def refused(data):
    """The dead letter of an event that the collector refused."""
    return RefusedEvent(
        reason="invalid_event", detail="", request_id="r", index=next(_numbers), format="native",
        path="/v1/events", arrived_at_s=AT_S, data=data,
    )  # fmt: skip


def letter(data, arrived_at_s=AT_S, **changes):
    """The dead letter of a record; the checker does not believe its reason."""
    number = str(changes.pop("number", None) or next(_numbers))
    return DeadLetter(
        reason="too_old", shard_id="shardId-000000000000", sequence_number=number,
        arrived_at_s=arrived_at_s, data=data, **changes,
    )  # fmt: skip
