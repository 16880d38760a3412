"""The recipe: read the journal, fold each projection into its rows, move its watermark.

Anybody may project at any time, twice, late, from a stale watermark, or crash half-way: each row says which
entries are in it, and is written only if nobody else wrote it since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tapstack.core.capacity import row_bytes, write_units
from tapstack.core.journal import HEADS_PARTITION, Entry, Watermark, stripe_of
from tapstack.ports import Clock, ProjectionTable
from tapstack.projections._projection import Projection
from tapstack.projections.derived_rows import DerivedRows, Starved
from tapstack.projections.journal_reader import JournalReader
from tapstack.projections.watermarks import Watermarks
from tapstack.retry_budget import OutOfTime, RetryBudget, retried

NEW_CODE_S = 15 * 60  # after a deploy, consumers of the code before may run for so long


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the projector is configured with.

    Parameters
    ----------
    row_ttl_s
        How long a derived row lives after its last change, unless its projection says otherwise.
    entries_max
        Entries of a lane that are folded at a time, ``>= 1``.
    """

    row_ttl_s: int
    entries_max: int = 64


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """The table and time."""

    table: ProjectionTable
    clock: Clock
    jitter: Callable[[], float]


class Report(msgspec.Struct, kw_only=True):
    """What an invocation did.

    Parameters
    ----------
    entries
        Entries folded, once for each projection.
    entries_left
        Entries that the invocation knew of and did not fold: for want of time, or since one before them is
        missing.
    out_of_time
        1 if it ended for want of time: the next invocation goes on.
    """

    entries: int = 0
    entries_left: int = 0
    rows_written: int = 0
    write_units: int = 0
    conflicts: int = 0
    out_of_time: int = 0


def project(
    projections: Sequence[Projection[Any, Any]],
    dependencies: Dependencies,
    limits: Limits,
    remaining_ms: Callable[[], int],
) -> Report:
    """Fold what the journal holds, every lane that was ever used, as long as there is time.

    Parameters
    ----------
    projections
        Each after the one that it reads.
    dependencies
        The table and time.
    limits
        The configuration.
    remaining_ms
        Returns how long the invocation may still run.

    Returns
    -------
    Report
        What was done; `entries_left` is 0 if all that was in the journal at the beginning is folded.

    Raises
    ------
    Unavailable
        If the table goes on not answering: the invocation fails and comes again.
    UndecodableRow
        If a row holds what nobody of ours wrote: it stays as it is, and nothing is folded past it.
    """
    return _Invocation(projections, dependencies, limits, remaining_ms).run()


class _Invocation:
    """One invocation: the lanes as it found them, and how far it came."""

    def __init__(
        self,
        projections: Sequence[Projection[Any, Any]],
        dependencies: Dependencies,
        limits: Limits,
        remaining_ms: Callable[[], int],
    ) -> None:
        self._projections = projections
        self._table = dependencies.table
        self._now_s = dependencies.clock.now_ms() // 1000
        self._limits = limits
        self._budget = RetryBudget(dependencies.clock, dependencies.jitter, remaining_ms)
        self._reader = JournalReader(self._table, self._budget, limits.entries_max)
        self._watermarks = Watermarks(self._table, self._budget)
        self._heads = self._read_heads()
        self._report = Report()
        self._is_starved = False

    def _read_heads(self) -> dict[int, int]:
        """Return the number of the last entry of every lane that was ever used."""
        rows = retried(self._budget, lambda: self._table.query(HEADS_PARTITION, consistent=True))
        return {int(row.key.sk): row.version for row in rows}

    def run(self) -> Report:
        try:
            self._fold_all()
        except OutOfTime:
            self._report.out_of_time = 1
        self._report.entries_left = sum([self._left(projection) for projection in self._projections])
        return self._report

    def _fold_all(self) -> None:
        for projection in self._projections if self._heads else ():
            if self._watermarks.of(projection.name) is None:
                self._begin(projection)
        stripes: defaultdict[int, list[int]] = defaultdict(list)
        for lane in self._heads:
            stripes[stripe_of(lane)].append(lane)
        for stripe, lanes in sorted(stripes.items()):
            while True in [self._step(projection, stripe, lanes) for projection in self._projections]:
                self._budget.check()

    def _begin(self, projection: Projection[Any, Any]) -> None:
        """Begin a projection at the oldest entry that is kept of each lane, and say from when it is whole."""
        marks = {lane: self._reader.first_number(lane, head) - 1 for lane, head in self._heads.items()}
        since_s = self._now_s + NEW_CODE_S if any(marks.values()) else 0
        self._watermarks.move(projection.name, marks, since_s, is_new=True)

    def _left(self, projection: Projection[Any, Any]) -> int:
        marks = self._marks(projection, self._heads)
        return sum([max(0, head - marks[lane]) for lane, head in self._heads.items()])

    def _step(self, projection: Projection[Any, Any], stripe: int, lanes: Sequence[int]) -> bool:
        """Fold the next entries of a stripe's lanes; return whether there were any."""
        marks = self._marks(projection, lanes)
        goals = self._goals(projection, lanes)
        found = {lane: self._reader.entries(lane, marks[lane], goals[lane]) for lane in lanes}
        entries: dict[int, Sequence[Entry]] = {lane: each for lane, each in found.items() if each}
        if not entries:
            return self._pass_over(projection, marks, goals)
        if self._is_starved:
            entries = {lane: each[:1] for lane, each in list(entries.items())[:1]}
        keep_s = projection.keep_s or self._limits.row_ttl_s
        rows = DerivedRows(self._table, self._budget, projection, stripe, keep_s)
        try:
            rows.fold(entries)
        except Starved:
            self._is_starved = True  # from now on an entry at a time
            return True
        self._report.rows_written += len(rows.written)
        self._report.conflicts += rows.conflicts
        self._report.write_units += sum(
            [write_units(row_bytes(write.key, write.state)) for write in rows.written]
        )
        moved = {lane: each[-1].number for lane, each in entries.items()}
        self._watermarks.move(projection.name, moved, _whole_since_s(projection, entries.values()))
        self._report.entries += sum(map(len, entries.values()))
        return True

    def _pass_over(
        self, projection: Projection[Any, Any], marks: Mapping[int, int], goals: Mapping[int, int]
    ) -> bool:
        """Pass over entries that expired while a definition was not declared; return if any did."""
        behind = [lane for lane in marks if projection.definition and marks[lane] < goals[lane]]
        firsts = {lane: self._reader.first_number(lane, goals[lane], marks[lane]) for lane in behind}
        moved = {lane: first - 1 for lane, first in firsts.items() if first - 1 > marks[lane]}
        if moved:
            self._watermarks.move(projection.name, moved, self._now_s + NEW_CODE_S)
        return bool(moved)

    def _marks(self, projection: Projection[Any, Any], lanes: Iterable[int]) -> dict[int, int]:
        """Return the last entry that is folded, by lane."""
        watermark = self._watermarks.of(projection.name) or Watermark()
        return {lane: watermark.marks.get(lane, 0) for lane in lanes}

    def _goals(self, projection: Projection[Any, Any], lanes: Sequence[int]) -> dict[int, int]:
        """Return how far a projection may go: to the heads, or to where the one that it reads has come."""
        if not projection.after:
            return {lane: self._heads[lane] for lane in lanes}
        source = self._watermarks.of(projection.after) or Watermark()
        return {lane: min(self._heads[lane], source.marks.get(lane, 0)) for lane in lanes}


def _whole_since_s(projection: Projection[Any, Any], entries: Iterable[Sequence[Entry]]) -> int:
    """Return since when every writer knew the definition that a projection folds; 0 if all did."""
    lacking = [
        entry.arrived_s
        for lane in entries
        for entry in lane
        if projection.definition and projection.definition not in entry.declared.definitions
    ]
    return max(lacking) + 1 if lacking else 0
