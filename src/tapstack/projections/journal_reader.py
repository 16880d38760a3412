"""Reads the journal's entries, in order and without holes."""

from __future__ import annotations

from collections.abc import Sequence

from tapstack.core.journal import Entry, decode_entry, entry_key, journal_partition
from tapstack.ports import ProjectionTable, Row, check_layout
from tapstack.retry_budget import RetryBudget, retried


class JournalReader:
    """The journal, as the invocation's projections read it one after the other.

    Parameters
    ----------
    table
        The table.
    budget
        How often it is asked.
    entries_max
        Entries of a lane that are returned at a time.
    """

    def __init__(self, table: ProjectionTable, budget: RetryBudget, entries_max: int) -> None:
        self._table = table
        self._budget = budget
        self._entries_max = entries_max
        self._last: dict[int, Sequence[Entry]] = {}  # by lane, what was read last: the next projection's, too

    def entries(self, lane: int, after: int, upto: int) -> Sequence[Entry]:
        """Return the entries that follow one, up to another, or the first of them.

        They are read as last written, and end where a number is missing: a Query is no snapshot.
        """
        if after >= upto:
            return ()
        known = [entry for entry in self._last.get(lane, ()) if entry.number > after]
        if not known or known[0].number != after + 1:
            known = self._read(lane, after + 1, upto)
            self._last[lane] = known
        return [entry for entry in known if entry.number <= upto]

    def first_number(self, lane: int, head: int, after: int = 0) -> int:
        """Return the number of the oldest kept entry after another; one more than the head's if none is."""
        rows = self._rows(lane, after + 1, head, 1)
        return int(rows[0].key.sk) if rows else head + 1

    def _read(self, lane: int, first: int, upto: int) -> list[Entry]:
        entries: list[Entry] = []
        for number, row in enumerate(self._rows(lane, first, upto, self._entries_max), first):
            if int(row.key.sk) != number:
                break
            check_layout(row)  # what it says beyond this release would be taken for folded
            entries.append(decode_entry(number, row.state))
        return entries

    def _rows(self, lane: int, first: int, upto: int, limit: int) -> Sequence[Row]:
        ends = entry_key(lane, first)[1], entry_key(lane, upto)[1]
        return retried(self._budget, lambda: self._table.read_range(journal_partition(lane), *ends, limit))
