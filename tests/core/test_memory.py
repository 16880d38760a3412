"""A row's memory with its pages, against a set that never forgets."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from examples import share
from memory_store import BOUNDS, KEEP_DAYS, TODAY, Store
from tapstack.core.identity import DAY_S, TIMELESS, Identity, Native, Opaque, number_digest
from tapstack.core.memory import (
    DUP,
    MEMORY_FULL,
    NEW,
    TOO_OLD,
    Bounds,
    Seen,
    Verdict,
    decode_page,
    encode_page,
    page_sort_key,
    prefixes_to_read,
)
from tapstack.errors import UndecodableRow

NOW_S = TODAY * DAY_S + 40_000
HOT = BOUNDS.hot_ids + 1
CLIENTS = [bytes([tail]) * 16 for tail in range(BOUNDS.clients + 4)]
# Times of clients: usual ones within a burst and over a month, ahead by hours, days and years, and none.
TIMES = [
    TIMELESS,
    *range(NOW_S - 3, NOW_S + 1),
    *(NOW_S - day * DAY_S for day in range(30)),
    NOW_S + 7_200,
    -(NOW_S + 3 * DAY_S),
    -(NOW_S + 400 * DAY_S),
]


def opaque(digest: int, when: int | None = None, day: int = TODAY) -> Opaque:
    """An id comes with the same time in every copy."""
    when = TIMES[digest * 7 % len(TIMES)] if when is None else when
    return Opaque(digest, when, day if when <= 0 else 0)


def native(client: int, n: int, when: int | None = None) -> Native:
    when = TIMES[n % len(TIMES)] if when is None else when
    return Native(CLIENTS[client], n, when, TODAY if when <= 0 else 0)


def name_of(identity: Identity) -> object:
    return (identity.client, identity.n) if isinstance(identity, Native) else identity.digest


natives = st.builds(native, st.integers(0, len(CLIENTS) - 1), st.integers(0, 60) | st.integers(0, 2**53 - 1))
opaques = (st.integers(-(2**63), 2**63 - 1) | st.integers(0, 400)).map(opaque)


class Memory(RuleBasedStateMachine):
    """Events come in any order, any number of times; only what is judged NEW is remembered."""

    copies = Bundle("copies")

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.counted: set[object] = set()

    def offer(self, identity: Identity) -> None:
        expected = DUP if name_of(identity) in self.counted else NEW
        assert self.store.judge(identity) is expected
        assert self.store.judge(identity) is expected, "judging changes nothing"
        if expected is NEW:
            self.store.remember(identity)
            self.counted.add(name_of(identity))
            assert self.store.judge(identity) is DUP

    @rule(target=copies, identity=natives | opaques)
    def first(self, identity: Identity) -> Identity:
        self.offer(identity)
        return identity

    @rule(identity=copies)
    def again(self, identity: Identity) -> None:
        self.offer(identity)

    @rule(identity=consumes(copies))
    def for_the_last_time(self, identity: Identity) -> None:
        self.offer(identity)

    @rule(
        client=st.integers(0, len(CLIENTS) - 1),
        start=st.integers(0, 40),
        step=st.integers(1, 3),
        count=st.integers(1, 140),
    )
    def run_of(self, client: int, start: int, step: int, count: int) -> None:
        for n in range(start, start + step * count, step):
            self.offer(native(client, n))

    @rule(start=st.integers(0, 400), count=st.integers(1, 120))
    def ids_of(self, start: int, count: int) -> None:
        for digest in range(start, start + count):
            self.offer(opaque(digest))

    @rule()
    def stored_and_read(self) -> None:
        self.store.seen = msgspec.msgpack.decode(msgspec.msgpack.encode(self.store.seen), type=Seen)

    @invariant()
    def bounded(self) -> None:
        seen = self.store.seen
        assert len(seen.clients) <= BOUNDS.clients
        assert len(seen.ids) <= BOUNDS.hot_ids
        assert all(len(client.gaps) <= BOUNDS.gaps for client in seen.clients.values())
        assert len(seen.pages) <= 2 * KEEP_DAYS
        assert (seen.floor_s, seen.floor_day) == (-1, -1), "nothing is forgotten"

    @invariant()
    def well_formed(self) -> None:
        for client in self.store.seen.clients.values():
            edges = [edge for gap in client.gaps for edge in gap]
            assert edges == sorted(edges)
            assert all(
                before[1] + 1 < after[0] for before, after in zip(client.gaps, client.gaps[1:], strict=False)
            )
            assert not edges or edges[-1] < client.top

    @invariant()
    def indexed(self) -> None:
        listed = [
            page_sort_key(group, number)
            for group, note in self.store.seen.pages.items()
            for number in range(note.rows_count)
        ]
        assert sorted(listed) == sorted(self.store.rows)


Memory.TestCase.settings = settings(share(0.8), stateful_step_count=30)
test_an_event_is_counted_once_whatever_the_order_the_clock_and_the_copies = Memory.TestCase


EARLY = [
    pytest.param([opaque(n, TIMELESS) for n in range(100)], id="100 without a time"),
    pytest.param([opaque(n, NOW_S) for n in range(500)], id="500 that share a second"),
    pytest.param([opaque(n, NOW_S - n * 997 % 500) for n in range(500)], id="500 shuffled over 8 minutes"),
    pytest.param([opaque(n, NOW_S - n) for n in range(200)], id="200 newest first"),
    pytest.param(
        [opaque(n, NOW_S - n * 1_777 % (30 * DAY_S)) for n in range(4_096)], id="4,096 over 30 days"
    ),
    pytest.param(
        [*(opaque(n, NOW_S + 7_200) for n in range(65)), *(opaque(100 + n, NOW_S + n) for n in range(10))],
        id="65 two hours ahead, then 10 at the right time",
    ),
    pytest.param([native(0, n * 997 % 500) for n in range(500)], id="500 numbers shuffled"),
    pytest.param([native(0, 2 * n) for n in range(500)], id="a client that loses every other number"),
    pytest.param(
        [Native(n.to_bytes(16, "big"), 0, NOW_S, 0) for n in range(500)], id="500 clients of one account"
    ),
]


@pytest.mark.parametrize("events", EARLY)
def test_every_young_event_is_counted_and_every_copy_recognised(events: Sequence[Identity]) -> None:
    store = Store()
    assert {store.take(event) for event in events} == {NEW}
    assert {store.take(event) for event in events} == {DUP}


def test_events_in_order_read_no_page_and_write_one_for_32_events() -> None:
    store = Store()
    read = 0
    for n in range(640):
        event = opaque(n, NOW_S + n)
        read += bool(prefixes_to_read(store.seen, event, TODAY, BOUNDS))
        store.take(event)
    assert read == 0
    assert len(store.rows) == 18
    assert {len(row) for row in store.rows.values()} == {32}


def test_what_arrived_last_stays_in_the_row_whatever_its_time() -> None:
    store = Store()
    for n in range(2 * BOUNDS.hot_ids):
        store.take(opaque(n, NOW_S - n * DAY_S % (20 * DAY_S)))
    assert set(range(2 * BOUNDS.hot_ids - BOUNDS.hot_ids // 2, 2 * BOUNDS.hot_ids)) <= set(store.seen.ids)


@pytest.mark.parametrize(
    ("gone", "when", "expected"),
    [
        pytest.param(True, NOW_S - 20, TOO_OLD, id="not newer than what its lost page held"),
        pytest.param(True, NOW_S + 300, NEW, id="newer"),
        pytest.param(False, NOW_S - 20, NEW, id="its page is there"),
    ],
)
def test_a_page_that_expired_is_never_taken_for_an_empty_one(
    gone: bool, when: int, expected: Verdict
) -> None:
    store = Store()
    for n in range(BOUNDS.hot_ids + 1):
        store.take(opaque(n, NOW_S + n - 40))
    if gone:
        store.rows.clear()
    assert store.judge(opaque(-1, when)) is expected


def test_days_that_are_too_old_are_closed_and_honest_events_are_not() -> None:
    store = Store()
    for n in range(BOUNDS.hot_ids + 1):
        store.take(opaque(n, NOW_S))
    later = TODAY + KEEP_DAYS + 1
    for n in range(1_000, 1_000 + BOUNDS.hot_ids):
        assert store.take(opaque(n, later * DAY_S + n), later) is NEW
    assert store.judge(opaque(0, NOW_S)) is MEMORY_FULL
    assert store.judge(opaque(-1, NOW_S)) is MEMORY_FULL
    assert store.judge(opaque(-1, (TODAY + 1) * DAY_S - 1)) is MEMORY_FULL
    assert store.judge(opaque(-1, (TODAY + 1) * DAY_S)) is NEW


def test_copies_without_a_time_are_recognised_until_their_day_is_closed() -> None:
    store = Store()
    for n in range(BOUNDS.hot_ids + 1):
        store.take(opaque(n, TIMELESS))
    assert store.judge(opaque(0, TIMELESS, TODAY + 9)) is DUP
    later = TODAY + KEEP_DAYS + 1
    for n in range(1_000, 1_000 + BOUNDS.hot_ids):
        assert store.take(opaque(n, TIMELESS, later), later) is NEW
    assert store.judge(opaque(0, TIMELESS, TODAY)) is MEMORY_FULL  # a record of that day, delivered again


@pytest.mark.parametrize("when", [TIMELESS, -(NOW_S + 400 * DAY_S)], ids=["no time", "far ahead"])
def test_pages_that_may_have_expired_do_not_stand_in_the_way_of_a_young_event(when: int) -> None:
    store = Store()
    for n in range(HOT):
        store.take(opaque(n, when))
    store.rows.clear()  # by their time to live
    later = TODAY + KEEP_DAYS + 1
    assert store.judge(opaque(-1, when, later), later) is NEW
    assert store.judge(opaque(-1, when, TODAY), later) is MEMORY_FULL  # a record of that day, delivered again


def test_a_copy_that_is_not_ahead_any_more_is_recognised() -> None:
    store = Store()
    ahead = NOW_S + 3 * DAY_S
    for n in range(BOUNDS.hot_ids + 1):
        store.take(opaque(n, -ahead))
    assert store.judge(opaque(0, ahead)) is DUP
    assert not prefixes_to_read(
        store.seen, opaque(-1, NOW_S), TODAY, BOUNDS
    )  # and nobody else reads their pages


def test_beyond_the_bound_the_oldest_day_is_closed_and_never_today() -> None:
    store = Store(bounds=Bounds(keep_days=KEEP_DAYS, pages=4))
    for n in range(100):
        assert store.take(opaque(n, NOW_S - DAY_S + n), TODAY) is NEW
    verdicts = [store.take(opaque(n, NOW_S + n), TODAY) for n in range(1_000, 1_300)]
    assert verdicts.count(NEW) >= 4 * 32
    assert verdicts[: verdicts.count(NEW)] == [NEW] * verdicts.count(NEW)
    assert store.judge(opaque(-1, NOW_S - DAY_S)) is MEMORY_FULL
    assert store.judge(opaque(-1, NOW_S + 9_999)) is MEMORY_FULL  # all there is room for is of today
    assert store.judge(opaque(1_000, NOW_S + 1_000)) is DUP


def test_a_client_idle_for_longer_than_pages_are_kept_makes_room_for_another() -> None:
    store = Store()
    for client in range(BOUNDS.clients):
        store.take(native(client, 0, NOW_S))
    later = TODAY + KEEP_DAYS
    store.take(native(BOUNDS.clients, 0, later * DAY_S), later)
    assert CLIENTS[BOUNDS.clients] not in store.seen.clients  # they may all come again that day
    assert store.seen.ids
    store.seen.ids.clear()
    later += 1
    store.take(native(0, 1, NOW_S), later)  # used again
    store.take(native(BOUNDS.clients, 0, later * DAY_S), later)
    assert CLIENTS[0] in store.seen.clients
    assert CLIENTS[1] not in store.seen.clients
    assert not store.seen.ids


@given(st.lists(st.tuples(st.integers(0, BOUNDS.clients), st.integers(0, 150)), max_size=200))
def test_the_numbers_of_gaps_that_no_id_names_are_missing(events: list[tuple[int, int]]) -> None:
    """Whether they had no room for another gap, or came when there was no room for their client."""
    store = Store()
    for client, n in events:
        store.take(native(client, n))
    known = set(store.seen.ids).union(*store.rows.values())
    for client, raw in enumerate(CLIENTS):
        if (seen := store.seen.clients.get(raw)) is not None:
            numbers = [n for first, last in seen.gaps for n in range(first, last + 1)]
            missing = [n for n in numbers if number_digest(native(client, n)) not in known]
            assert missing == [n for n in range(seen.top + 1) if (client, n) not in events]


def test_a_client_may_have_as_many_gaps_as_the_bound_says_before_numbers_are_kept_as_ids() -> None:
    store = Store(bounds=Bounds(keep_days=KEEP_DAYS, gaps=3))
    for n in (1, 3, 5, 7):  # before each of which one is missing
        assert store.take(native(0, n)) is NEW
        assert len(store.seen.ids) == (n == 7)


def full(bounds: Bounds) -> Store:
    """A memory that is full of events of today: of a client with every gap it may have, and of ids."""
    store = Store(bounds=bounds)
    for n in range(2 * bounds.gaps + 1):
        assert store.take(native(0, 2 * n)) is NEW
    n = 0
    while store.take(opaque(n, NOW_S)) is NEW:
        n += 1
    return store


def test_a_number_for_which_the_intervals_have_no_room_is_no_exception_to_the_bound() -> None:
    store = full(Bounds(keep_days=KEEP_DAYS, clients=1, gaps=3, pages=4))
    top = store.seen.clients[CLIENTS[0]].top
    assert store.judge(native(0, top + 100)) is MEMORY_FULL
    assert store.judge(native(1, 0)) is MEMORY_FULL  # nor have the clients
    for n in (1, top + 1, 3):  # closes a gap, follows the last one, closes another
        assert store.take(native(0, n)) is NEW
    assert store.take(native(0, top + 100)) is NEW  # there is room again
    assert len(store.rows) <= 4


def test_a_client_that_gets_a_place_needs_no_page() -> None:
    store = full(Bounds(keep_days=KEEP_DAYS, clients=2, gaps=3, pages=4))
    assert store.take(native(1, 5)) is NEW
    assert store.judge(native(2, 0)) is MEMORY_FULL


@given(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=40))
def test_a_page_reads_as_it_was_written(digests: set[int]) -> None:
    assert decode_page(encode_page(frozenset(digests))) == digests


@pytest.mark.parametrize(
    ("state", "reason"),
    [(b"\x01", "Expected `bytes`"), (b"", "truncated"), (b"\xc4\x07seventh", "it ends within an id")],
)
def test_what_is_no_page_is_refused_with_the_reason(state: bytes, reason: str) -> None:
    with pytest.raises(UndecodableRow, match=f"page.*{reason}"):
        decode_page(state)
