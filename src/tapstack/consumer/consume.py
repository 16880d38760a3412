"""The recipe: parse, commit transaction by transaction, store dead letters, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter

import msgspec

from tapstack.consumer.common_terms import CommonTerms
from tapstack.consumer.dead_letters import DeadLetters
from tapstack.consumer.journal_lag import JournalLag
from tapstack.consumer.records import Delivery, StreamRecord, parse
from tapstack.consumer.row_cache import RowCache
from tapstack.consumer.transaction import BYTES_MAX, Transaction
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.capacity import row_bytes, transaction_units
from tapstack.core.history import HistoryBounds
from tapstack.core.identity import DAY_S
from tapstack.core.journal import ENTRY_BYTES_MAX, head_key
from tapstack.core.memory import DUP, NEW, TOO_LARGE, Bounds, Verdict
from tapstack.dead_letters import LATE, QUARANTINE
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import Clock, Key, ObjectWriter, RowWrite, StateTable
from tapstack.retry_budget import RetryBudget

# Deliveries whose rows are read at a time: full reads of 100 rows are far cheaper than a few rows before each
# transaction. Under throttling, rows for two deliveries are read, then for twice as many (slow start).
READ_AHEAD = 300
READ_AT_LEAST = 2


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the consumer is configured with.

    Parameters
    ----------
    lanes
        In how many lanes the journal is written, so that parallel transactions do not meet; about the
        number of shards. May be changed at any time: projections read every lane that was ever used.
    row_ttl_s
        How long a row lives after the last event that changed it.
    age_max_s
        How old an event may be when it arrives; an older one that no row knows is not counted. Must be
        shorter than `row_ttl_s`, since an expired row no longer knows what it counted.
    bounds
        How much of a user's events is remembered; None for as much as rows live long enough for.
    history
        How much of a user's interactions is kept; fewer days than a row lives after its last event.
    declared
        Attributes that are kept of users and sessions, beside what always is.
    """

    lanes: int
    row_ttl_s: int
    age_max_s: int
    bounds: Bounds | None = None
    history: HistoryBounds = HistoryBounds()
    declared: Declared = NOTHING_DECLARED

    @property
    def waited_max_s(self) -> int:
        """Return for how long an event may wait in the spill bucket and not age.

        Its row must outlive it there, on the stream (7 days), and whatever its client's clock is ahead (one).
        """
        return max(0, self.row_ttl_s - self.age_max_s - 8 * DAY_S)


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """The table, the buckets and time; `lag` and `common` outlive an invocation."""

    table: StateTable
    lag: JournalLag = msgspec.field(default_factory=JournalLag)
    common: CommonTerms = msgspec.field(default_factory=CommonTerms)
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
    deliveries, poison = parse(records, age_max_s=limits.age_max_s, waited_max_s=limits.waited_max_s)
    budget = RetryBudget(dependencies.clock, dependencies.jitter, remaining_ms)
    buckets = {QUARANTINE: dependencies.quarantine, LATE: dependencies.late}
    dead_letters = DeadLetters(records, buckets, budget)
    for bad in poison:
        dead_letters.add(bad.position, bad.reason, detail=bad.detail)
    invocation = _Invocation(dependencies, limits, budget, report, dead_letters)
    try:
        invocation.apply(_by_user(deliveries), shard_number(records[0].shard_id) if records else 0)
    except Unavailable as error:
        report.reason = _say(error)
    decided = min(invocation.undecided, default=len(records))
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
    """One invocation's counting: which records are not decided yet."""

    def __init__(
        self,
        dependencies: Dependencies,
        limits: Limits,
        budget: RetryBudget,
        report: Report,
        dead_letters: DeadLetters,
    ) -> None:
        self._table = dependencies.table
        self._lag = dependencies.lag
        self._common = dependencies.common
        self._now_s = dependencies.clock.now_ms() // 1000
        self._limits = limits
        self._bounds = limits.bounds or Bounds(keep_days=max(0, limits.row_ttl_s // DAY_S - 2))
        self._budget = budget
        self._report = report
        self.undecided: dict[int, None] = {}  # positions of records that are neither counted nor dead letters
        self._dead_letters = dead_letters
        self._row_cache = RowCache(dependencies.table, budget)
        self._lane = 0

    def apply(self, deliveries: list[Delivery], lane: int) -> None:
        """Commit all deliveries, as many at a time as fit one transaction, or keep them as dead letters.

        Parameters
        ----------
        deliveries
            By user. When the table is slow or throttled, those that are left follow in the
            order of the stream: so the record to resume from moves on, and what is done does not come again.
        lane
            Of the journal, before it is taken modulo their number.
        """
        self._lane = lane % self._limits.lanes
        self.undecided = dict.fromkeys([each.position for each in deliveries])
        start = read = 0
        step, is_by_user = READ_AT_LEAST, True
        while start < len(deliveries):
            self._budget.check()
            if read - start < READ_AHEAD // 2:
                ahead = deliveries[read : read + READ_AHEAD]
                self._row_cache.read_ahead([self._head(), *[each.user_key for each in ahead]])
                read += len(ahead) if self._budget.is_calm() else 0
            if not self._budget.is_calm():
                if is_by_user:
                    deliveries[start:] = sorted(deliveries[start:], key=attrgetter("position"))
                    is_by_user = False
                read = min(start + step, len(deliveries))
                step = min(2 * step, READ_AHEAD)
                self._row_cache.load([each.user_key for each in deliveries[start:read]])
            verdicts = self._commit_next(deliveries[start:read])
            start += len(verdicts)
            self._settle(verdicts)

    def _head(self) -> Key:
        return Key(*head_key(self._lane))

    def _commit_next(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Verdict]]:
        """Commit the next transaction, decided anew after each conflict, and return the verdicts."""
        attempt, end = 0, len(deliveries)
        while True:
            transaction = Transaction(
                self._row_cache,
                self._limits.row_ttl_s,
                self._bounds,
                self._limits.history,
                self._limits.declared,
            )
            transaction.fill(deliveries[:end])
            writes = self._writes(transaction)
            sizes = [row_bytes(write.key, write.state) for write in writes]
            if sum(sizes) > BYTES_MAX or max(sizes, default=0) > ENTRY_BYTES_MAX:
                if len(transaction.verdicts) > 1:
                    end = len(transaction.verdicts) // 2  # rows far larger than usual: fewer at a time
                    continue
                return [(deliveries[0], TOO_LARGE)]  # no transaction will ever hold them
            refused = self._commit(writes, sizes)
            if refused is None:
                return transaction.verdicts
            self._budget.pause(attempt, refused)
            self._row_cache.load(delivery.user_key for delivery in deliveries)
            attempt += 1

    def _writes(self, transaction: Transaction) -> list[RowWrite]:
        """Return what a transaction writes; the head of its lane is read."""
        self._row_cache.load([self._head()])
        self._lag.check(self._table, self._lane, self._row_cache.row(self._head()), self._now_s)
        searches = transaction.searches()
        if searches:
            self._common.update(self._table, self._now_s)
        return transaction.writes(self._lane, searches, self._common)

    def _commit(self, writes: Sequence[RowWrite], sizes: Sequence[int]) -> Unavailable | None:
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
            self._report.transactions += 1
            self._report.rows_written += len(writes)
            self._report.write_units += transaction_units(sizes)
            return None
        self._report.conflicts += 1
        if self._head() in conflict.images or conflict.contended:
            self._lane = (self._lane + 1) % self._limits.lanes  # somebody else writes in this one
        if conflict.contended:
            self._row_cache.forget(write.key for write in writes)
        self._row_cache.note_images(conflict.images)
        return Throttled("rows changed under every attempt to commit")

    def _settle(self, verdicts: Sequence[tuple[Delivery, Verdict]]) -> None:
        """Note that deliveries are decided: counted now, or before, or dead letters."""
        applied = 0
        for delivery, verdict in verdicts:
            del self.undecided[delivery.position]
            if verdict is NEW:
                applied += 1
            elif verdict is DUP:
                self._report.duplicates += 1
            else:
                event_id = delivery.event.event_id
                self._dead_letters.add(delivery.position, verdict.value, event_id=event_id)
        self._report.applied += applied


def _by_user(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Order deliveries by user, each user's in the order of the stream: so a row is written once."""
    users: dict[Key, list[Delivery]] = {}
    for delivery in deliveries:
        users.setdefault(delivery.user_key, []).append(delivery)
    return list(chain.from_iterable(users.values()))


def shard_number(shard_id: str) -> int:
    """Return the number in a shard's id [1]_, 0 if it has none.

    References
    ----------
    .. [1] ``shardId-`` and twelve digits:
       https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Shard.html, read 2026-11-29
    """
    digits = shard_id.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
