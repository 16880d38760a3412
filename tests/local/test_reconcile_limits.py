"""The limits of docs/reference/table.md: the checker judges by them, below, at and above each."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconcile_world import (
    AT_S,
    CLIENT,
    EVENTS,
    PURCHASE,
    RAW,
    VIEW,
    ByHand,
    accepted_of,
    named,
    purchase,
    view,
)

from tapstack.core import aggregates
from tapstack_local.reconciliation.accepted_events import digest
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.counters import CURRENCIES_MAX, named_count
from tapstack_local.reconciliation.tables import Tables

EURO = 1_000_000


def bought(currency, n, value=1.0, item="a", user="u"):
    """A purchase of one item, with the value of the whole."""
    made = {**purchase(), "event_id": f"{user}-{n}", "user_id": user, "currency": currency, "value": value}
    return made | {"items": [{"item_id": item, "price": value}]}


def counted(events, stripes=1):
    """The rows as the documented rule fills them: a map of 32 keys takes in no further currency."""
    tables, users, items, prices, sold = Tables(), {}, {}, {}, {}
    for event in events:
        amount = aggregates.millionths(event["value"])
        user = users.setdefault(event["user_id"], {"digests": {}, "counters": {}, "touched": []})
        user["touched"].append([AT_S, PURCHASE, event["items"][0]["item_id"], 0])
        user["digests"][event["event_id"]] = AT_S * 1_000
        take(user["counters"], event["currency"], amount)
        stripe = f"{int(event['user_id'][1:] or 0) % stripes:04}"
        where = event["items"][0]["item_id"], stripe
        take(items.setdefault(where, {}), event["currency"], amount)
        price, units = prices.get(where, [AT_S, amount, event["currency"]]), sold.get(where, 0) + 1
        prices[where], sold[where] = max(price, [AT_S, amount, event["currency"]]), units
    for name, user in users.items():
        ids = {digest(event_id): at_ms for event_id, at_ms in user["digests"].items()}
        newest = dict(list(ids.items())[-64:])
        paged = [known.to_bytes(8, "big", signed=True) for known in ids if known not in newest]
        tables.add(f"U#{name}", "seen#d20833#0000", msgspec.msgpack.encode(b"".join(paged)))
        recent, older = user["touched"][:20], user["touched"][20:]
        history = [b"", 0, 1, [[1, AT_S, 0, len(older)]], -1] if older else None
        if older:
            tables.add(f"U#{name}", "hist#0000", msgspec.msgpack.encode(older))
        state = [[{}, newest, {}, -1, -1, -1], [], user["counters"], recent, [], 0, history]
        tables.add(f"U#{name}", "-", msgspec.msgpack.encode(state))
    shop = [[{PURCHASE: len(events)}, [{}, {}, {}], AT_S], {}]
    tables.add("P#", "0000", msgspec.msgpack.encode([{}, shop]))
    for (item, stripe), counters in items.items():
        windows = [{AT_S // length: counters} for length in (300, 3_600, 86_400)]
        facts, amounts = (
            [None, None, None, prices[item, stripe]],
            [{0: sold[item, stripe]}, [{}, {}, {}], AT_S],
        )
        body = [[counters, windows, AT_S], {}, {}, facts, amounts]
        tables.add(f"I#{item}", stripe, msgspec.msgpack.encode([{}, body]))
    for name, length in (("5m", 300), ("1h", 3_600), ("1d", 86_400)):
        for stripe in {stripe for _, stripe in items}:
            board = {
                item: {PURCHASE: {0: counters[PURCHASE]}}
                for (item, its), counters in items.items()
                if its == stripe
            }
            tables.boards[name, stripe] = [AT_S // length, board, {}]
    return tables


def take(counters, currency, amount):
    counters[PURCHASE] = counters.get(PURCHASE, 0) + 1
    place = currency if currency in counters or named_count(counters) < CURRENCIES_MAX else "XXX"
    counters[place] = counters.get(place, 0) + amount


def wrong(events, tables):
    result = reconcile(accepted_of(*events), tables)
    return result.lost, result.overcounted


CURRENCIES = [a + b + "X" for a in "ABCDEFGH" for b in "ABCDE"]


@pytest.mark.parametrize("count", [7, 8, 9, 40])
def test_what_a_full_map_takes_as_xxx_is_exact(count):
    events = [bought(currency, n) for n, currency in enumerate(CURRENCIES[:count])]
    tables = counted(events)
    assert ("XXX" in tables.users["U#u"].counters) == (count > CURRENCIES_MAX)
    assert wrong(events, tables) == (0, 0)


@pytest.mark.parametrize("by", [1, -1])
@pytest.mark.parametrize("key", ["XXX", "AAX"])
def test_a_millionth_more_or_less_in_a_full_map_is_found(key, by):
    events = [bought(currency, n) for n, currency in enumerate(CURRENCIES)]
    tables = counted(events)
    tables.users["U#u"].counters[key] += by
    assert wrong(events, tables) == ((1, 0) if by < 0 else (0, 1))


def test_a_map_that_takes_in_more_currencies_than_it_may_is_found():
    events = [bought(currency, n) for n, currency in enumerate(CURRENCIES[:9])]
    tables = counted(events)
    counters = tables.users["U#u"].counters
    counters[CURRENCIES[8]] = counters.pop("XXX")
    assert named(reconcile(accepted_of(*events), tables), "limits").over == 1
    assert wrong(events, tables) == (0, 1)


def test_a_map_with_room_must_call_a_currency_by_its_name():
    events = [bought(currency, n) for n, currency in enumerate(CURRENCIES[:6])]
    tables = counted(events)
    counters = tables.users["U#u"].counters
    counters["XXX"] = counters.pop(CURRENCIES[5])
    assert wrong(events, tables) != (0, 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(CURRENCIES), st.integers(-3, 9), st.sampled_from("ab"), st.integers(0, 3)),
        max_size=90,
    ),
    st.sampled_from([1, 2]),
    st.randoms(use_true_random=False),
)
def test_no_order_of_events_is_wrong_to_the_checker(purchases, stripes, chance):
    events = [
        bought(c, n, float(value), item, f"u{user}") for n, (c, value, item, user) in enumerate(purchases)
    ]
    processed = list(events)
    chance.shuffle(processed)
    assert wrong(events, counted(processed, stripes)) == (0, 0) if events else True


@pytest.mark.parametrize(
    "values", [[1e12] * 12, [-1e12] * 12, [1e12, -1e12, 0.01], [999_999_999_999.99] * 11]
)
def test_sums_beyond_64_bits_are_compared_exactly(values):
    events = [bought("IRR", n, value) for n, value in enumerate(values)]
    stored = {}
    for event in events:
        stored[PURCHASE] = stored.get(PURCHASE, 0) + 1
        aggregates.count_bought([stored], {"IRR": aggregates.millionths(event["value"])})
    tables = counted([])
    state = [[{}, {}, {}, -1, -1, -1], [], stored, [], [], 0]
    tables.add("U#u", "-", msgspec.msgpack.encode(state))
    accepted = accepted_of(*events)
    assert named(reconcile(accepted, tables), "users' counters").examples == []
    tables.users["U#u"].counters["IRR"] -= 1
    assert named(reconcile(accepted, tables), "users' counters").short == 1


def many(count):
    return [[AT_S, VIEW, f"i-{n}", 0] for n in range(count)]


def session(viewed=0, currencies=0):
    counters = {PURCHASE: 1} | dict.fromkeys(CURRENCIES[:currencies], 1)
    return [None, AT_S, AT_S, counters, [f"i-{n}" for n in range(viewed)], []]


def partners(count):
    return {f"i-{n}": 1 for n in range(count)}


def clients(count):
    return {bytes([n]) * 16: [1, [], 0] for n in range(count)}


def gaps(count):
    return [[3 * n, 3 * n] for n in range(count)]


LIMITS = {
    "recent": (20, lambda rows, n: rows.user.__setitem__(3, many(n))),
    "traits": (16, lambda rows, n: rows.user[1].__setitem__(3, {f"t{i}": i for i in range(n)})),
    "trait names": (64, lambda rows, n: rows.user[1].__setitem__(3, {"t" * n: 1})),
    "trait values": (64, lambda rows, n: rows.user[1].__setitem__(3, {"t": "x" * n})),
    "aliases": (4, lambda rows, n: rows.user[1].__setitem__(5, [f"a{i}" for i in range(n)])),
    "sessions": (3, lambda rows, n: rows.user[4].__setitem__(0, [session()] * n)),
    "items of a session": (8, lambda rows, n: rows.user[4].__setitem__(0, [session(n)])),
    "currencies of a session": (8, lambda rows, n: rows.user[4].__setitem__(0, [session(0, n)])),
    "partners viewed": (32, lambda rows, n: rows.items["a", "0000"].__setitem__(1, partners(n))),
    "partners bought": (16, lambda rows, n: rows.items["a", "0000"].__setitem__(2, partners(n))),
    "partner names": (64, lambda rows, n: rows.items["a", "0000"].__setitem__(1, {"p" * n: 1})),
    "clients": (16, lambda rows, n: rows.user[0].__setitem__(0, clients(n))),
    "gaps": (64, lambda rows, n: rows.user[0].__setitem__(0, {RAW: [999, gaps(n), 0, 0]})),
    "ids": (64, lambda rows, n: rows.user[0].__setitem__(1, dict.fromkeys(range(n), 1))),
}  # fmt: skip


@pytest.mark.parametrize(("most", "fill"), LIMITS.values(), ids=LIMITS)
def test_a_row_may_grow_to_its_limit_and_no_further(most, fill):
    for count in (most - 1, most, most + 1):
        rows = ByHand()
        fill(rows, count)
        finding = named(reconcile(accepted_of(*EVENTS), rows.tables()), "limits")
        assert (finding.over, len(finding.examples)) == ((1, 1) if count > most else (0, 0))


def test_numbers_however_large_take_neither_time_nor_memory():
    first = 1_700_000_000_000
    events = [view(first), view(first + 1), view(first + 3)]
    accepted = accepted_of(*events)
    rows = ByHand()
    rows.user = [[{RAW: [first + 3, [[0, first - 1], [first + 2, first + 2]], 0, 0]}, {}, {}, -1, -1, 0],
                 [], {VIEW: 3}, [], [], 0]  # fmt: skip
    result = reconcile(accepted, rows.tables())
    assert named(result, "events known").short == named(result, "events known").over == 0
    assert result.gaps == first + 1
    rows.user[0][0][RAW] = [first + 3, [], 0]
    finding = named(reconcile(accepted, rows.tables()), "events known")
    assert finding.over == first + 1
    assert finding.examples[0] == f"U#u client {CLIENT} n 0: seen, and never accepted"
    assert len(finding.examples) == 5
