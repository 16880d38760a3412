"""Shards over time: found, read from the right place, given to lanes, drained, followed by their children."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from msgspec.structs import replace

from tapstack_emulator.event_source_mapping import lanes
from tapstack_emulator.event_source_mapping.draft import Draft
from tapstack_emulator.event_source_mapping.filters import passes
from tapstack_emulator.event_source_mapping.model import (
    CheckpointMoved,
    Fetch,
    FetchFailed,
    Lane,
    ListShards,
    Position,
    RecordsFetched,
    Shard,
    ShardDrained,
    ShardInfo,
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
    """Begin to read every shard whose parents are finished; a parent nobody knows has expired."""
    for shard_id in tuple(draft.shards):
        shard = draft.shards[shard_id]
        if shard.phase != "waiting":
            continue
        parents = [draft.shards[name] for name in shard.parents if name in draft.shards]
        if draft.children_first or all(parent.phase == "drained" for parent in parents):
            indexes = range(draft.config.parallelization_factor)
            shard = replace(
                shard, phase="active", next_fetch_ms=draft.now_ms, lanes=tuple(Lane(index=i) for i in indexes)
            )
            draft.shards[shard.shard_id] = shard
            pump(draft, shard.shard_id)


def pump(draft: Draft, shard_id: str) -> None:
    """Do all that a shard can do now: deliver, move its checkpoint, drain, fetch."""
    shard = draft.shards[shard_id]
    if shard.phase != "active" or draft.status != "Enabled":
        return
    held = _held(shard)
    moved = tuple(lanes.advance(draft, shard_id, lane, held=held) for lane in shard.lanes)
    shard = _move_checkpoint(draft, replace(shard, lanes=moved))
    if shard.end_reached and all(_empty(lane) for lane in shard.lanes):
        draft.shards[shard_id] = replace(shard, phase="drained", lanes=(), millis_behind=0)
        draft.emit(ShardDrained(shard_id))
        draft.emit(ListShards())
        promote(draft)
        return
    if _wants_page(draft, shard) and shard.next_fetch_ms <= draft.now_ms:
        shard = _fetch(draft, shard)
    draft.shards[shard_id] = shard


def put_lane(draft: Draft, shard: Shard, lane: Lane) -> None:
    """Replace one lane of a shard; the checkpoint follows."""
    changed = (*shard.lanes[: lane.index], lane, *shard.lanes[lane.index + 1 :])
    draft.shards[shard.shard_id] = _move_checkpoint(draft, replace(shard, lanes=changed))


def due_ms(draft: Draft, shard: Shard) -> int | None:
    """Tell when time alone lets the shard do something."""
    if shard.phase != "active":
        return None
    held = _held(shard)
    moments = [lanes.due_ms(draft, lane, held=held) for lane in shard.lanes]
    if _wants_page(draft, shard):
        moments.append(shard.next_fetch_ms)
    return min((moment for moment in moments if moment is not None), default=None)


def _held(shard: Shard) -> bool:
    return any(lane.holds_shard for lane in shard.lanes)


def _empty(lane: Lane) -> bool:
    return lane.phase == "idle" and not lane.work and not lane.buffer


def _move_checkpoint(draft: Draft, shard: Shard) -> Shard:
    """Find the last record before which everything is settled, in every lane.

    With several lanes this is the best lane checkpoint below the first outstanding record, which may lie a
    little before the truth but never after it. Numbers are compared as integers of 56 digits.
    """
    outstanding = [number for lane in shard.lanes if (number := lanes.first_outstanding(lane)) is not None]
    if not outstanding:
        best = shard.fetched
    else:
        low = min(map(int, outstanding))
        known = [shard.checkpoint, *(lane.checkpoint for lane in shard.lanes)]
        best = max((number for number in known if number and int(number) < low), key=int, default=None)
    if best is None or best == shard.checkpoint:
        return shard
    draft.emit(CheckpointMoved(shard_id=shard.shard_id, lane=None, sequence_number=best))
    return replace(shard, checkpoint=best)


# ---------------------------------------------------------------- reading


def _wants_page(draft: Draft, shard: Shard) -> bool:
    """Read ahead by one round of batches, and further only for lanes that would else stand idle."""
    if shard.end_reached or shard.fetch_id is not None:
        return False
    size = draft.config.batch_size
    held = sum(len(lane.buffer) for lane in shard.lanes)
    if held < size * len(shard.lanes):
        return True
    hungry = any(not lane.work and len(lane.buffer) < size for lane in shard.lanes)
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
                draft.pacing.page_records_max, max(1_000, 2 * draft.config.batch_size * len(shard.lanes))
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
    """Tell where an iterator of the shard must be taken."""
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
    """Give each record that passes the filters to the lane of its partition key."""
    patterns = draft.config.filter_patterns
    passed = [record for record in records if passes(patterns, record)] if patterns else list(records)
    draft.metric("PolledEventCount", len(records), shard.shard_id)
    draft.metric("FilteredOutEventCount", len(records) - len(passed), shard.shard_id)
    shares: list[list[Record]] = [[] for _ in shard.lanes]
    for record in passed:
        # Which sub-batcher a key falls to is not documented; only that it is always the same one.
        index = crc32(record.partition_key.encode()) % len(shares) if len(shares) > 1 else 0
        shares[index].append(record)
    measure = draft.envelope(shard.shard_id).record_bytes
    changed = []
    for lane, all_of_share in zip(shard.lanes, shares, strict=True):
        share = _unfinished(lane, all_of_share)
        if share and not lane.buffer and not lane.work:
            lane = replace(lane, window_from_ms=draft.now_ms)  # noqa: PLW2901 - the same lane
        if share:
            size = lane.buffer_bytes + sum(map(measure, share)) + len(share)
            lane = replace(lane, buffer=(*lane.buffer, *share), buffer_bytes=size)  # noqa: PLW2901
        changed.append(lane)
    return replace(shard, lanes=tuple(changed))


def _unfinished(lane: Lane, records: list[Record]) -> list[Record]:
    if lane.skip_to is None:
        return records
    limit = int(lane.skip_to)
    return [record for record in records if int(record.sequence_number) > limit]


# ---------------------------------------------------------------- stopping


def busy(draft: Draft) -> bool:
    """Tell whether an invocation or a delivery is running."""
    return any(lane.phase != "idle" for shard in draft.shards.values() for lane in shard.lanes)


def rewind(draft: Draft) -> None:
    """Forget all that was read beyond the checkpoints; reading begins there again."""
    for shard in tuple(draft.shards.values()):
        if shard.phase == "active":
            draft.shards[shard.shard_id] = _rewound(draft, shard)


def _rewound(draft: Draft, shard: Shard) -> Shard:
    factor = draft.config.parallelization_factor
    skip = factor > 1 and len(shard.lanes) == factor and draft.ask("resume_lanes") == "lane_checkpoints"
    return replace(
        shard,
        fetched=shard.checkpoint,
        fetch_id=None,
        iterator=None,
        end_reached=False,
        troubles=0,
        lanes=tuple(
            Lane(index=i, checkpoint=shard.lanes[i].checkpoint, skip_to=shard.lanes[i].checkpoint)
            if skip
            else Lane(index=i, checkpoint=shard.checkpoint)
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
    """Begin to read again, at once."""
    for shard in tuple(draft.shards.values()):
        if shard.phase == "active":
            draft.shards[shard.shard_id] = replace(shard, next_fetch_ms=draft.now_ms)
            pump(draft, shard.shard_id)
    promote(draft)
