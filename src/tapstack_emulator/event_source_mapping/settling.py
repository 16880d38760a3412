"""How records leave a sub-batch: acknowledged, discarded to the destination, or lost to retention."""

from __future__ import annotations

from msgspec.structs import replace

from tapstack_emulator.event_source_mapping.config import destination_kind
from tapstack_emulator.event_source_mapping.draft import Draft
from tapstack_emulator.event_source_mapping.model import (
    CheckpointMoved,
    Deliver,
    Discard,
    Skipped,
    SkipReason,
    SubBatch,
)
from tapstack_emulator.event_source_mapping.payload import (
    DiscardCondition,
    Record,
    derived_id,
    failure_record,
    s3_key,
)


def settle(draft: Draft, shard_id: str, sub_batch: SubBatch, records: tuple[Record, ...]) -> SubBatch:
    """Note that records are done; the checkpoint moves over every record before the first that is not."""
    done = sub_batch.done.union(record.sequence_number for record in records)
    order = sub_batch.unacknowledged
    count = next((i for i, number in enumerate(order) if number not in done), len(order))
    checkpoint = order[count - 1] if count else sub_batch.checkpoint
    if count:
        draft.emit(
            CheckpointMoved(shard_id=shard_id, sub_batch=sub_batch.index, sequence_number=order[count - 1])
        )
    sub_batch = replace(
        sub_batch, unacknowledged=order[count:], done=done.difference(order[:count]), checkpoint=checkpoint
    )
    if not sub_batch.work:
        # "The next window begins as soon as the previous function invocation completes."
        sub_batch = replace(sub_batch, window_from_ms=draft.now_ms, holds_shard=False)
    return sub_batch


def _cut(sub_batch: SubBatch, count: int) -> SubBatch:
    """Take records from the head of the batch at hand."""
    batch = sub_batch.work[0]
    rest = batch.records[count:]
    work = (replace(batch, records=rest), *sub_batch.work[1:]) if rest else sub_batch.work[1:]
    return replace(sub_batch, work=work)


def _skip(
    draft: Draft, shard_id: str, sub_batch: SubBatch, records: tuple[Record, ...], reason: SkipReason
) -> None:
    numbers = tuple(record.sequence_number for record in records)
    draft.emit(Skipped(shard_id=shard_id, sub_batch=sub_batch.index, sequence_numbers=numbers, reason=reason))


def forget(draft: Draft, shard_id: str, sub_batch: SubBatch, count: int) -> SubBatch:
    """Lose records to retention: no destination, and not counted as dropped."""
    records = sub_batch.work[0].records[:count]
    _skip(draft, shard_id, sub_batch, records, "retention")
    return settle(draft, shard_id, _cut(sub_batch, count), records)


def discard(
    draft: Draft, shard_id: str, sub_batch: SubBatch, count: int, condition: DiscardCondition
) -> SubBatch:
    """Give up records: to the destination if there is one, else they are gone."""
    batch = sub_batch.work[0]
    records = batch.records[:count]
    _skip(draft, shard_id, sub_batch, records, condition)
    sub_batch = _cut(sub_batch, count)
    config = draft.config
    kind = destination_kind(config.destination_arn)
    if kind is None or config.destination_arn is None:
        draft.metric("DroppedEventCount", count, shard_id)
        return settle(draft, shard_id, sub_batch, records)
    delivery_id = draft.new_id()
    request_id = batch.request_id or derived_id(config, "never-invoked", delivery_id)
    body = failure_record(
        config,
        shard_id,
        records,
        condition=condition,
        invoke_count=batch.attempts,
        response=batch.response,
        request_id=request_id,
        now_ms=draft.now_ms,
        with_payload=kind == "s3",
    )
    key = None
    if kind == "s3":
        key = s3_key(
            config, shard_id, now_ms=draft.now_ms, object_id=derived_id(config, "object", delivery_id)
        )
    draft.emit(
        Deliver(
            shard_id=shard_id,
            sub_batch=sub_batch.index,
            delivery_id=delivery_id,
            destination_arn=config.destination_arn,
            kind=kind,
            body=body,
            key=key,
        )
    )
    parcel = Discard(delivery_id=delivery_id, records=records, condition=condition)
    return replace(sub_batch, phase="delivering", discard=parcel)


def destination_finished(
    draft: Draft, shard_id: str, sub_batch: SubBatch, *, delivery_id: int, delivered: bool
) -> SubBatch:
    """Go on after the destination took the records, or lost them: there is no second try."""
    if sub_batch.discard is None or sub_batch.discard.delivery_id != delivery_id:
        return sub_batch
    records = sub_batch.discard.records
    if delivered:
        draft.metric("OnFailureDestinationDeliveredEventCount", len(records), shard_id)
    else:
        draft.metric("DestinationDeliveryFailures", 1, shard_id)
        draft.metric("DroppedEventCount", len(records), shard_id)
    return settle(draft, shard_id, replace(sub_batch, phase="idle", discard=None), records)
