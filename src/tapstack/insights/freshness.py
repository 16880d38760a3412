"""How fresh derived figures are: up to when everything that was counted is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tapstack.core.journal import (
    HEADS_PARTITION,
    JOURNAL_TTL_S,
    WATERMARKS_PARTITION,
    Watermark,
    decode_watermark,
    entry_key,
)
from tapstack.ports import Key, RowReader

ITEMS, LEADERBOARDS, SEARCH_TERMS = "items", "leaderboards", "search_terms"  # projections
IMPRESSIONS = "impressions"
CATEGORIES = "categories"
AGE_MAX_S = 2  # below the seconds between two folds, so that answers look hardly older than they must


class Freshness(NamedTuple):
    """How much of what was counted a projection's rows hold.

    Parameters
    ----------
    as_of_s
        Whatever was counted before is in them, Unix seconds.
    since_s
        What was counted before is not in them, Unix seconds; 0 if nothing is missing.
    """

    as_of_s: int
    since_s: int


class Progress(NamedTuple):
    """How far the journal and the projections have come.

    Parameters
    ----------
    read_s
        When this was read, Unix seconds.
    watermarks
        By projection.
    heads
        By lane, the number of its last entry.
    """

    read_s: int
    watermarks: Mapping[str, Watermark]
    heads: Mapping[int, int]

    def unfolded(self, projection: str) -> dict[int, int]:
        """Return the lanes with entries that a projection has not folded, each with the first of them."""
        marks = self.watermarks.get(projection, Watermark()).marks
        return {
            lane: marks.get(lane, 0) + 1 for lane, head in self.heads.items() if marks.get(lane, 0) < head
        }


def read_progress(reader: RowReader, now_s: int) -> Progress:
    """Read how far the journal and the projections have come.

    Parameters
    ----------
    reader
        The table.
    now_s
        Unix seconds, before anything is read.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    # The watermarks first: what is folded between the two reads makes an answer look older, never younger.
    marks = {
        row.key.sk: decode_watermark(row.state) for row in reader.query(WATERMARKS_PARTITION, consistent=True)
    }
    heads = reader.query(HEADS_PARTITION, consistent=True)
    return Progress(now_s, marks, {int(head.key.sk): head.version for head in heads})


class FreshnessCache:
    """How fresh each projection is, asked of the table once in `age_max_s` and not with every request.

    What was true stays true: rows hold all that was counted before `as_of`, and they only gain. So an answer
    may look up to `age_max_s` older than it is, never younger.

    Parameters
    ----------
    reader
        The table.
    age_max_s
        How long an answer of the table is used; 0: never again.
    """

    def __init__(self, reader: RowReader, age_max_s: int = AGE_MAX_S) -> None:
        self._reader = reader
        self._age_max_s = age_max_s
        self._progress: Progress | None = None
        self._known: dict[str, Freshness] = {}

    def progress(self, now_s: int) -> Progress:
        """Return how far everything has come; see `read_progress`."""
        known = self._progress
        if known is None or not 0 <= now_s - known.read_s < self._age_max_s:  # a clock may be put back, too
            known = self._progress = read_progress(self._reader, now_s)
            self._known = {}
        return known

    def of(self, projection: str, now_s: int) -> Freshness:
        """Return how fresh a projection's rows are, if they are read consistently after this."""
        progress = self.progress(now_s)
        if projection not in self._known:
            self._known[projection] = _freshness(self._reader, progress, projection)
        return self._known[projection]


def _freshness(reader: RowReader, progress: Progress, projection: str) -> Freshness:
    """Return how fresh a projection's rows are: by the first entry of each lane that is not in them.

    Whatever was counted before such an entry stands before it. One that is gone expired before it was folded,
    with any others of its lane: the projection lacks what was counted before the oldest entry still kept.
    """
    since_s = progress.watermarks.get(projection, Watermark()).since_s
    keys = [Key(*entry_key(lane, number)) for lane, number in progress.unfolded(projection).items()]
    entries = dict(reader.read_all(keys)) if keys else {}  # they never change, so a replica's are as good
    lacking = [key for key in keys if key not in entries]
    # Consistently: a replica that has no entry yet would pass for a journal that lost it.
    entries |= reader.read_all(lacking, consistent=True) if lacking else {}
    as_of_s = min([progress.read_s, *(row.expires_at_s - JOURNAL_TTL_S for row in entries.values())])
    if len(entries) < len(keys):
        kept_s = progress.read_s - JOURNAL_TTL_S
        return Freshness(min(as_of_s, kept_s), max(since_s, kept_s))
    return Freshness(as_of_s, since_s)
