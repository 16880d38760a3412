"""How fresh derived figures are: up to when everything that was counted is in them."""

from __future__ import annotations

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


def freshness(reader: RowReader, projection: str, now_s: int) -> Freshness:
    """Return how fresh a projection's rows are, if they are read consistently after this.

    Parameters
    ----------
    reader
        The table.
    projection
        Its name.
    now_s
        Unix seconds, before anything is read.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    # The watermarks first: what is folded between the two reads makes an answer look older, never younger.
    marks = {row.key.sk: row for row in reader.query(WATERMARKS_PARTITION, consistent=True)}
    heads = reader.query(HEADS_PARTITION, consistent=True)
    known = decode_watermark(marks[projection].state) if projection in marks else Watermark()
    as_of_s = now_s
    for head in heads:
        folded = known.marks.get(int(head.key.sk), 0)
        if folded < head.version:
            as_of_s = min(as_of_s, _arrived_s(reader, int(head.key.sk), folded + 1, now_s))
    return Freshness(as_of_s, known.since_s)


def _arrived_s(reader: RowReader, lane: int, number: int, now_s: int) -> int:
    """Return when the newest record of an entry arrived: whatever was counted before stands before it."""
    entry = reader.get(Key(*entry_key(lane, number)))
    return now_s - JOURNAL_TTL_S if entry is None else entry.expires_at_s - JOURNAL_TTL_S
