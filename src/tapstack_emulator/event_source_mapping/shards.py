"""Shards over time: found, read from the right place, distributed, drained, followed by their children."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from msgspec.structs import replace

from tapstack_emulator.event_source_mapping import sub_batches
from tapstack_emulator.event_source_mapping.draft import Draft
from tapstack_emulator.event_source_mapping.filters import passes
from tapstack_emulator.event_source_mapping.model import (
    CheckpointMoved,
    Fetch,
    FetchFailed,
    ListShards,
    Position,
    RecordsFetched,
    Shard,
    ShardDrained,
    ShardInfo,
    SubBatch,
)
from tapstack_emulator.event_source_mapping.payload import Record

_TRIM_HORIZON = Position("TRIM_HORIZON")


def adopt(draft: Draft, infos: Sequence[ShardInfo]) -> None:
    """Take up shards not seen before.

    The starting position applies to the shards of the first listing alone: a child found later begins at
    its own TRIM_HORIZON, as LATEST would lose what was written before it was found
    (awslabs/amazon-kinesis-client#751).
    """
    for info in infos:
        if info.shard_id in draft.shards:
            continue
        shard = Shard(shard_id=info.shard_id, parents=info.parents, start=_start(draft))
        if shard.start.kind == "LATEST" and info.closed:
            shard = replace(shard, phase="drained", end_reached=True)  # nothing will ever be new there
        draft.shards[info.shard_id] = shard
    promote(draft)


def _start(draft: Draft) -> Position:
    config = draft.config
    if draft.listed or config.starting_position == "TRIM_HORIZON":
        return _TRIM_HORIZON
    if config.starting_position == "LATEST":
        return Position("LATEST")
    return Position("AT_TIMESTAMP", timestamp_ms=config.starting_position_timestamp_ms)


def promote(draft: Draft) -> None:
    """Start reading every shard whose parents are finished; an unknown parent has expired."""
    for shard_id in tuple(draft.shards):
        shard = draft.shards[shard_id]
        if shard.phase != "waiting":
            continue
        parents = [draft.shards[name] for name in shard.parents if name in draft.shards]
        if draft.children_first or all(parent.phase == "drained" for parent in parents):
            indexes = range(draft.config.parallelization_factor)
            shard = replace(
                shard,
                phase="active",
                next_fetch_ms=draft.now_ms,
                sub_batches=tuple(SubBatch(index=i) for i in indexes),
            )
            draft.shards[shard.shard_id] = shard
            pump(draft, shard.shard_id)


def pump(draft: Draft, shard_id: str) -> None:
    """Do all that a shard can do now: deliver, move its checkpoint, drain, fetch."""
    shard = draft.shards[shard_id]
    if shard.phase != "active" or draft.status != "Enabled":
        return
    held = _held(shard)
    moved = tuple(
        sub_batches.advance(draft, shard_id, sub_batch, held=held) for sub_batch in shard.sub_batches
    )
    shard = _move_checkpoint(draft, replace(shard, sub_batches=moved))
    if shard.end_reached and all(_empty(sub_batch) for sub_batch in shard.sub_batches):
        draft.shards[shard_id] = replace(shard, phase="drained", sub_batches=(), millis_behind=0)
        draft.emit(ShardDrained(shard_id))
        draft.emit(ListShards())
        promote(draft)
        return
    if _wants_page(draft, shard) and shard.next_fetch_ms <= draft.now_ms:
        shard = _fetch(draft, shard)
    draft.shards[shard_id] = shard


def put_sub_batch(draft: Draft, shard: Shard, sub_batch: SubBatch) -> None:
    """Replace one sub-batch of a shard; the checkpoint follows."""
    changed = (*shard.sub_batches[: sub_batch.index], sub_batch, *shard.sub_batches[sub_batch.index + 1 :])
    draft.shards[shard.shard_id] = _move_checkpoint(draft, replace(shard, sub_batches=changed))


def due_ms(draft: Draft, shard: Shard) -> int | None:
    """Return when time alone lets the shard do something."""
    if shard.phase != "active":
        return None
    held = _held(shard)
    moments = [sub_batches.due_ms(draft, sub_batch, held=held) for sub_batch in shard.sub_batches]
    if _wants_page(draft, shard):
        moments.append(shard.next_fetch_ms)
    return min((moment for moment in moments if moment is not None), default=None)


def _held(shard: Shard) -> bool:
    return any(sub_batch.holds_shard for sub_batch in shard.sub_batches)


def _empty(sub_batch: SubBatch) -> bool:
    return sub_batch.phase == "idle" and not sub_batch.work and not sub_batch.buffer


def _move_checkpoint(draft: Draft, shard: Shard) -> Shard:
    """Find the last record before which everything is settled, in every sub-batch.

    With several sub-batches this is the best of their checkpoints below the first outstanding record, which
    may lie a little before the truth but never after it. Numbers are compared as integers of 56 digits.
    """
    outstanding = [
        number
        for sub_batch in shard.sub_batches
        if (number := sub_batches.first_outstanding(sub_batch)) is not None
    ]
    if not outstanding:
        best = shard.fetched
    else:
        low = min(map(int, outstanding))
        known = [shard.checkpoint, *(sub_batch.checkpoint for sub_batch in shard.sub_batches)]
        best = max((number for number in known if number and int(number) < low), key=int, default=None)
    if best is None or best == shard.checkpoint:
        return shard
    draft.emit(CheckpointMoved(shard_id=shard.shard_id, sub_batch=None, sequence_number=best))
    return replace(shard, checkpoint=best)


# ---------------------------------------------------------------- reading


def _wants_page(draft: Draft, shard: Shard) -> bool:
    """Read ahead by one round of batches, and further only for sub-batches that would else stand idle."""
    if shard.end_reached or shard.fetch_id is not None:
        return False
    size = draft.config.batch_size
    held = sum(len(sub_batch.buffer) for sub_batch in shard.sub_batches)
    if held < size * len(shard.sub_batches):
        return True
    hungry = any(not sub_batch.work and len(sub_batch.buffer) < size for sub_batch in shard.sub_batches)
    return hungry and held < draft.pacing.buffer_records_max


def _fetch(draft: Draft, shard: Shard) -> Shard:
    position = resume_position(shard) if shard.iterator is None else None
    fetch_id = draft.new_id()
    draft.emit(
        Fetch(
            shard_id=shard.shard_id,
            fetch_id=fetch_id,
            position=position,
            iterator=shard.iterator,
            limit=min(
                draft.pacing.page_records_max,
                max(1_000, 2 * draft.config.batch_size * len(shard.sub_batches)),
            ),
        )
    )
    start = shard.start
    if position is not None and position.kind == "LATEST":
        # Taken at activation. Should the iterator be lost before anything was read, the moment is kept, so
        # that only the documented windows (creation, update) can lose records.
        start = Position("AT_TIMESTAMP", timestamp_ms=draft.now_ms)
    return replace(shard, fetch_id=fetch_id, start=start)


def resume_position(shard: Shard) -> Position:
    """Return where an iterator of the shard must be taken."""
    if shard.fetched is not None:
        return Position("AFTER_SEQUENCE_NUMBER", sequence_number=shard.fetched)
    return shard.start


def on_page(draft: Draft, page: RecordsFetched) -> None:
    """Take a page; one that is not awaited is ignored."""
    shard = draft.shards.get(page.shard_id)
    if shard is None or shard.phase != "active" or shard.fetch_id != page.fetch_id:
        return
    at_once = bool(page.records) and page.millis_behind > 0
    shard = replace(
        shard,
        fetch_id=None,
        iterator=page.next_iterator,
        troubles=0,
        next_fetch_ms=draft.now_ms + (0 if at_once else draft.pacing.poll_interval_ms),
        fetched=page.records[-1].sequence_number if page.records else shard.fetched,
        end_reached=page.closed,
        millis_behind=page.millis_behind,
    )
    if page.records:
        shard = _distribute(draft, shard, page.records)
    draft.shards[shard.shard_id] = shard
    if page.closed:
        # A merged shard may have a parent that is not known yet; the listing will bring it in order.
        known = [child for child in page.children if all(name in draft.shards for name in child.parents)]
        adopt(draft, known)
    pump(draft, shard.shard_id)


def on_trouble(draft: Draft, failure: FetchFailed) -> None:
    """Take up reading again after a failed fetch, from the last record that was read."""
    shard = draft.shards.get(failure.shard_id)
    if shard is None or shard.phase != "active" or shard.fetch_id != failure.fetch_id:
        return
    wait_ms = draft.pacing.poll_interval_ms << min(shard.troubles, 5)
    expired = failure.trouble == "expired_iterator"
    shard = replace(
        shard,
        fetch_id=None,
        iterator=None if expired else shard.iterator,
        troubles=shard.troubles + 1,
        next_fetch_ms=draft.now_ms + (0 if expired and not shard.troubles else wait_ms),
        end_reached=failure.trouble == "gone",
    )
    draft.shards[shard.shard_id] = shard
    pump(draft, shard.shard_id)


def _distribute(draft: Draft, shard: Shard, records: tuple[Record, ...]) -> Shard:
    """Assign each record that passes the filters to the sub-batch of its partition key."""
    patterns = draft.config.filter_patterns
    passed = [record for record in records if passes(patterns, record)] if patterns else list(records)
    draft.metric("PolledEventCount", len(records), shard.shard_id)
    draft.metric("FilteredOutEventCount", len(records) - len(passed), shard.shard_id)
    shares: list[list[Record]] = [[] for _ in shard.sub_batches]
    for record in passed:
        # Which sub-batch a key falls to is not documented; only that it is always the same one.
        index = crc32(record.partition_key.encode()) % len(shares) if len(shares) > 1 else 0
        shares[index].append(record)
    measure = draft.envelope(shard.shard_id).record_bytes
    changed = []
    for sub_batch, all_of_share in zip(shard.sub_batches, shares, strict=True):
        share = _unfinished(sub_batch, all_of_share)
        if share and not sub_batch.buffer and not sub_batch.work:
            sub_batch = replace(sub_batch, window_from_ms=draft.now_ms)  # noqa: PLW2901 - the same sub-batch
        if share:
            size = sub_batch.buffer_bytes + sum(map(measure, share)) + len(share)
            sub_batch = replace(sub_batch, buffer=(*sub_batch.buffer, *share), buffer_bytes=size)  # noqa: PLW2901
        changed.append(sub_batch)
    return replace(shard, sub_batches=tuple(changed))


def _unfinished(sub_batch: SubBatch, records: list[Record]) -> list[Record]:
    if sub_batch.skip_to is None:
        return records
    limit = int(sub_batch.skip_to)
    return [record for record in records if int(record.sequence_number) > limit]


# ---------------------------------------------------------------- stopping


def busy(draft: Draft) -> bool:
    """Return whether an invocation or a delivery is running."""
    return any(
        sub_batch.phase != "idle" for shard in draft.shards.values() for sub_batch in shard.sub_batches
    )


def rewind(draft: Draft) -> None:
    """Forget all that was read beyond the checkpoints; reading begins there again."""
    for shard in tuple(draft.shards.values()):
        if shard.phase == "active":
            draft.shards[shard.shard_id] = _rewound(draft, shard)


def _rewound(draft: Draft, shard: Shard) -> Shard:
    factor = draft.config.parallelization_factor
    skip = (
        factor > 1
        and len(shard.sub_batches) == factor
        and draft.ask("resume_sub_batches") == "sub_batch_checkpoints"
    )
    return replace(
        shard,
        fetched=shard.checkpoint,
        fetch_id=None,
        iterator=None,
        end_reached=False,
        troubles=0,
        sub_batches=tuple(
            SubBatch(
                index=i, checkpoint=shard.sub_batches[i].checkpoint, skip_to=shard.sub_batches[i].checkpoint
            )
            if skip
            else SubBatch(index=i, checkpoint=shard.checkpoint)
            for i in range(factor)
        ),
    )


def retake_latest(draft: Draft) -> None:
    """Take a new LATEST iterator of every open shard: what was written meanwhile is missed."""
    for shard in tuple(draft.shards.values()):
        if shard.phase == "active":
            fresh = replace(shard, start=Position("LATEST"), fetched=None, checkpoint=None)
            draft.shards[shard.shard_id] = fresh


def restart(draft: Draft) -> None:
    """Start reading again, at once."""
    for shard in tuple(draft.shards.values()):
        if shard.phase == "active":
            draft.shards[shard.shard_id] = replace(shard, next_fetch_ms=draft.now_ms)
            pump(draft, shard.shard_id)
    promote(draft)
