"""How records leave a lane: acknowledged, discarded to the destination, or lost to retention."""

from __future__ import annotations

from msgspec.structs import replace

from tapstack_emulator.event_source_mapping.config import destination_kind
from tapstack_emulator.event_source_mapping.draft import Draft
from tapstack_emulator.event_source_mapping.model import (
    CheckpointMoved,
    Deliver,
    Discard,
    Lane,
    Skipped,
    SkipReason,
)
from tapstack_emulator.event_source_mapping.payload import (
    DiscardCondition,
    Record,
    derived_id,
    failure_record,
    s3_key,
)


def settle(draft: Draft, shard_id: str, lane: Lane, records: tuple[Record, ...]) -> Lane:
    """Note that records are done; the checkpoint moves over every record before the first that is not."""
    done = lane.done.union(record.sequence_number for record in records)
    order = lane.unacknowledged
    count = next((i for i, number in enumerate(order) if number not in done), len(order))
    checkpoint = order[count - 1] if count else lane.checkpoint
    if count:
        draft.emit(CheckpointMoved(shard_id=shard_id, lane=lane.index, sequence_number=order[count - 1]))
    lane = replace(
        lane, unacknowledged=order[count:], done=done.difference(order[:count]), checkpoint=checkpoint
    )
    if not lane.work:
        # "The next window begins as soon as the previous function invocation completes."
        lane = replace(lane, window_from_ms=draft.now_ms, holds_shard=False)
    return lane


def _cut(lane: Lane, count: int) -> Lane:
    """Take records from the head of the batch at hand."""
    batch = lane.work[0]
    rest = batch.records[count:]
    work = (replace(batch, records=rest), *lane.work[1:]) if rest else lane.work[1:]
    return replace(lane, work=work)


def _skip(draft: Draft, shard_id: str, lane: Lane, records: tuple[Record, ...], reason: SkipReason) -> None:
    numbers = tuple(record.sequence_number for record in records)
    draft.emit(Skipped(shard_id=shard_id, lane=lane.index, sequence_numbers=numbers, reason=reason))


def forget(draft: Draft, shard_id: str, lane: Lane, count: int) -> Lane:
    """Lose records to retention: no destination, and not counted as dropped."""
    records = lane.work[0].records[:count]
    _skip(draft, shard_id, lane, records, "retention")
    return settle(draft, shard_id, _cut(lane, count), records)


def discard(draft: Draft, shard_id: str, lane: Lane, count: int, condition: DiscardCondition) -> Lane:
    """Give up records: to the destination if there is one, else they are gone."""
    batch = lane.work[0]
    records = batch.records[:count]
    _skip(draft, shard_id, lane, records, condition)
    lane = _cut(lane, count)
    config = draft.config
    kind = destination_kind(config.destination_arn)
    if kind is None or config.destination_arn is None:
        draft.metric("DroppedEventCount", count, shard_id)
        return settle(draft, shard_id, lane, records)
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
            lane=lane.index,
            delivery_id=delivery_id,
            destination_arn=config.destination_arn,
            kind=kind,
            body=body,
            key=key,
        )
    )
    parcel = Discard(delivery_id=delivery_id, records=records, condition=condition)
    return replace(lane, phase="delivering", discard=parcel)


def destination_finished(
    draft: Draft, shard_id: str, lane: Lane, *, delivery_id: int, delivered: bool
) -> Lane:
    """Go on after the destination took the records, or lost them: there is no second try."""
    if lane.discard is None or lane.discard.delivery_id != delivery_id:
        return lane
    records = lane.discard.records
    if delivered:
        draft.metric("OnFailureDestinationDeliveredEventCount", len(records), shard_id)
    else:
        draft.metric("DestinationDeliveryFailures", 1, shard_id)
        draft.metric("DroppedEventCount", len(records), shard_id)
    return settle(draft, shard_id, replace(lane, phase="idle", discard=None), records)
