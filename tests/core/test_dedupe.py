"""A row's memory, against a model that never forgets."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tapstack.core.dedupe import (
    CLIENTS_MAX,
    GAPS_MAX,
    IDS_MAX,
    PARTS_MAX,
    Seen,
    Verdict,
    expect_parts,
    has_room_for_parts,
    judge,
    remember,
)
from tapstack.core.identity import TIMELESS_MS, Identity, Native, Opaque, Part

# More clients than a row remembers, some of the same birth, one with a clock far ahead.
CLIENTS = [
    (1_750_000_000_000 + birth).to_bytes(6, "big") + bytes([0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, tail])
    for birth in [*range(CLIENTS_MAX + 4), 10**12]
    for tail in (1, 2)
]
SEEN_BYTES_MAX = CLIENTS_MAX * (25 + GAPS_MAX * 19) + IDS_MAX * 18 + 64

natives = st.builds(Native, st.sampled_from(CLIENTS), st.integers(0, 60) | st.integers(0, 2**53 - 1))
# An id comes with the same time in every copy: that is what the floor relies on.
TIMES = [TIMELESS_MS, 1, 2**50, *range(1_700_000_000_000, 1_700_000_000_060)]


def known_by_id(digest: int) -> Opaque:
    return Opaque(digest, TIMES[digest * 7 % len(TIMES)])


opaques = (st.integers(-(2**63), 2**63 - 1) | st.integers(0, 150)).map(known_by_id)


class Memory(RuleBasedStateMachine):
    """Events come in any order, any number of times; only what is judged NEW is remembered."""

    copies = Bundle("copies")

    def __init__(self) -> None:
        super().__init__()
        self.seen = Seen()
        self.counted: set[object] = set()

    def offer(self, identity: Identity) -> None:
        name = identity.digest if isinstance(identity, Opaque) else identity
        verdict = judge(self.seen, identity)
        assert judge(self.seen, identity) is verdict, "judging changes nothing"
        if name in self.counted:
            assert verdict is not Verdict.NEW, "counted twice"
        if verdict is Verdict.DUP:
            assert name in self.counted, "called a duplicate and never counted"
        if verdict is Verdict.NEW:
            remember(self.seen, identity)
            self.counted.add(name)
            assert judge(self.seen, identity) is not Verdict.NEW

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
        client=st.sampled_from(CLIENTS),
        start=st.integers(0, 40),
        step=st.integers(1, 3),
        count=st.integers(1, 40),
    )
    def run_of(self, client: bytes, start: int, step: int, count: int) -> None:
        for n in range(start, start + step * count, step):
            self.offer(Native(client, n))

    @rule(start=st.integers(0, 100), count=st.integers(1, 80))
    def ids_of(self, start: int, count: int) -> None:
        for digest in range(start, start + count):
            self.offer(known_by_id(digest))

    @rule()
    def stored_and_read(self) -> None:
        self.seen = msgspec.msgpack.decode(msgspec.msgpack.encode(self.seen), type=Seen)

    @invariant()
    def bounded(self) -> None:
        assert len(self.seen.clients) <= CLIENTS_MAX
        assert len(self.seen.ids) <= IDS_MAX
        assert all(len(client.gaps) <= GAPS_MAX for client in self.seen.clients.values())
        assert len(msgspec.msgpack.encode(self.seen)) <= SEEN_BYTES_MAX

    @invariant()
    def well_formed(self) -> None:
        for client in self.seen.clients.values():
            edges = [edge for gap in client.gaps for edge in gap]
            assert edges == sorted(edges)
            assert all(
                before[1] + 1 < after[0] for before, after in zip(client.gaps, client.gaps[1:], strict=False)
            )
            assert not edges or client.low <= edges[0] <= edges[-1] < client.top


Memory.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_nothing_is_counted_twice_or_lost_as_a_duplicate = Memory.TestCase


def missing_count(seen: Seen) -> int:
    """Count the numbers that clients used and the row never saw."""
    return sum(b - a + 1 for client in seen.clients.values() for a, b in client.gaps)


@given(st.lists(st.integers(0, 40), max_size=60))
def test_every_number_a_client_used_is_seen_missing_or_beyond(numbers: list[int]) -> None:
    seen = Seen()
    for n in numbers:
        if judge(seen, Native(CLIENTS[0], n)) is Verdict.NEW:
            remember(seen, Native(CLIENTS[0], n))
    if numbers and (known := seen.clients[CLIENTS[0]]).low == 0:
        assert missing_count(seen) == known.top + 1 - len(set(numbers))


@given(st.permutations(range(24)))
def test_whatever_the_order_all_numbers_in_the_end_leave_no_gap(numbers: list[int]) -> None:
    seen = Seen()
    verdicts = []
    for n in numbers:
        verdicts.append(judge(seen, Native(CLIENTS[0], n)))
        if verdicts[-1] is Verdict.NEW:
            remember(seen, Native(CLIENTS[0], n))
    assert verdicts.count(Verdict.NEW) + verdicts.count(Verdict.LATE) == len(numbers)
    assert missing_count(seen) == 0 or Verdict.LATE in verdicts


def test_a_client_that_leaves_more_gaps_than_fit_has_its_oldest_numbers_late() -> None:
    seen = Seen()
    for n in range(0, 2 * (GAPS_MAX + 2), 2):
        remember(seen, Native(CLIENTS[0], n))
    assert judge(seen, Native(CLIENTS[0], 1)) is Verdict.LATE
    assert judge(seen, Native(CLIENTS[0], 0)) is Verdict.LATE  # seen, and forgotten: never NEW
    assert judge(seen, Native(CLIENTS[0], 2 * GAPS_MAX + 1)) is Verdict.NEW


def test_the_client_used_longest_ago_is_forgotten_and_what_is_older_is_late() -> None:
    seen = Seen()
    devices = CLIENTS[::2][: CLIENTS_MAX + 1]
    for device in devices[:-1]:
        remember(seen, Native(device, 0))
    remember(seen, Native(devices[0], 1))  # used again: the second device is now the idle one
    remember(seen, Native(devices[-1], 0))
    assert judge(seen, Native(devices[0], 2)) is Verdict.NEW
    assert judge(seen, Native(devices[1], 1)) is Verdict.LATE
    assert judge(seen, Native(devices[2], 0)) is Verdict.DUP


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [(IDS_MAX, Verdict.NEW), (1, Verdict.NEW), (0, Verdict.LATE)],
    ids=["newer than all", "just above the floor", "at the floor"],
)
def test_an_unknown_id_is_new_above_the_floor_and_late_below(at_ms: int, expected: Verdict) -> None:
    seen = Seen()
    for at in range(IDS_MAX + 1):
        remember(seen, Opaque(at, at))  # the 65th pushes out the oldest, of millisecond 0
    assert judge(seen, Opaque(1_000, at_ms)) is expected


def test_ids_without_a_time_are_the_first_to_be_forgotten() -> None:
    seen = Seen()
    remember(seen, Opaque(-1, TIMELESS_MS))
    for number in range(IDS_MAX):
        remember(seen, Opaque(number, 1_700_000_000_000))
    assert judge(seen, Opaque(-1, TIMELESS_MS)) is Verdict.LATE
    assert judge(seen, Opaque(0, 1_700_000_000_000)) is Verdict.DUP
    assert judge(seen, Opaque(IDS_MAX, 1_700_000_000_000)) is Verdict.NEW


def test_the_floor_of_clients_never_falls() -> None:
    # Clients are forgotten by their last use, not by their birth: the young first, then an old one. A floor
    # that followed would take the young one for NEW, and count its events again.
    seen = Seen()
    old, young, *others = CLIENTS[0], CLIENTS[2 * CLIENTS_MAX], *CLIENTS[2 : 2 * CLIENTS_MAX : 2]
    remember(seen, Native(young, 0))
    remember(seen, Native(old, 0))
    for count, device in enumerate(others, 2):
        remember(seen, Native(device, 0))
        assert len(seen.clients) <= min(count + 1, CLIENTS_MAX)
    for tail in (2, 4):  # two more, of births of their own
        remember(seen, Native(CLIENTS[2 * CLIENTS_MAX + tail], 0))
    assert young not in seen.clients
    assert old not in seen.clients
    assert judge(seen, Native(young, 0)) is Verdict.LATE
    assert judge(seen, Native(old, 0)) is Verdict.LATE


@given(st.lists(natives | opaques, max_size=60))
def test_no_floor_ever_falls(identities: list[Identity]) -> None:
    seen = Seen()
    floors = [-1, -1]
    for identity in identities:
        if judge(seen, identity) is Verdict.NEW:
            remember(seen, identity)
        now = [seen.clients_floor_ms, seen.ids_floor_ms]
        assert now[0] >= floors[0]
        assert now[1] >= floors[1]
        floors = now


def test_of_ids_of_one_moment_the_smallest_hash_gives_way_in_whatever_order_they_came() -> None:
    for digests in (range(IDS_MAX + 1), range(IDS_MAX, -1, -1)):
        seen = Seen()
        for digest in digests:
            remember(seen, Opaque(digest, 5))
        assert set(seen.ids) == set(range(1, IDS_MAX + 1))


def test_a_part_is_new_once_and_only_while_it_is_expected() -> None:
    seen, part, other = Seen(), Part(1), Part(2)
    assert judge(seen, part) is Verdict.DUP  # its event was not counted, or it was itself
    expect_parts(seen, [part, other])
    assert judge(seen, part) is Verdict.NEW
    remember(seen, part)
    assert judge(seen, part) is Verdict.DUP
    assert judge(seen, other) is Verdict.NEW


def test_there_is_room_for_parts_until_as_many_are_expected_as_may_be() -> None:
    seen = Seen()
    for number in range(PARTS_MAX):
        assert has_room_for_parts(seen)
        expect_parts(seen, [Part(number)])
    assert not has_room_for_parts(seen)
    remember(seen, Part(0))
    assert has_room_for_parts(seen)
