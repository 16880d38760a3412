"""The recipe: parse, commit chunk by chunk, store what is set aside, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from tapstack.consumer.chunk import BYTES_MAX, Chunk, derived_keys
from tapstack.consumer.packing import pack
from tapstack.consumer.patience import Patience
from tapstack.consumer.records import Delivery, Poison, StreamRecord, parse
from tapstack.consumer.workspace import Workspace
from tapstack.core.capacity import row_bytes, transaction_units
from tapstack.core.dedupe import DUP, LATE, Verdict
from tapstack.errors import Throttled, Unavailable
from tapstack.ports import Clock, ObjectStore, RowWrite, StateTable

# Deliveries whose rows are read at a time: full reads of 100 rows are far cheaper than a few rows before each
# chunk, and a table that gives little still gives enough for some chunks to be committed.
READ_AHEAD = 300


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
        How old an event may be when it arrives; an older one that no row knows is LATE. Must be
        shorter than `row_ttl_s`, since an expired row no longer knows what it counted.
    """

    lanes: int
    row_ttl_s: int
    age_max_s: int


_LATE_REASON = "it may have been counted and is no longer remembered, or its rows exceed a transaction"


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What the consumer works with."""

    table: StateTable
    quarantine: ObjectStore
    late: ObjectStore
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
    quarantine_keys
        Names of the objects that hold what was quarantined.
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
    quarantine_keys: list[str] = []


def consume(
    records: Sequence[StreamRecord], world: World, limits: Limits, remaining_ms: Callable[[], int]
) -> Report:
    """Make every record of a batch durable: counted, known as counted, stored as late, or quarantined.

    Parameters
    ----------
    records
        The batch of one shard in stream order.
    world
        The table, the buckets, time.
    limits
        The configuration.
    remaining_ms
        Tells how long the invocation may still run.

    Returns
    -------
    Report
        Names the record to resume from, if any. Records after it may be done too: they are
        recognised when they come again.
    """
    report = Report(records=len(records))
    deliveries, poison = parse(records, lanes=limits.lanes, age_max_s=limits.age_max_s)
    open_parts = Counter([each.position for each in deliveries] + [bad.position for bad in poison])
    invocation = _Invocation(records, world, limits, remaining_ms, report, open_parts)
    try:
        late = invocation.apply(pack(deliveries))
        invocation.set_aside(poison, late)
    except Unavailable as error:
        error.__traceback__ = None  # frames that hold the batch, and the error: a cycle
        report.reason = f"{type(error).__name__}: {error}"
        report.resume_from = records[
            min(position for position, count in open_parts.items() if count)
        ].sequence_number
    return report


class _Invocation:
    """One invocation's progress: which parts of which records are still open."""

    def __init__(
        self,
        records: Sequence[StreamRecord],
        world: World,
        limits: Limits,
        remaining_ms: Callable[[], int],
        report: Report,
        open_parts: Counter[int],
    ) -> None:
        self._records = records
        self._world = world
        self._limits = limits
        self._report = report
        self._open_parts = open_parts
        self._patience = Patience(world.clock, world.jitter, remaining_ms)
        self._workspace = Workspace(world.table, self._patience)

    def apply(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Commit all deliveries, as many at a time as fit one transaction; tell which are LATE."""
        late: list[Delivery] = []
        start = read = 0
        while start < len(deliveries):
            self._patience.check()
            if read - start < READ_AHEAD // 2:
                ahead = deliveries[read : read + READ_AHEAD]
                self._workspace.load(delivery.user_key for delivery in ahead)
                self._workspace.load(derived_keys(ahead, self._workspace))
                read += len(ahead)
            verdicts = self._commit_chunk(deliveries[start:read])
            start += len(verdicts)
            late += self._settle(verdicts)
        return late

    def set_aside(self, poison: Sequence[Poison], late: Sequence[Delivery]) -> None:
        """Keep what is not counted where a person can look at it and send it again.

        Last, so that a bucket that fails holds up no counting; and in the order of the stream, so that
        however slow it is, the record to resume from moves on with every invocation.
        """
        aside: list[tuple[int, int, Poison | Delivery]] = [(bad.position, 0, bad) for bad in poison]
        aside += [(delivery.position, delivery.part, delivery) for delivery in late]
        for position, part, what in sorted(aside, key=lambda entry: entry[:2]):
            record = self._records[position]
            if isinstance(what, Poison):
                key = self._store(self._world.quarantine, "quarantine", record, part, what.reason)
                self._report.quarantine_keys.append(key)
                self._report.quarantined += 1
            else:
                self._store(self._world.late, "late", record, part, _LATE_REASON)
                self._report.late += 1
            self._open_parts[position] -= 1

    def _commit_chunk(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Verdict]]:
        """Commit the next chunk, deciding anew as often as somebody else was faster; tell the verdicts."""
        attempt, end = 0, len(deliveries)
        while True:
            chunk = Chunk(self._workspace, self._limits.row_ttl_s)
            for delivery in deliveries[:end]:
                if not chunk.add(delivery):
                    break
            writes = self._writes(chunk)
            if sum([len(write.state) for write in writes]) > BYTES_MAX:
                if len(chunk.verdicts) > 1:
                    end = len(chunk.verdicts) // 2  # rows far larger than usual: fewer at a time
                    continue
                return [(deliveries[0], LATE)]  # no transaction will ever hold them
            refused = self._commit(writes)
            if refused is None:
                return chunk.verdicts
            self._patience.pause(attempt, refused)
            self._workspace.load(delivery.user_key for delivery in deliveries)
            attempt += 1

    def _writes(self, chunk: Chunk) -> list[RowWrite]:
        """Tell what a chunk writes; the rows it needs are read."""
        self._workspace.load(chunk.keys())
        return chunk.writes()

    def _commit(self, writes: Sequence[RowWrite]) -> Unavailable | None:
        """Try to commit once; afterwards the workspace knows what the table is known to hold."""
        if not writes:
            return None
        try:
            conflict = self._world.table.commit(writes)
        except Throttled as error:
            return error  # nothing was written: what is known of the rows is as true as before
        except Unavailable as error:
            self._workspace.forget(write.key for write in writes)
            return error
        if conflict is None:
            self._workspace.note_written(writes)
            self._count(writes)
            return None
        self._report.conflicts += 1
        if conflict.contended:
            self._workspace.forget(write.key for write in writes)
        self._workspace.note_images(conflict.images)
        return Throttled("rows changed under every attempt to commit")

    def _settle(self, verdicts: Sequence[tuple[Delivery, Verdict]]) -> list[Delivery]:
        """Note that deliveries are done, counted now or before; tell those that are LATE instead."""
        late = [delivery for delivery, verdict in verdicts if verdict is LATE]
        duplicates = sum([verdict is DUP for _, verdict in verdicts])
        for position in [delivery.position for delivery, verdict in verdicts if verdict is not LATE]:
            self._open_parts[position] -= 1
        self._report.duplicates += duplicates
        self._report.applied += len(verdicts) - len(late) - duplicates
        return late

    def _store(self, bucket: ObjectStore, prefix: str, record: StreamRecord, index: int, reason: str) -> str:
        """Store a record durably; tell the object's name."""
        key = f"{prefix}/{record.shard_id}/{record.sequence_number}-{index}.json"
        body = msgspec.json.encode(
            {
                "reason": reason,
                "shard_id": record.shard_id,
                "sequence_number": record.sequence_number,
                "arrived_at_s": record.arrived_at_s,
                "data": record.data,
            }
        )
        attempt = 0
        while True:
            self._patience.check()
            try:
                bucket.put(key, body)
            except Unavailable as error:
                self._patience.pause(attempt, error)
                attempt += 1
            else:
                return key

    def _count(self, writes: Sequence[RowWrite]) -> None:
        self._report.transactions += 1
        self._report.rows_written += len(writes)
        sizes = [row_bytes(write.key, write.state) for write in writes]
        self._report.write_units += transaction_units(sizes)
