"""Actions on the stream: records from other producers, throttled keys, resharding."""

from __future__ import annotations

from tapstack_emulator.event_source_mapping.model import SetChildrenFirst
from tapstack_simulation.kernel import Actor
from tapstack_simulation.mapping import STREAM_ARN
from tapstack_simulation.observed_aws import HASH_KEYS, STREAM, ObservedAws
from tapstack_simulation.operators.mappings import Mappings
from tapstack_simulation.operators.redrive import REDRIVE_MAX_S
from tapstack_simulation.plan import Shape
from tapstack_simulation.poison import draw_poison, large_poison


class Stream:
    """Actions on the stream.

    Parameters
    ----------
    aws
        The services.
    mappings
        Who may read the children of a resharded stream before their parents.
    shape
        The run's sizes.
    """

    def __init__(self, aws: ObservedAws, mappings: Mappings, shape: Shape) -> None:
        self._aws, self._mappings, self._shape = aws, mappings, shape

    def poison(self, actor: Actor) -> None:
        """Put records that are not events (C4)."""
        rng = actor.random
        large = large_poison(rng) if rng.random() < 0.03 else []
        for data in large or [draw_poison(rng) for _ in range(rng.randint(1, 4))]:
            self._aws.checker.expect_poison(data)
            self._aws.put_directly(f"k{rng.randrange(8)}", data)
            self._aws.faults.count("C4")
            if not large:
                self._aws.kernel.sleep(rng.randrange(1_000_000))

    def refuse_hot_key(self, actor: Actor) -> None:
        """Refuse every entry of one key for a while (C5)."""
        name = f"user{actor.random.randrange(self._shape.users)}"
        self._aws.refused_key = self._aws.checker.promises.pseudonyms.of(name)
        self._aws.kernel.sleep(actor.random.randrange(8_000_000))
        self._aws.refused_key = None

    def close(self, actor: Actor) -> None:
        """Let Kinesis take no records for a while (C6)."""
        self._aws.is_stream_down = True
        self._aws.kernel.sleep(actor.random.randrange(actor.random.choice((5_000_000, 60_000_000))))
        if self._aws.faults.enabled("C7"):  # nor the buckets then: what is nowhere must not be acknowledged
            self.close_buckets(actor)
        self._aws.is_stream_down = False

    def close_buckets(self, actor: Actor) -> None:
        """Let no bucket take objects for a while (C7)."""
        self._aws.are_buckets_down = True
        self._aws.kernel.sleep(actor.random.randrange(actor.random.choice((5_000_000, 30_000_000))))
        self._aws.are_buckets_down = False

    def duplicate(self, actor: Actor) -> None:
        """Put copies of records on the stream, as a retrying producer or a replicated stream does (S2)."""
        rng = actor.random
        for _ in range(rng.randint(1, 6)):
            self._put_again(actor)
            self._aws.kernel.sleep(rng.randrange(rng.choice((1, 500_000, 5_000_000))))

    def _put_again(self, actor: Actor) -> None:
        oldest_s = self._aws.kernel.now_ms // 1000 - REDRIVE_MAX_S
        records = [r for r in self._aws.checker.records.values() if r.arrived_s >= oldest_s]
        if records:
            record = actor.random.choice(records)
            key = f"k{actor.random.randrange(8)}" if record.fact is None else record.fact.pk[2:]
            self._aws.put_directly(key, record.data)
            self._aws.faults.count("S2")

    def reshard(self, actor: Actor) -> None:
        """Split, merge, scale or switch the mode, a few times; some mappings read children first (S3)."""
        for mapping in self._mappings.all:
            if actor.random.random() < 0.3:
                mapping.feed(SetChildrenFirst(self._aws.kernel.now_ms, allowed=True))
        for _ in range(actor.random.randint(1, 3)):
            if self._reshard_once(actor):
                self._aws.faults.count("S3")
            self._aws.kernel.sleep(actor.random.randrange(3_000_000))

    def _reshard_once(self, actor: Actor) -> bool:
        aws, rng = self._aws, actor.random
        shards = [s for s in aws.kinesis.shards(STREAM) if not s.sequence_number_range.ending_sequence_number]
        shards.sort(key=lambda shard: int(shard.hash_key_range.starting_hash_key))
        chance = rng.random()
        is_on_demand = aws.stream_mode() == "ON_DEMAND"  # then everything else is refused
        if chance < (0.5 if is_on_demand else 0.1):
            mode = {"StreamMode": "PROVISIONED" if is_on_demand else "ON_DEMAND"}
            return aws.reshard("UpdateStreamMode", StreamARN=STREAM_ARN, StreamModeDetails=mode)
        if chance < 0.25:
            count = rng.randint(1, 2 * len(shards))
            return aws.reshard("UpdateShardCount", TargetShardCount=count, ScalingType="UNIFORM_SCALING")
        if chance < 0.55 and len(shards) > 1:
            left = rng.randrange(len(shards) - 1)
            return aws.reshard(
                "MergeShards",
                ShardToMerge=shards[left].shard_id,
                AdjacentShardToMerge=shards[left + 1].shard_id,
            )
        shard = rng.choice(shards)
        low, high = int(shard.hash_key_range.starting_hash_key), int(shard.hash_key_range.ending_hash_key)
        if high - low < HASH_KEYS >> 10 or len(shards) > 8:
            return False
        middle = rng.randrange(low + 1, high)
        return aws.reshard("SplitShard", ShardToSplit=shard.shard_id, NewStartingHashKey=str(middle))

    def spread(self, actor: Actor) -> None:
        """Send records to any shard for a while, whatever their keys (S4)."""
        self._aws.spreading = actor
        self._aws.kernel.sleep(actor.random.randrange(20_000_000))
        self._aws.spreading = None

    def heal(self) -> None:
        """Refuse no key, spread no records and let everything be taken again."""
        self._aws.refused_key = None
        self._aws.spreading = None
        self._aws.is_stream_down = self._aws.are_buckets_down = False
