"""How fresh answers say they are: true, though the journal is not asked with every request."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from insights_world import NOON_S, Rows

import tapstack
from tapstack.core.journal import (
    HEADS_PARTITION,
    JOURNAL_TTL_S,
    WATERMARKS_PARTITION,
    Watermark,
    encode_watermark,
    entry_key,
)
from tapstack.insights.freshness import AGE_MAX_S, FreshnessCache, read_progress
from tapstack.insights.views import status_view
from tapstack.ports import Key, Row


def journal(entries: dict[int, list[int]], folded: dict[int, int], rows: Rows | None = None) -> Rows:
    """Return a journal: by lane, when each entry arrived, and the last entry that is folded."""
    rows = Rows() if rows is None else rows
    for lane, arrived in entries.items():
        rows.put_state(HEADS_PARTITION, f"{lane:04d}", b"", version=len(arrived))
        for number, at_s in enumerate(arrived, 1):
            rows.put_state(*entry_key(lane, number), b"", expires_at_s=at_s + JOURNAL_TTL_S)
    rows.put_state(WATERMARKS_PARTITION, "items", encode_watermark(Watermark(folded)))
    return rows


def test_whatever_was_counted_before_as_of_is_folded() -> None:
    """The law, by brute force, also of what a cache says that was filled up to two seconds before."""
    for seed in range(300):
        rng = Random(seed)
        entries = {
            lane: sorted(rng.randrange(NOON_S - 30, NOON_S) for _ in range(rng.randrange(1, 5)))
            for lane in range(3)
        }
        folded = {lane: rng.randrange(len(arrived) + 1) for lane, arrived in entries.items()}
        cache = FreshnessCache(journal(entries, folded))
        told = cache.of("items", NOON_S)
        assert cache.of("items", NOON_S + AGE_MAX_S - 1) == told
        for lane, arrived in entries.items():
            for number, at_s in enumerate(arrived, 1):
                assert at_s >= told.as_of_s or number <= folded[lane], seed
        behind = [arrived[folded[lane]] for lane, arrived in entries.items() if folded[lane] < len(arrived)]
        assert told.as_of_s == min([NOON_S, *behind])


def test_what_expired_before_it_was_folded_is_said_to_be_missing() -> None:
    """The law: whatever is not folded was counted at `as_of` or later, or before `since`.

    A new projection is read before it folds anything, or one stands still for longer than the journal lasts.
    """
    expired_s = NOON_S - JOURNAL_TTL_S
    for seed in range(300):
        rng = Random(seed)
        entries = {
            lane: sorted(rng.randrange(expired_s - 90, expired_s + 90) for _ in range(rng.randrange(1, 5)))
            for lane in range(3)
        }
        folded = {lane: rng.randrange(len(arrived) + 1) for lane, arrived in entries.items()}
        rows = journal(entries, folded)
        if rng.randrange(2):
            rows.delete(WATERMARKS_PARTITION, "items")
            folded = dict.fromkeys(entries, 0)
        for lane, arrived in entries.items():
            for number, at_s in enumerate(arrived, 1):
                if at_s < expired_s:
                    rows.delete(*entry_key(lane, number))
        told = FreshnessCache(rows).of("items", NOON_S)
        for lane, arrived in entries.items():
            for number, at_s in enumerate(arrived, 1):
                assert number <= folded[lane] or not told.since_s <= at_s < told.as_of_s, seed


class Lagging(Rows):
    """A replica that has no entry of the journal yet: only consistent reads find them."""

    def get(self, key: Key) -> Row | None:
        return None if key.pk.startswith("J#") else super().get(key)

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        return super().read_all([key for key in keys if consistent or not key.pk.startswith("J#")])


def test_an_entry_that_a_replica_lacks_does_not_pass_for_one_that_expired() -> None:
    rows = journal({0: [NOON_S - 9], 4: [NOON_S - 5, NOON_S - 3]}, {0: 0, 4: 1}, Lagging())
    assert FreshnessCache(rows).of("items", NOON_S) == (NOON_S - 9, 0)


def test_a_cache_is_filled_anew_once_it_is_old_and_when_the_clock_is_put_back() -> None:
    rows = journal({0: [NOON_S - 9]}, {0: 0})
    cache = FreshnessCache(rows)
    assert cache.of("items", NOON_S).as_of_s == NOON_S - 9
    rows.put_state(WATERMARKS_PARTITION, "items", encode_watermark(Watermark({0: 1})))
    assert cache.of("items", NOON_S + AGE_MAX_S - 1).as_of_s == NOON_S - 9
    assert cache.of("items", NOON_S - 1).as_of_s == NOON_S - 1
    assert cache.of("items", NOON_S + AGE_MAX_S).as_of_s == NOON_S + AGE_MAX_S


def test_the_status_says_how_far_each_projection_lags() -> None:
    rows = journal({0: [NOON_S - 9, NOON_S - 8, NOON_S - 7], 4: [NOON_S - 5]}, {0: 1, 4: 1})
    cache = FreshnessCache(rows)
    status = status_view(cache.progress(NOON_S), lambda name: cache.of(name, NOON_S), "1")
    items = status.projections["items"]
    assert (items.lag_s, items.entries_behind, items.folded) == (8, 2, {0: 1, 4: 1})
    assert status.heads == read_progress(rows, NOON_S).heads == {0: 3, 4: 1}


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert tapstack.__version__ == project["project"]["version"]
