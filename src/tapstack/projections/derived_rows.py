"""Folds entries into derived rows: each write is conditional, and each row says what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from tapstack.core.journal import Entry
from tapstack.core.rows import Derived, encode_derived, stripe_sort_key
from tapstack.errors import Throttled
from tapstack.ports import Key, ProjectionTable, Row, RowWrite, check_layout, first_version
from tapstack.projections._projection import Projection
from tapstack.retry_budget import RetryBudget, retried

READ_KEYS_MAX = 100  # BatchGetItem's limit of keys a call
STARVED_READS = 3  # reads in a row that are served in part
WRITES_MAX = 200  # rows that are folded and written at a time: a batch of statements for each connection


class Starved(Throttled):
    """The table serves reads in small parts: fewer rows at a time get further."""


class _Lacking(msgspec.Struct, gc=False, frozen=True):
    """Some entries that rows do not hold yet."""

    changes: Mapping[str, Any]  # by partition
    arrived_s: int  # when the newest of them arrived
    upto: Mapping[int, int]  # by lane, the last entry that rows hold then


class _Entries:
    """Entries of some lanes, and what they do to rows: nearly always all of them lack the same."""

    def __init__(self, projection: Projection[Any, Any], entries: Mapping[int, Sequence[Entry]]) -> None:
        self._projection = projection
        self._entries = sorted(entries.items())
        self._before = [(lane, found[0].number - 1) for lane, found in self._entries]
        self._lacking: dict[tuple[int, ...], _Lacking] = {}

    def lacking(self, applied: Mapping[int, int]) -> _Lacking:
        """Return what a row lacks that holds entries up to some."""
        held = tuple([n if (n := applied.get(lane, 0)) > before else before for lane, before in self._before])
        found = self._lacking.get(held)
        if found is None:
            found = self._lacking[held] = self._lacking_after(held)
        return found

    def _lacking_after(self, held: Sequence[int]) -> _Lacking:
        entries = [
            entry
            for (_, found), number in zip(self._entries, held, strict=True)
            for entry in found
            if entry.number > number
        ]
        arrived_s = max([entry.arrived_s for entry in entries], default=0)
        upto = {
            lane: max(found[-1].number, number)
            for (lane, found), number in zip(self._entries, held, strict=True)
        }
        return _Lacking(self._projection.changes(entries), arrived_s, upto)


class DerivedRows:
    """The rows of one projection in one stripe.

    Parameters
    ----------
    table
        The table.
    budget
        How often it is asked.
    projection
        What is folded.
    stripe
        Into whose rows.
    keep_s
        How long a row lives after its last change.
    """

    def __init__(
        self,
        table: ProjectionTable,
        budget: RetryBudget,
        projection: Projection[Any, Any],
        stripe: int,
        keep_s: int,
    ) -> None:
        self._table = table
        self._budget = budget
        self._projection = projection
        self._stripe = stripe_sort_key(stripe)
        self._keep_s = keep_s
        self._may_be_divided = False
        self.written: list[RowWrite] = []
        self.conflicts = 0

    def fold(self, entries: Mapping[int, Sequence[Entry]]) -> None:
        """Fold entries into every row that they touch; all are written when it returns.

        Parameters
        ----------
        entries
            By lane, all that follow those in the rows; of each lane at least one.

        Raises
        ------
        Starved
            If reads are served in part, and there is more than one entry: fewer at a time get further.
        Unavailable
            If not all rows could be written; those that were say so.
        UndecodableRow
            If a row holds what is none of the projection's.
        """
        self._may_be_divided = sum(map(len, entries.values())) > 1
        lacking = _Entries(self._projection, entries)
        partitions = list(lacking.lacking({}).changes)
        for start in range(0, len(partitions), WRITES_MAX):
            some = partitions[start : start + WRITES_MAX]
            self._fold_rows([Key(each, self._stripe) for each in some], lacking)

    def _fold_rows(self, keys: Sequence[Key], entries: _Entries) -> None:
        # A row as it was some time before will do: its write would be refused. It costs half.
        rows: dict[Key, Row | None] = dict(self._read(keys, consistent=False))
        waiting = keys
        attempt = 0
        while waiting:
            writes = self._writes(waiting, rows, entries)
            refused = self._write(writes)
            self.written += [write for write in writes if write.key not in refused]
            self.conflicts += len(refused)
            rows.update(refused)
            waiting = list(refused)
            if waiting:
                self._budget.pause(attempt, Throttled("rows changed under every attempt to fold them"))
                attempt += 1

    def _write(self, writes: Sequence[RowWrite]) -> dict[Key, Row | None]:
        """Write rows, those that fail again and again, and return those that were refused."""
        refused: dict[Key, Row | None] = {}
        left, attempt, failures = writes, 0, 0
        while left:
            self._budget.check()
            written = self._table.write_each(left)
            refused.update(written.refused)
            failures = failures + 1 if len(written.left) == len(left) else 0
            left = written.left
            if written.reason is not None:
                self._budget.pause(attempt, written.reason, failures)
                attempt += 1
        return refused

    def _writes(
        self, keys: Sequence[Key], rows: Mapping[Key, Row | None], entries: _Entries
    ) -> list[RowWrite]:
        """Fold what is not in the rows yet. Their sources are read after them: never older than they are."""
        sources = self._sources(keys, entries)
        found = [self._write_of(key, rows.get(key), sources, entries) for key in keys]
        return [write for write in found if write is not None]

    def _write_of(
        self, key: Key, row: Row | None, sources: Mapping[str, Any], entries: _Entries
    ) -> RowWrite | None:
        """Fold what a row lacks; None if it lacks nothing."""
        check_layout(row)
        kind = self._projection.rows
        derived = Derived({}, kind.new()) if row is None else kind.read(row.state)
        lacking = entries.lacking(derived.applied)
        change = lacking.changes.get(key.pk)
        if change is None:
            return None
        self._projection.fold(derived.body, change, sources)
        return RowWrite(
            key=key,
            version=first_version(lacking.arrived_s) if row is None else row.version + 1,
            state=encode_derived({**derived.applied, **lacking.upto}, derived.body),
            expires_at_s=max(0 if row is None else row.expires_at_s, lacking.arrived_s + self._keep_s),
            seen_version=0 if row is None else row.version,
        )

    def _sources(self, keys: Iterable[Key], entries: _Entries) -> dict[str, Any]:
        if not self._projection.after:
            return {}
        changes = entries.lacking({}).changes
        partitions = dict.fromkeys([pk for key in keys for pk in self._projection.sources(changes[key.pk])])
        rows = self._read([Key(pk, self._stripe) for pk in partitions], consistent=True)
        for row in rows.values():
            check_layout(row)
        return {key.pk: self._projection.read_source(row.state) for key, row in rows.items()}

    def _read(self, keys: Iterable[Key], *, consistent: bool) -> dict[Key, Row]:
        left, rows = list(keys), dict[Key, Row]()
        waits = failures = 0
        while left:
            asked, rest = left[:READ_KEYS_MAX], left[READ_KEYS_MAX:]
            found, again = retried(self._budget, partial(self._table.read, asked, consistent=consistent))
            rows.update(found)
            left = [*again, *rest]
            if len(again) < len(asked):
                failures = 0  # a table that still reads some rows is asked as long as there is time
            if again:
                if waits + 1 >= STARVED_READS and self._may_be_divided:
                    raise Starved("the table goes on leaving keys of reads unprocessed")
                self._budget.pause(waits, Throttled("the table left keys of a read unprocessed"), failures)
                waits, failures = waits + 1, failures + 1
        return rows
