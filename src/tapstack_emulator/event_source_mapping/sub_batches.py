"""One sub-batch: form a batch and hand it out; `outcomes` judges the answer, `settling` gives it up.

With a parallelization factor of 1 a shard has one sub-batch.
"""

from __future__ import annotations

from msgspec.structs import replace

from tapstack_emulator.event_source_mapping.draft import Draft
from tapstack_emulator.event_source_mapping.model import Batch, Invoke, SubBatch
from tapstack_emulator.event_source_mapping.outcomes import fail
from tapstack_emulator.event_source_mapping.payload import (
    EVENT_FIXED_BYTES,
    PAYLOAD_BYTES_MAX,
    Record,
    ResponseContext,
    derived_id,
)
from tapstack_emulator.event_source_mapping.settling import discard, forget


def advance(draft: Draft, shard_id: str, sub_batch: SubBatch, *, held: bool) -> SubBatch:
    """Deliver what may be delivered now.

    Parameters
    ----------
    draft
        The step.
    shard_id
        The sub-batch's shard.
    sub-batch
        The sub-batch.
    held
        Whether another, failing sub-batch keeps this one from beginning a batch.
    """
    while sub_batch.phase == "idle":
        if not sub_batch.work:
            formed = None if held else _form(draft, shard_id, sub_batch)
            if formed is None:
                return sub_batch
            sub_batch = formed
        if sub_batch.work[0].retry_at_ms > draft.now_ms:
            return sub_batch
        sub_batch = _attempt(draft, shard_id, sub_batch)
    return sub_batch


def due_ms(draft: Draft, sub_batch: SubBatch, *, held: bool) -> int | None:
    """Return when `advance` has something to do, if only time is missing."""
    if sub_batch.phase != "idle":
        return None
    if sub_batch.work:
        return sub_batch.work[0].retry_at_ms
    if sub_batch.buffer and not held:
        return sub_batch.window_from_ms + draft.config.batching_window_s * 1000
    return None


def first_outstanding(sub_batch: SubBatch) -> str | None:
    """Name the sub-batch's first record that is not settled."""
    if sub_batch.unacknowledged:
        return sub_batch.unacknowledged[0]
    return sub_batch.buffer[0].sequence_number if sub_batch.buffer else None


def _form(draft: Draft, shard_id: str, sub_batch: SubBatch) -> SubBatch | None:
    """Take a batch from the buffer if its size, its bytes or its window say so."""
    if not sub_batch.buffer:
        return None
    size = draft.config.batch_size
    full = len(sub_batch.buffer) >= size or EVENT_FIXED_BYTES + sub_batch.buffer_bytes > PAYLOAD_BYTES_MAX
    if not full and draft.now_ms < sub_batch.window_from_ms + draft.config.batching_window_s * 1000:
        return None
    records, used_bytes = draft.fitting(
        shard_id, sub_batch.buffer, count_max=size, base_bytes=EVENT_FIXED_BYTES - 1
    )
    return replace(
        sub_batch,
        buffer=sub_batch.buffer[len(records) :],
        buffer_bytes=sub_batch.buffer_bytes - used_bytes,
        work=(Batch(batch_id=draft.new_id(), records=records),),
        unacknowledged=tuple(record.sequence_number for record in records),
    )


def _attempt(draft: Draft, shard_id: str, sub_batch: SubBatch) -> SubBatch:
    """Invoke with the batch at hand, after dropping from its head what has grown too old."""
    retention_ms = draft.pacing.retention_ms
    if retention_ms is not None:
        gone = _older_than(sub_batch.work[0].records, draft.now_ms - retention_ms)
        if gone:
            return forget(draft, shard_id, sub_batch, gone)
    if draft.config.record_age_max_s >= 0:
        aged = _older_than(sub_batch.work[0].records, draft.now_ms - draft.config.record_age_max_s * 1000)
        if aged:
            return discard(draft, shard_id, sub_batch, aged, "RecordAgeExceeded")
    batch = sub_batch.work[0]
    if len(batch.records) == 1 and _oversize(draft, shard_id, batch):
        # Invoke would refuse the request: RequestTooLargeException, 413.
        return fail(draft, shard_id, sub_batch, batch, ResponseContext(status_code=413))
    return _hand_out(draft, shard_id, sub_batch, batch)


def _older_than(records: tuple[Record, ...], moment_ms: int) -> int:
    """Count the records at the head that arrived before a moment."""
    return next((i for i, record in enumerate(records) if record.arrival_ms >= moment_ms), len(records))


def _oversize(draft: Draft, shard_id: str, batch: Batch) -> bool:
    event_bytes = draft.envelope(shard_id).event_bytes(batch.records)
    return event_bytes > PAYLOAD_BYTES_MAX and draft.ask("oversize_record") == "fail"


def _hand_out(draft: Draft, shard_id: str, sub_batch: SubBatch, batch: Batch) -> SubBatch:
    handout = batch.handouts + 1
    request_id = derived_id(draft.config, batch.batch_id, handout)
    draft.emit(
        Invoke(
            shard_id=shard_id,
            sub_batch=sub_batch.index,
            batch_id=batch.batch_id,
            handout=handout,
            attempt=batch.attempts + 1,
            records=batch.records,
            request_id=request_id,
        )
    )
    batch = replace(batch, handouts=handout, request_id=request_id)
    return replace(sub_batch, phase="invoking", work=(batch, *sub_batch.work[1:]))


def redeliver(draft: Draft, shard_id: str, sub_batch: SubBatch) -> None:
    """Invoke again with the last acknowledged batch; nobody waits for the answer."""
    if not sub_batch.acknowledged:
        return
    batch_id = draft.new_id()
    draft.emit(
        Invoke(
            shard_id=shard_id,
            sub_batch=sub_batch.index,
            batch_id=batch_id,
            handout=1,
            attempt=1,
            records=sub_batch.acknowledged,
            request_id=derived_id(draft.config, batch_id, 1),
            duplicate=True,
        )
    )
