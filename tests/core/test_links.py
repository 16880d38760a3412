"""Links: a pair is written when it is new or growing old, and a user has a bounded number of them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_strategies import stream_event
from tapstack.core.links import LINKS_MAX, Links, is_due, link, linked_ids

KEEP_DAYS = 40
SEEN = st.lists(st.tuples(st.sampled_from([f"a{n}" for n in range(9)]), st.integers(0, 9)), max_size=40)


@given(SEEN)
def test_a_pair_is_written_when_it_is_new_and_again_after_a_quarter_of_its_life(
    steps: list[tuple[str, int]],
) -> None:
    links: Links = {}
    written: dict[str, int] = {}
    day = 0
    for visitor, passed in steps:
        day += passed
        due = day - written.get(visitor, -99) >= KEEP_DAYS // 4
        assert is_due(links, visitor, day, KEEP_DAYS) is due
        assert link(links, visitor, day, KEEP_DAYS) is due
        if due:
            written[visitor] = day
    assert len(links) == len(written)


@pytest.mark.parametrize("keep_days", [1, 2, 7])
def test_where_pointers_live_for_a_few_days_a_pair_is_written_again_every_day(keep_days: int) -> None:
    links: Links = {}
    assert [link(links, "v", day, keep_days) for day in (1, 1, 2, 2, 3)] == [True, False, True, False, True]


def test_a_row_knows_a_visitor_by_a_signed_64_bit_hash() -> None:
    """The layout of stored rows: by another hash every pair would be written again."""
    links: Links = {}
    for visitor in ("a", "b", "c", "d"):
        link(links, visitor, 1, KEEP_DAYS)
    hashes = [hashlib.blake2b(visitor.encode(), digest_size=8).digest() for visitor in ("a", "b", "c", "d")]
    assert list(links) == [int.from_bytes(each, "big", signed=True) for each in hashes]
    assert min(links) < 0 < max(links)


def test_a_user_has_so_many_links_until_one_expires() -> None:
    links: Links = {}
    assert [link(links, f"a{n}", 100 + n // 60, KEEP_DAYS) for n in range(LINKS_MAX)] == [True] * LINKS_MAX
    assert not link(links, "one more", 100, KEEP_DAYS)
    assert link(links, "a0", 110, KEEP_DAYS), "a pair that is known goes on"
    assert not link(links, "one more", 100 + KEEP_DAYS, KEEP_DAYS)
    assert link(links, "one more", 101 + KEEP_DAYS, KEEP_DAYS)
    assert len(links) == LINKS_MAX - 58, "all that had expired made room"


@pytest.mark.parametrize(
    ("said", "linked"),
    [
        ({"user_id": "ann", "anonymous_id": "v"}, ("ann", "v")),
        ({"user_id": "ann"}, None),
        ({"anonymous_id": "v"}, None),
        ({"user_id": "ann", "anonymous_id": "\u20ac" * 256}, ("ann", "\u20ac" * 256)),
        ({"user_id": "ann", "anonymous_id": "\U0001f600" * 256}, None),  # a sort key has 1,024 bytes
        ({"user_id": "\U0001f600" * 256, "anonymous_id": "v"}, None),
    ],
)
def test_an_event_that_names_both_links_them(said: dict[str, str], linked: tuple[str, str] | None) -> None:
    event = stream_event(**{"user_id": None, "anonymous_id": None, **said})
    assert linked_ids(event) == linked
