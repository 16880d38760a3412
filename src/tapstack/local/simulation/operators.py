"""Operators: everything people and autoscalers do to a running pipeline, at bad moments."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Table

import msgspec

from tapstack.consumer.consume import Limits
from tapstack.local.event_source_mapping.config import MappingConfig
from tapstack.local.event_source_mapping.model import Redeliver, SetChildrenFirst
from tapstack.local.simulation.cloud import HASH_KEYS, RETENTION_H, STREAM, Cloud
from tapstack.local.simulation.collectors import Collectors
from tapstack.local.simulation.functions import Functions
from tapstack.local.simulation.kernel import DAY_US, Actor, Dice
from tapstack.local.simulation.mapping import DESTINATIONS, FUNCTION_ARN, STREAM_ARN, Mapping
from tapstack.local.simulation.plan import AGE_MAX_S, ROW_TTL_S, Shape
from tapstack.local.simulation.poison import draw_poison, large_poison

REDRIVE_MAX_S = 15 * 86_400  # see clients.RESEND_MAX_US
_decode = msgspec.json.Decoder().decode


class Operators:
    """What may be done, by the name of the fault it is.

    Parameters
    ----------
    cloud, functions, collectors
        What it is done to.
    shape
        The run's sizes.
    """

    def __init__(self, cloud: Cloud, functions: Functions, collectors: Collectors, shape: Shape) -> None:
        self.cloud, self.functions, self.collectors, self.shape = cloud, functions, collectors, shape
        self.mappings: list[Mapping] = []
        self.finished = 0
        self.must_replay = False
        self._created = 0
        self.started = 0
        self._actions: Table[str, Callable[[Actor], None]] = {
            "C3": self._days,
            "C4": self._poison,
            "C5": self._hot_key,
            "S2": self._duplicate,
            "S3": self._reshard,
            "S4": self._spread,
            "S5": self._stall,
            "E4": self._redeliver,
            "E11": self._disable,
            "E12": self._recreate,
            "E13": self._second_mapping,
            "E14": self._factor,
            "E15": self._give_up,
            "O1": self._deploy,
            "O2": self._redrive,
            "O3": self._redrive,
            "O4": self._replay,
            "O6": self._deny,
            "O7": self._jump,
        }

    def start(self) -> None:
        """Start an actor for each action, each at a time of its own."""
        dice = Dice(self.cloud.kernel.seed, "operators")
        names = [name for name in self._actions if self.cloud.ledger.enabled(name)]
        if self.shape.habit == "seldom" and names:
            names += ["C3"] * 2 * len(names)
        for number in range(self.shape.actions + 2):
            if not names:
                return
            name = dice.random.choice(names)
            when_us = int(dice.random.random() * self.shape.pace_us * 8)
            self.started += 1
            self.cloud.kernel.spawn(f"o{number}", self._act(name), when_us)

    def _act(self, name: str) -> Callable[[Actor], None]:
        def run(actor: Actor) -> None:
            if self.cloud.ledger.decide(actor, name, 1.0):
                self.cloud.kernel.trace(f"operator {name}")
                self._actions[name](actor)
            self.finished += 1

        return run

    def create_mapping(self, position: str = "TRIM_HORIZON", timestamp_ms: int | None = None) -> Mapping:
        """Create a mapping with the settings the product asks for."""
        self._created += 1
        bisect = self.cloud.ledger.enabled("E6")
        mapping = Mapping(
            f"m{self._created}",
            self.cloud,
            self.functions,
            MappingConfig(
                event_source_arn=STREAM_ARN,
                function_arn=FUNCTION_ARN,
                starting_position=position,  # type: ignore[arg-type] # one of its literals
                starting_position_timestamp_ms=timestamp_ms,
                uuid=f"00000000-0000-4000-8000-{self._created:012d}",
                batch_size=self.shape.batch_size,
                batching_window_s=self.shape.batching_window_s,
                parallelization_factor=self.shape.parallelization_factor,
                bisect_batch_on_function_error=bisect,
                report_batch_item_failures=True,
                destination_arn=DESTINATIONS["s3"],
            ),
        )
        self.mappings.append(mapping)
        return mapping

    def heal(self) -> None:
        """Put everything right again; faults have stopped."""
        cloud = self.cloud
        cloud.denied.clear()
        cloud.refused_key = None
        cloud.spreading = None
        self.collectors.clock_offset_ms = self.functions.clock_offset_ms = 0
        for mapping in self.mappings:
            if mapping.state.config.retry_attempts_max >= 0 or mapping.state.config.record_age_max_s >= 0:
                mapping.update(retry_attempts_max=-1, record_age_max_s=-1)
            mapping.enable()

    # Each of the rest is one action. Actors wait in between, so that everything else goes on.

    def _wait(self, actor: Actor, longest_us: int) -> None:
        self.cloud.kernel.sleep(actor.random.randrange(longest_us))

    def _living(self, actor: Actor) -> Mapping | None:
        living = [mapping for mapping in self.mappings if mapping.state.status != "Deleted"]
        return actor.random.choice(living) if living else None

    def _count(self, name: str) -> None:
        self.cloud.ledger.count(name)

    def days_left(self) -> float:
        """Tell how many days may pass before a record that is still needed expires."""
        waiting = self.cloud.checker.undone()
        if not waiting:
            return 60.0
        oldest_s = min(self.cloud.checker.records[key].arrived_s for key in waiting)
        return RETENTION_H / 24 - 1 - (self.cloud.kernel.now_ms / 1000 - oldest_s) / 86_400

    def pass_days(self, days: float) -> None:
        """Let days pass, which nothing that is running survives."""
        self.functions.end_all()
        self.collectors.end_all()
        self.cloud.pass_time(int(days * DAY_US))

    def _days(self, actor: Actor) -> None:
        days = actor.random.choice((0.1, 1.0, 3.0, 8.0, 20.0, 31.0, 40.0))
        if self.shape.habit == "seldom":
            days = max(days, 31.0)
        for _ in range(20):
            if days <= self.days_left():
                break
            self._wait(actor, 2_000_000)
        else:
            days = min(days, self.days_left())
        if days > 0:
            self.pass_days(days)
            self._count("C3")

    def _poison(self, actor: Actor) -> None:
        rng = actor.random
        large = large_poison(rng) if rng.random() < 0.03 else []
        for data in large or [draw_poison(rng) for _ in range(rng.randint(1, 4))]:
            self.cloud.checker.expect_poison(data)
            self.cloud.put_directly(f"k{actor.random.randrange(8)}", data)
            self._count("C4")
            if not large:
                self._wait(actor, 1_000_000)

    def _hot_key(self, actor: Actor) -> None:
        self.cloud.refused_key = f"user{actor.random.randrange(self.shape.users)}"
        self._wait(actor, 8_000_000)
        self.cloud.refused_key = None

    def _duplicate(self, actor: Actor) -> None:
        """Put copies of records on the stream, as a retrying producer or a replicated stream does."""
        for _ in range(actor.random.randint(1, 6)):
            self._put_again(actor)
            self._wait(actor, actor.random.choice((1, 500_000, 5_000_000)))

    def _put_again(self, actor: Actor) -> None:
        oldest_s = self.cloud.kernel.now_ms // 1000 - REDRIVE_MAX_S
        records = [r for r in self.cloud.checker.records.values() if r.arrived_s >= oldest_s]
        if records:
            record = actor.random.choice(records)
            key = f"k{actor.random.randrange(8)}" if record.fact is None else record.fact.pk[2:]
            self.cloud.put_directly(key, record.data)
            self._count("S2")

    def _reshard(self, actor: Actor) -> None:
        for mapping in self.mappings:
            if actor.random.random() < 0.3:
                mapping.feed(SetChildrenFirst(self.cloud.kernel.now_ms, allowed=True))
        for _ in range(actor.random.randint(1, 3)):
            if self._reshard_once(actor):
                self._count("S3")
            self._wait(actor, 3_000_000)

    def _reshard_once(self, actor: Actor) -> bool:
        cloud, rng = self.cloud, actor.random
        shards = [
            s for s in cloud.kinesis.shards(STREAM) if not s.sequence_number_range.ending_sequence_number
        ]
        shards.sort(key=lambda shard: int(shard.hash_key_range.starting_hash_key))
        chance = rng.random()
        is_on_demand = cloud.stream_mode() == "ON_DEMAND"  # then everything else is refused
        if chance < (0.5 if is_on_demand else 0.1):
            mode = {"StreamMode": "PROVISIONED" if is_on_demand else "ON_DEMAND"}
            return cloud.reshard("UpdateStreamMode", StreamARN=STREAM_ARN, StreamModeDetails=mode)
        if chance < 0.25:
            count = rng.randint(1, 2 * len(shards))
            return cloud.reshard("UpdateShardCount", TargetShardCount=count, ScalingType="UNIFORM_SCALING")
        if chance < 0.55 and len(shards) > 1:
            left = rng.randrange(len(shards) - 1)
            return cloud.reshard(
                "MergeShards",
                ShardToMerge=shards[left].shard_id,
                AdjacentShardToMerge=shards[left + 1].shard_id,
            )
        shard = rng.choice(shards)
        low, high = int(shard.hash_key_range.starting_hash_key), int(shard.hash_key_range.ending_hash_key)
        if high - low < HASH_KEYS >> 10 or len(shards) > 8:
            return False
        middle = rng.randrange(low + 1, high)
        return cloud.reshard("SplitShard", ShardToSplit=shard.shard_id, NewStartingHashKey=str(middle))

    def _spread(self, actor: Actor) -> None:
        self.cloud.spreading = actor
        self._wait(actor, 20_000_000)
        self.cloud.spreading = None

    def _stall(self, actor: Actor) -> None:
        """Stop every mapping until retention has ended for what waits."""
        for mapping in self.mappings:
            mapping.disable()
        self._wait(actor, 4_000_000)
        self.pass_days(RETENTION_H / 24 + 1)
        if any(self.is_expired(key) for key in self.cloud.checker.undone()):
            self._count("S5")
        for mapping in self.mappings:
            mapping.enable()

    def is_expired(self, key: tuple[str, str]) -> bool:
        """Tell whether retention has ended for a record."""
        arrived_s = self.cloud.checker.records[key].arrived_s
        return arrived_s < self.cloud.kernel.now_ms // 1000 - RETENTION_H * 3600 + 1

    def _redeliver(self, actor: Actor) -> None:
        for _ in range(actor.random.randint(1, 6)):
            mapping = self._living(actor)
            if mapping is not None and mapping.state.shards:
                shard = mapping.state.shards[actor.random.choice(list(mapping.state.shards))]
                horizon_ms = self.cloud.kernel.now_ms - RETENTION_H * 3_600_000
                lanes = [
                    lane.index
                    for lane in shard.lanes
                    if lane.acknowledged and lane.acknowledged[0].arrival_ms > horizon_ms
                ]
                if lanes and mapping.state.status == "Enabled":
                    lane = actor.random.choice(lanes)
                    mapping.feed(Redeliver(self.cloud.kernel.now_ms, shard.shard_id, lane))
                    self._count("E4")
            self._wait(actor, 1_500_000)

    def _disable(self, actor: Actor) -> None:
        mapping = self._living(actor)
        if mapping is not None:
            if mapping.disable():
                self._count("E11")
            self._wait(actor, 10_000_000)
            mapping.enable()

    def _recreate(self, actor: Actor) -> None:
        mapping = self._living(actor)
        if mapping is None:
            return
        mapping.delete()
        self._wait(actor, 2_000_000)
        position = actor.random.choice(("TRIM_HORIZON", "AT_TIMESTAMP", "AT_TIMESTAMP", "LATEST"))
        timestamp_ms = None
        if position == "LATEST":
            self.must_replay = True  # what was not read yet is skipped: an operator has to notice and replay
        elif position == "AT_TIMESTAMP":
            records = self.cloud.checker.records
            waiting = [records[key].arrived_s for key in self.cloud.checker.undone()]
            timestamp_ms = min([*waiting, self.cloud.kernel.now_ms // 1000]) * 1000
        self.create_mapping(position, timestamp_ms)
        self._count("E12")

    def _second_mapping(self, actor: Actor) -> None:
        if self._living(actor) is not None:
            self._count("E13")
        mapping = self.create_mapping()
        if actor.random.random() < 0.5:
            self._wait(actor, 20_000_000)
            if any(other is not mapping and other.state.status != "Deleted" for other in self.mappings):
                mapping.delete()

    def _factor(self, actor: Actor) -> None:
        mapping = self._living(actor)
        if mapping is not None:
            before = mapping.state.config.parallelization_factor
            factor = actor.random.choice([factor for factor in range(1, 11) if factor != before])
            mapping.update(parallelization_factor=factor)
            self._count("E14")

    def _give_up(self, actor: Actor) -> None:
        """Let the mapping discard what fails, which the product asks never to be configured."""
        mapping = self._living(actor)
        if mapping is None:
            return
        self.must_replay = True  # a destination of metadata, or one that fails, keeps no payload
        age_max_s = actor.random.choice((-1, 60, 120))
        mapping.update(
            retry_attempts_max=actor.random.randint(0, 2),
            record_age_max_s=age_max_s,
            destination_arn=DESTINATIONS[actor.random.choice(("s3", "s3", "sqs", "sns"))],
        )
        self.cloud.denied.add("consumer")
        self._wait(actor, 30_000_000)
        self.cloud.denied.discard("consumer")
        mapping.update(retry_attempts_max=-1, record_age_max_s=-1, destination_arn=DESTINATIONS["s3"])

    def _deploy(self, actor: Actor) -> None:
        for _ in range(actor.random.randint(1, 3)):
            if self.functions.running:
                self._count("O1")
            lanes = actor.random.choice([n for n in (1, 2, 3, 8, 40) if n != self.functions.limits.lanes])
            self.functions.deploy(Limits(lanes=lanes, row_ttl_s=ROW_TTL_S, age_max_s=AGE_MAX_S))
            self._wait(actor, 5_000_000)

    def _redrive(self, actor: Actor) -> None:
        """Send again what was given up or quarantined, perhaps twice, with the mapping running."""
        for _ in range(3):
            payloads = self._dead_letters()
            for key, data in payloads:
                times = actor.random.choice((1, 2))
                for _ in range(times):
                    self.cloud.put_directly(key, data)
                self._count("O2" if times == 2 else "O3")
                if any(mapping.state.status == "Enabled" for mapping in self.mappings):
                    self._count("O3")
            if payloads:
                return
            self._wait(actor, 4_000_000)

    def _dead_letters(self) -> list[tuple[str, bytes]]:
        """List what a redrive would put on the stream."""
        cloud = self.cloud
        keys = [("quarantine", key) for key in cloud.quarantine.keys()]  # noqa: SIM118 - a method
        keys += [("late", key) for key in cloud.late.keys()]  # noqa: SIM118 - a method
        found: list[tuple[str, str]] = []
        for _, key in keys:
            _, shard_id, name = key.split("/")
            found.append((shard_id, name.partition("-")[0]))
        for body in cloud.failures.values():
            failure = _decode(body)
            if "payload" in failure:
                records = _decode(failure["payload"])["Records"]
                shard_id = failure["KinesisBatchInfo"]["shardId"]
                found += [(shard_id, record["kinesis"]["sequenceNumber"]) for record in records]
        letters = []
        for place in dict.fromkeys(found):
            record = cloud.checker.records[place]
            if record.arrived_s >= cloud.kernel.now_ms // 1000 - REDRIVE_MAX_S:
                letters.append(("redriven" if record.fact is None else record.fact.pk[2:], record.data))
        return letters[:20]

    def _replay(self, actor: Actor) -> None:  # noqa: ARG002 - the shape of an action
        self.create_mapping()
        self._count("O4")

    def _deny(self, actor: Actor) -> None:
        role = actor.random.choice(("consumer", "bucket", "collector", "mapping"))
        self.cloud.denied.add(role)
        self._wait(actor, 10_000_000)
        self.cloud.denied.discard(role)

    def _jump(self, actor: Actor) -> None:
        offset_ms = actor.random.choice((-3_600_000, -5_000, 5_000, 7_200_000))
        if actor.random.random() < 0.5:
            self.collectors.clock_offset_ms = offset_ms
            running = self.collectors.running
        else:
            self.functions.clock_offset_ms = offset_ms
            running = self.functions.running
        for other in running.values():
            other.clock_offset_ms = offset_ms
        self._count("O7")
