"""What an invocation believes of rows: only what it read, and what it was refused or committed with.

A row taken for missing that was merely not read would make every further part of its events a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest
from consumer_world import LIMITS, Pipeline, counted, view
from hypothesis import given
from hypothesis import strategies as st

from tapstack.consumer.row_cache import READ_KEYS_MAX, RowCache
from tapstack.core.memory import Bounds
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import CommitConflict, Key, Row, RowWrite
from tapstack.retry_budget import ATTEMPTS_MAX, CALM_MS, RetryBudget
from tapstack_emulator import ManualClock

KEYS = [Key(f"U#{number}", "-") for number in range(250)]
Give = Callable[[Sequence[Key]], Sequence[Key]]  # of the keys that are asked for, those that are read


class Table:
    """A table that has every other row and reads of the keys it is asked for what the script says."""

    def __init__(self, give: Give = lambda keys: keys, takes_ms: int = 0) -> None:
        self.clock = ManualClock()
        self.asked: list[tuple[list[Key], bool]] = []
        self._give, self._takes_ms = give, takes_ms

    def read(
        self, keys: Sequence[Key], *, consistent: bool = False
    ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
        self.asked.append((list(keys), consistent))
        self.clock.advance_ms(self._takes_ms)
        given_ = self._give(keys)
        found = {key: row(key) for key in given_ if exists(key)}
        return found, [key for key in keys if key not in given_]

    def commit(self, writes: Sequence[RowWrite]) -> CommitConflict | None:
        raise AssertionError("nothing is written here")

    def cache(self) -> RowCache:
        return RowCache(self, RetryBudget(self.clock, lambda: 0.5, lambda: 10_000_000))


def exists(key: Key) -> bool:
    return int(key.pk[2:]) % 2 == 0


def row(key: Key) -> Row:
    return Row(key=key, version=7, state=b"x")


def is_known(cache: RowCache, key: Key) -> bool:
    try:
        cache.row(key)
    except KeyError:
        return False
    return True


@given(st.lists(st.sampled_from(KEYS), max_size=240), st.integers(1, READ_KEYS_MAX))
def test_each_row_is_read_once_in_calls_that_are_full(keys: list[Key], rows_a_read: int) -> None:
    table = Table(lambda asked: asked[:rows_a_read])
    cache = table.cache()
    cache.load(keys)
    assert [cache.row(key) for key in keys] == [row(key) if exists(key) else None for key in keys]
    assert all(len(asked) <= READ_KEYS_MAX for asked, _ in table.asked)
    distinct = len(set(keys))
    assert len(table.asked) == -(-distinct // rows_a_read)
    table.asked.clear()
    cache.load(keys)
    assert table.asked == []


@pytest.mark.parametrize("read_count", [0, 1, 50, 99])
def test_what_reading_ahead_did_not_get_to_is_not_taken_for_missing(read_count: int) -> None:
    table = Table(lambda asked: asked[:read_count], takes_ms=CALM_MS)
    cache = table.cache()
    cache.read_ahead(KEYS[:100])
    assert [is_known(cache, key) for key in KEYS[:100]] == [n < read_count for n in range(100)]
    assert not any(is_known(cache, key) for key in KEYS[100:])
    table._give = lambda asked: asked
    cache.load(KEYS[:100])
    assert [cache.row(key) for key in KEYS[:100]] == [row(key) if exists(key) else None for key in KEYS[:100]]


def test_a_read_that_gets_to_nothing_is_a_failure_and_one_that_gets_to_something_is_none() -> None:
    def now_and_then(asked: Sequence[Key]) -> Sequence[Key]:
        return [] if len(table.asked) % ATTEMPTS_MAX else asked[:1]

    table = Table(now_and_then)
    cache = table.cache()
    cache.load(KEYS[:12])  # more failures than are allowed, but never so many in a row
    assert len(table.asked) == 12 * ATTEMPTS_MAX
    table = Table(lambda asked: [])
    cache = table.cache()
    with pytest.raises(Throttled, match="left every key of a read unprocessed"):
        cache.load(KEYS[:12])
    assert len(table.asked) == ATTEMPTS_MAX
    assert not any(is_known(cache, key) for key in KEYS)


def test_a_call_that_fails_leaves_what_was_read_and_nothing_else() -> None:
    class Failing(Table):
        def read(
            self, keys: Sequence[Key], *, consistent: bool = False
        ) -> tuple[Mapping[Key, Row], Sequence[Key]]:
            if len(self.asked) == 1:
                raise Unavailable("away")
            return super().read(keys, consistent=consistent)

    cache = Failing().cache()
    with pytest.raises(Unavailable, match="away"):
        cache.load(KEYS[: 2 * READ_KEYS_MAX])
    assert [is_known(cache, key) for key in KEYS] == [n < READ_KEYS_MAX for n in range(len(KEYS))]


def test_a_forgotten_row_is_read_again() -> None:
    table = Table()
    cache = table.cache()
    cache.load(KEYS[:2])
    cache.forget(KEYS[1:2])
    cache.forget(KEYS[5:6])  # not known yet
    assert is_known(cache, KEYS[0])
    assert not is_known(cache, KEYS[1])
    table.asked.clear()
    cache.load(KEYS[:2])
    cache.load(KEYS[2:4])
    cache.load(KEYS[4:6])
    assert table.asked == [(KEYS[1:2], False), (KEYS[2:4], False), (KEYS[4:6], False)]


def test_a_row_that_somebody_else_held_is_read_again_before_the_next_attempt() -> None:
    pipeline = Pipeline()
    other = Pipeline(on_table_of=pipeline)
    behind = pipeline.world.table

    class Held:
        """Cancels the first transaction as contended, and lets another invocation count meanwhile."""

        read, read_prefix = behind.read, behind.read_prefix
        commits = 0

        def commit(self, writes: Sequence[RowWrite]) -> CommitConflict | None:
            Held.commits += 1
            if Held.commits > 1:
                return behind.commit(writes)
            other.run([view(1)])
            return CommitConflict(images={}, contended=True)

    pipeline.world = msgspec.structs.replace(pipeline.world, table=Held())
    report = pipeline.run([view(1), view(2)])
    assert (report.applied, report.duplicates, report.conflicts) == (1, 1, 1)
    counted(pipeline, [view(1), view(2)])


def test_the_pages_of_a_user_are_read_again_after_each_transaction_that_wrote_some() -> None:
    bounds = Bounds(keep_days=20, hot_ids=4)
    pipeline = Pipeline(limits=msgspec.structs.replace(LIMITS, bounds=bounds))
    burst = [view(number) for number in range(300)]  # of the same second: each is looked up
    report = pipeline.run([*burst, *burst])
    assert (report.applied, report.duplicates, report.late) == (300, 300, 0)
    assert report.transactions > 1
