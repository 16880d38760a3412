"""The recipe: parse, pack, commit transaction by transaction, store dead letters, report."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from operator import attrgetter

import msgspec

from tapstack.consumer.dead_letters import DeadLetters
from tapstack.consumer.packing import pack
from tapstack.consumer.records import Delivery, StreamRecord, parse
from tapstack.consumer.retry_budget import RetryBudget
from tapstack.consumer.row_cache import RowCache
from tapstack.consumer.transaction import BYTES_MAX, Transaction, derived_keys
from tapstack.core.capacity import row_bytes, transaction_units
from tapstack.core.identity import DAY_S
from tapstack.core.memory import DUP, NEW, TOO_LARGE, Bounds, Verdict
from tapstack.dead_letters import LATE, QUARANTINE
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import Clock, ObjectWriter, RowWrite, StateTable

# Deliveries whose rows are read at a time: full reads of 100 rows are far cheaper than a few rows before each
# transaction. Under throttling, rows for two deliveries are read, then for twice as many (slow start).
READ_AHEAD = 300
READ_AT_LEAST = 2


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the consumer is configured with.

    Parameters
    ----------
    lanes
        How many ways the derived rows are split, so that parallel transactions never meet; about the
        number of shards. May be changed at any time: readers add whatever lanes there are.
    row_ttl_s
        How long a row lives after the last event that changed it.
    age_max_s
        How old an event may be when it arrives; an older one that no row knows is not counted. Must be
        shorter than `row_ttl_s`, since an expired row no longer knows what it counted.
    bounds
        How much of a user's events is remembered; None for as much as rows live long enough for.
    """

    lanes: int
    row_ttl_s: int
    age_max_s: int
    bounds: Bounds | None = None


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """The table, the buckets and time."""

    table: StateTable
    quarantine: ObjectWriter
    late: ObjectWriter
    clock: Clock
    jitter: Callable[[], float]


class Report(msgspec.Struct, kw_only=True):
    """What an invocation did.

    Parameters
    ----------
    resume_from
        Sequence number of the first record that is not done; None if all are.
    reason
        Why it stopped there.
    dead_letter_keys
        The objects that hold what is late or was quarantined.
    """

    records: int
    resume_from: str | None = None
    reason: str | None = None
    applied: int = 0
    duplicates: int = 0
    late: int = 0
    quarantined: int = 0
    transactions: int = 0
    conflicts: int = 0
    rows_written: int = 0
    write_units: int = 0
    dead_letter_keys: list[str] = []


def consume(
    records: Sequence[StreamRecord],
    dependencies: Dependencies,
    limits: Limits,
    remaining_ms: Callable[[], int],
) -> Report:
    """Make every record of a batch durable: counted, known as counted, stored as late, or quarantined.

    Parameters
    ----------
    records
        The batch of one shard in stream order.
    dependencies
        The table, the buckets, time.
    limits
        The configuration.
    remaining_ms
        Returns how long the invocation may still run.

    Returns
    -------
    Report
        Names the record to resume from, if any. Records after it may be done too: they are
        recognised when they come again.

    Raises
    ------
    UndecodableRow
        If a row that the batch changes holds what Tapstack did not write: it stays as it is, the invocation
        fails, and what was committed before is recognised when it comes again.
    """
    report = Report(records=len(records))
    deliveries, poison = parse(records, lanes=limits.lanes, age_max_s=limits.age_max_s)
    budget = RetryBudget(dependencies.clock, dependencies.jitter, remaining_ms)
    buckets = {QUARANTINE: dependencies.quarantine, LATE: dependencies.late}
    dead_letters = DeadLetters(records, buckets, budget)
    for bad in poison:
        dead_letters.add(bad.position, bad.reason, detail=bad.detail)
    open_parts = [0] * len(records)
    for delivery in deliveries:
        open_parts[delivery.position] += 1
    invocation = _Invocation(dependencies.table, limits, budget, report, open_parts, dead_letters)
    try:
        invocation.apply(pack(deliveries))
    except Unavailable as error:
        report.reason = _say(error)
    decided = next((position for position, count in enumerate(open_parts) if count), len(records))
    try:
        dead_letters.store(decided)
    except Unavailable as error:
        report.reason = report.reason or _say(error)
    first = min([decided, *dead_letters.positions()])
    report.resume_from = records[first].sequence_number if first < len(records) else None
    report.quarantined, report.late = dead_letters.stored[QUARANTINE], dead_letters.stored[LATE]
    report.dead_letter_keys = dead_letters.keys
    return report


def _say(error: Unavailable) -> str:
    error.__traceback__ = None  # frames that hold the batch, and the error: a cycle
    return f"{type(error).__name__}: {error}"


class _Invocation:
    """One invocation's counting: how many parts of each record are not decided yet."""

    def __init__(
        self,
        table: StateTable,
        limits: Limits,
        budget: RetryBudget,
        report: Report,
        open_parts: MutableSequence[int],
        dead_letters: DeadLetters,
    ) -> None:
        self._table = table
        self._limits = limits
        self._bounds = limits.bounds or Bounds(keep_days=max(0, limits.row_ttl_s // DAY_S - 2))
        self._budget = budget
        self._report = report
        self._open_parts = open_parts
        self._dead_letters = dead_letters
        self._row_cache = RowCache(table, budget)

    def apply(self, deliveries: list[Delivery]) -> None:
        """Commit all deliveries, as many at a time as fit one transaction, or keep them as dead letters.

        Parameters
        ----------
        deliveries
            As they are packed. When the table is slow or throttled, those that are left follow in the
            order of the stream: so the record to resume from moves on, and what is done does not come again.
        """
        start = read = 0
        step, is_packed = READ_AT_LEAST, True
        while start < len(deliveries):
            self._budget.check()
            if read - start < READ_AHEAD // 2:
                read = self._read_ahead(deliveries, read)
            if not self._budget.is_calm():
                if is_packed:
                    deliveries[start:] = sorted(deliveries[start:], key=attrgetter("position"))
                    is_packed = False
                read = min(start + step, len(deliveries))
                step = min(2 * step, READ_AHEAD)
                self._row_cache.load([each.user_key for each in deliveries[start:read]])
            verdicts = self._commit_next(deliveries[start:read])
            start += len(verdicts)
            self._settle(verdicts)

    def _read_ahead(self, deliveries: Sequence[Delivery], read: int) -> int:
        """Read what the next transactions need, if there is time; return how far users' rows are known."""
        row_cache = self._row_cache
        ahead = deliveries[read : read + READ_AHEAD]
        row_cache.read_ahead([each.user_key for each in ahead])
        if self._budget.is_calm():  # then all of them are known
            row_cache.read_ahead(derived_keys(ahead, row_cache))
            read += len(ahead)
        return read

    def _commit_next(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Verdict]]:
        """Commit the next transaction, decided anew after each conflict, and return the verdicts."""
        attempt, end = 0, len(deliveries)
        while True:
            transaction = Transaction(self._row_cache, self._limits.row_ttl_s, self._bounds)
            for delivery in deliveries[:end]:
                if not transaction.add(delivery):
                    break
            writes = self._writes(transaction)
            if sum([len(write.state) for write in writes]) > BYTES_MAX:
                if len(transaction.verdicts) > 1:
                    end = len(transaction.verdicts) // 2  # rows far larger than usual: fewer at a time
                    continue
                return [(deliveries[0], TOO_LARGE)]  # no transaction will ever hold them
            refused = self._commit(writes)
            if refused is None:
                return transaction.verdicts
            self._budget.pause(attempt, refused)
            self._row_cache.load(delivery.user_key for delivery in deliveries)
            attempt += 1

    def _writes(self, transaction: Transaction) -> list[RowWrite]:
        """Return what a transaction writes; the rows it needs are read."""
        self._row_cache.load(transaction.keys())
        return transaction.writes()

    def _commit(self, writes: Sequence[RowWrite]) -> Unavailable | None:
        """Try to commit once; afterwards the row_cache knows what the table is known to hold."""
        if not writes:
            return None
        self._budget.check()
        try:
            conflict = self._table.commit(writes)
        except Throttled as error:
            return error  # nothing was written: what is known of the rows is as true as before
        except Unavailable as error:
            self._row_cache.forget(write.key for write in writes)
            return error
        if conflict is None:
            self._row_cache.note_written(writes)
            self._count(writes)
            return None
        self._report.conflicts += 1
        if conflict.contended:
            self._row_cache.forget(write.key for write in writes)
        self._row_cache.note_images(conflict.images)
        return Throttled("rows changed under every attempt to commit")

    def _settle(self, verdicts: Sequence[tuple[Delivery, Verdict]]) -> None:
        """Note that deliveries are decided: counted now, or before, or dead letters."""
        for delivery, verdict in verdicts:
            self._open_parts[delivery.position] -= 1
            if verdict is not NEW and verdict is not DUP:
                event_id = delivery.event.event_id
                self._dead_letters.add(
                    delivery.position, verdict.value, part=delivery.part, event_id=event_id
                )
        self._report.duplicates += sum([verdict is DUP for _, verdict in verdicts])
        self._report.applied += sum([verdict is NEW for _, verdict in verdicts])

    def _count(self, writes: Sequence[RowWrite]) -> None:
        self._report.transactions += 1
        self._report.rows_written += len(writes)
        sizes = [row_bytes(write.key, write.state) for write in writes]
        self._report.write_units += transaction_units(sizes)
