"""The mapping's state, and what goes in and out of the machine: plain data, nothing else."""

from __future__ import annotations

from typing import Literal

import msgspec

from tapstack_emulator.event_source_mapping.config import DestinationKind, MappingConfig, Pacing
from tapstack_emulator.event_source_mapping.payload import DiscardCondition, Record, ResponseContext
from tapstack_emulator.event_source_mapping.responses import InvokeResult

Status = Literal["Creating", "Enabling", "Enabled", "Disabling", "Disabled", "Updating", "Deleted"]
SubBatchPhase = Literal["idle", "invoking", "delivering"]
ShardPhase = Literal["waiting", "active", "drained"]
PositionKind = Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER"]
FetchTrouble = Literal["throttled", "expired_iterator", "unavailable", "gone"]
SkipReason = Literal["RetryAttemptsExhausted", "RecordAgeExceeded", "retention"]
MetricName = Literal[
    "IteratorAge",
    "DestinationDeliveryFailures",
    "PolledEventCount",
    "FilteredOutEventCount",
    "InvokedEventCount",
    "FailedInvokeEventCount",
    "DroppedEventCount",
    "OnFailureDestinationDeliveredEventCount",
]


class Position(msgspec.Struct, frozen=True):
    """Where a shard iterator is taken."""

    kind: PositionKind
    sequence_number: str | None = None
    timestamp_ms: int | None = None


class ShardInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A shard as ListShards or a parent's last page names it."""

    shard_id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


# ---------------------------------------------------------------- state


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Records that are delivered together.

    `attempts` counts invocations that used up a retry, `throttles` those in a row that did not, `handouts`
    all of them. `response` and `request_id` are the last invocation's.
    """

    batch_id: int
    records: tuple[Record, ...]
    attempts: int = 0
    throttles: int = 0
    handouts: int = 0
    retry_at_ms: int = 0
    response: ResponseContext | None = None
    request_id: str = ""


class Discard(msgspec.Struct, frozen=True, kw_only=True):
    """Records on their way to the on-failure destination."""

    delivery_id: int
    records: tuple[Record, ...]
    condition: DiscardCondition


class SubBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A sub-batch: the records of one shard whose partition keys fall to it, in order.

    `buffer` was read and is not yet in a batch; `work` holds the batches at hand, the first being delivered
    (a bisected batch leaves several); `unacknowledged` are the sequence numbers of `work` in stream order
    and `done` those among them already settled out of order. `checkpoint`: this sub-batch's records up to and
    including it are settled. `skip_to`: records up to it were settled before a restart.
    """

    index: int
    phase: SubBatchPhase = "idle"
    buffer: tuple[Record, ...] = ()
    buffer_bytes: int = 0
    window_from_ms: int = 0
    work: tuple[Batch, ...] = ()
    unacknowledged: tuple[str, ...] = ()
    done: frozenset[str] = frozenset()
    discard: Discard | None = None
    checkpoint: str | None = None
    skip_to: str | None = None
    acknowledged: tuple[Record, ...] = ()
    holds_shard: bool = False


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A shard as its poller sees it.

    `checkpoint`: every record of the shard up to and including it is settled. `fetched` is the last record
    read (beyond the checkpoint by what the sub-batches hold). `fetch_id` is set while a fetch is out.
    `iterator` is where the last page ended, None if a new one must be taken.
    """

    shard_id: str
    parents: tuple[str, ...]
    start: Position
    phase: ShardPhase = "waiting"
    checkpoint: str | None = None
    fetched: str | None = None
    fetch_id: int | None = None
    next_fetch_ms: int = 0
    troubles: int = 0
    iterator: str | None = None
    end_reached: bool = False
    millis_behind: int = 0
    sub_batches: tuple[SubBatch, ...] = ()


class MappingState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the mapping remembers.

    `activate_at_ms` is when a Creating, Enabling or Updating mapping begins to poll; `listed` whether the
    starting position has been given out; `timer_ms` the wake-up last asked for.
    """

    config: MappingConfig
    pacing: Pacing
    status: Status
    activate_at_ms: int
    shards: dict[str, Shard] = {}
    listed: bool = False
    retake_latest: bool = False
    list_at_ms: int | None = None
    children_first: bool = False
    next_id: int = 1
    timer_ms: int | None = None
    last_result: str = "No records processed"


# ---------------------------------------------------------------- inputs


class Tick(msgspec.Struct, frozen=True):
    """Time passed. Early and needless ticks do no harm."""

    now_ms: int


class ShardsListed(msgspec.Struct, frozen=True):
    """The complete answer to `ListShards`, closed shards within retention included."""

    now_ms: int
    shards: tuple[ShardInfo, ...]


class ListFailed(msgspec.Struct, frozen=True):
    """ListShards was throttled or not answered."""

    now_ms: int


class RecordsFetched(msgspec.Struct, frozen=True, kw_only=True):
    """One page. Without a `next_iterator` the shard ends here and its `children` follow."""

    now_ms: int
    shard_id: str
    fetch_id: int
    records: tuple[Record, ...] = ()
    millis_behind: int = 0
    next_iterator: str | None
    children: tuple[ShardInfo, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether the shard ends with this page."""
        return self.next_iterator is None


class FetchFailed(msgspec.Struct, frozen=True, kw_only=True):
    """GetShardIterator or GetRecords failed; ``gone``: the shard itself no longer exists."""

    now_ms: int
    shard_id: str
    fetch_id: int
    trouble: FetchTrouble


class InvocationFinished(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation ended. One that is not (or no longer) awaited is ignored, whatever it says."""

    now_ms: int
    shard_id: str
    sub_batch: int
    batch_id: int
    handout: int
    result: InvokeResult


class DestinationFinished(msgspec.Struct, frozen=True, kw_only=True):
    """The on-failure destination took a failure record, or did not."""

    now_ms: int
    shard_id: str
    sub_batch: int
    delivery_id: int
    delivered: bool


class Disable(msgspec.Struct, frozen=True):
    """UpdateEventSourceMapping with Enabled false."""

    now_ms: int


class Enable(msgspec.Struct, frozen=True):
    """UpdateEventSourceMapping with Enabled true."""

    now_ms: int


class Update(msgspec.Struct, frozen=True):
    """UpdateEventSourceMapping with other parameters; the starting position stays as created."""

    now_ms: int
    config: MappingConfig


class Delete(msgspec.Struct, frozen=True):
    """DeleteEventSourceMapping: the checkpoints are gone; a new mapping begins at its starting position."""

    now_ms: int


class SetChildrenFirst(msgspec.Struct, frozen=True):
    """A fault: children may be read before their parents are finished."""

    now_ms: int
    allowed: bool


class SetRetention(msgspec.Struct, frozen=True):
    """The stream's retention period changed."""

    now_ms: int
    retention_ms: int | None


class Redeliver(msgspec.Struct, frozen=True):
    """A fault: invoke with the sub-batch's last acknowledged batch once more; the checkpoint stays."""

    now_ms: int
    shard_id: str
    sub_batch: int = 0


Input = (
    Tick
    | ShardsListed
    | ListFailed
    | RecordsFetched
    | FetchFailed
    | InvocationFinished
    | DestinationFinished
    | Disable
    | Enable
    | Update
    | Delete
    | SetChildrenFirst
    | SetRetention
    | Redeliver
)

# ---------------------------------------------------------------- outputs


class ListShards(msgspec.Struct, frozen=True):
    """List all shards; answer with `ShardsListed` or `ListFailed`."""


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """Get a page: from `iterator`, or from a new one taken at `position`; exactly one of them is given."""

    shard_id: str
    fetch_id: int
    position: Position | None
    iterator: str | None
    limit: int


class Invoke(msgspec.Struct, frozen=True, kw_only=True):
    """Invoke the function with `records` of one shard.

    `attempt` is 1 for the first delivery. With `duplicate` the batch was acknowledged before and the result
    is of no consequence. `handout` tells apart deliveries of the same batch.
    """

    shard_id: str
    sub_batch: int
    batch_id: int
    handout: int
    attempt: int
    records: tuple[Record, ...]
    request_id: str
    duplicate: bool = False

    def finished(self, now_ms: int, result: InvokeResult) -> InvocationFinished:
        """Return the input that reports how it ended."""
        return InvocationFinished(
            now_ms=now_ms,
            shard_id=self.shard_id,
            sub_batch=self.sub_batch,
            batch_id=self.batch_id,
            handout=self.handout,
            result=result,
        )


class Deliver(msgspec.Struct, frozen=True, kw_only=True):
    """Send a failure record to the destination; `key` names the object when it is a bucket."""

    shard_id: str
    sub_batch: int
    delivery_id: int
    destination_arn: str
    kind: DestinationKind
    body: bytes
    key: str | None

    def finished(self, now_ms: int, *, delivered: bool) -> DestinationFinished:
        """Return the input that reports how it ended."""
        return DestinationFinished(
            now_ms=now_ms,
            shard_id=self.shard_id,
            sub_batch=self.sub_batch,
            delivery_id=self.delivery_id,
            delivered=delivered,
        )


class CheckpointMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Every earlier record of the sub-batch, or (with `sub_batch` None) of the shard, is settled."""

    shard_id: str
    sub_batch: int | None
    sequence_number: str


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """Records the checkpoint passes though the function never acknowledged them."""

    shard_id: str
    sub_batch: int
    sequence_numbers: tuple[str, ...]
    reason: SkipReason


class ShardDrained(msgspec.Struct, frozen=True):
    """A closed shard was read to its end and all of it is settled."""

    shard_id: str


class SetTimer(msgspec.Struct, frozen=True):
    """Send a `Tick` at this time; replaces the timer before it."""

    at_ms: int


class EmitMetric(msgspec.Struct, frozen=True):
    """A CloudWatch datum. The EventCount group is published only if the mapping opted in."""

    name: MetricName
    value: int
    shard_id: str = ""


class StatusChanged(msgspec.Struct, frozen=True):
    """The mapping's State as the API shows it."""

    status: Status


Output = (
    ListShards
    | Fetch
    | Invoke
    | Deliver
    | CheckpointMoved
    | Skipped
    | ShardDrained
    | SetTimer
    | EmitMetric
    | StatusChanged
)
