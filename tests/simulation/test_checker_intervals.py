"""The checker's memory of clients' numbers: as large as their gaps are many, and that of the product."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_store import TODAY, Store
from tapstack.core.identity import DAY_S, Native
from tapstack.core.memory import NEW, Bounds
from tapstack_simulation.checking.facts import Fact
from tapstack_simulation.checking.intervals import contains, numbers, without
from tapstack_simulation.checking.memory import Memory
from tapstack_simulation.checking.rows import EMPTY_USER, Violation, knows, new_names
from tapstack_simulation.checking.stored import Promises
from tapstack_simulation.checking.users import _check_memory

CLIENT = bytes.fromhex("019b76daa8007c109500fb0de834a1bc")
PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6)
HUGE = 1_700_000_000_000


def members(intervals: Any) -> set[int]:
    return {n for first, last in intervals for n in range(first, last + 1)}


@given(st.sets(st.integers(0, 30)), PAIRS)
def test_the_difference_is_that_of_sets(values: set[int], others: list[tuple[int, int]]) -> None:
    left = without([(n, n) for n in sorted(values)], others)
    assert list(numbers(left)) == sorted(values - members(others))
    assert all(contains(left, n) == (n in members(left)) for n in range(32))


@given(st.lists(st.integers(0, 200) | st.integers(HUGE, HUGE + 9), max_size=120))
def test_the_checkers_memory_is_that_of_the_product(counters: list[int]) -> None:
    promises = Promises(age_max_s=14 * DAY_S, row_ttl_s=30 * DAY_S, retention_s=7 * DAY_S, gaps=3, hot_ids=4)
    store = Store(bounds=Bounds(keep_days=28, gaps=3, hot_ids=4))
    memory = Memory(EMPTY_USER[0], promises)
    for n in counters:
        name = f"{UUID(bytes=CLIENT)}"
        event = {"client_id": name, "n": n, "event_type": "page_view", "user_id": "a"}
        fact = Fact(event, TODAY * DAY_S * 1_000)
        if store.take(Native(CLIENT, n, TODAY * DAY_S, 0)) is NEW:
            memory.take(fact, TODAY * DAY_S, TODAY * DAY_S)
    assert memory.stored() == msgspec.msgpack.decode(msgspec.msgpack.encode(store.seen))
    assert memory.written == store.rows


def row(top: int, *gaps: list[int]) -> Any:
    return [[{CLIENT: [top, list(gaps), TODAY]}, {7: 1}, {}, -1, -1, TODAY], *EMPTY_USER[1:]]


def test_what_a_row_remembers_is_listed_lazily_and_looked_up_without_a_list() -> None:
    state = row(HUGE, [0, HUGE - 3], [HUGE - 1, HUGE - 1])
    assert list(new_names(EMPTY_USER, state)) == [("n", CLIENT, HUGE - 2), ("n", CLIENT, HUGE), ("o", 7, 0)]
    assert next(new_names(row(4), row(HUGE))) == ("n", CLIENT, 5)
    assert [knows(state, ("n", CLIENT, n)) for n in (0, HUGE - 2, HUGE - 1, HUGE, HUGE + 1)] == [
        False, True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(("gap", "is_wrong"), [([5, HUGE - 1], False), ([4, HUGE - 1], True)])
def test_a_gap_that_opens_again_is_found_however_wide(gap: list[int], is_wrong: bool) -> None:
    before, after = row(4), row(HUGE, gap)
    if is_wrong:
        with pytest.raises(Violation, match=r"forgot events \[\(4, 4\)\]"):
            _check_memory("U#a", before, after, {}, 28)
    else:
        _check_memory("U#a", before, after, {}, 28)


@pytest.mark.parametrize(
    ("idle_days", "gap", "is_wrong"),
    [(29, [0, 8], False), (29, [3, 8], False), (28, [0, 8], True), (29, [2, 8], True)],
    ids=["begins anew", "goes on", "was not idle", "forgets a part"],
)
def test_only_a_client_that_was_idle_may_begin_anew(idle_days: int, gap: list[int], is_wrong: bool) -> None:
    before, after = row(2), row(9, gap)
    before[0][0][CLIENT][2] = TODAY - idle_days
    if is_wrong:
        with pytest.raises(Violation, match="forgot events"):
            _check_memory("U#a", before, after, {}, 28)
    else:
        _check_memory("U#a", before, after, {}, 28)
