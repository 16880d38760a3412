"""Actions on event source mappings: create, configure, disable, delete, create again."""

from __future__ import annotations

from tapstack_emulator.event_source_mapping.config import MappingConfig
from tapstack_emulator.event_source_mapping.model import Redeliver
from tapstack_simulation.functions import Functions
from tapstack_simulation.kernel import Actor
from tapstack_simulation.mapping import DESTINATIONS, FUNCTION_ARN, STREAM_ARN, Mapping
from tapstack_simulation.observed_aws import RETENTION_H, ObservedAws
from tapstack_simulation.plan import Shape


class Mappings:
    """All mappings of the run, and actions on them.

    Parameters
    ----------
    aws
        The services.
    functions
        What they invoke.
    shape
        The run's sizes.

    Attributes
    ----------
    all : list[Mapping]
        In the order of their creation, deleted ones included.
    must_replay : bool
        Whether an operator knows that records were skipped or given up without their payload.
    """

    def __init__(self, aws: ObservedAws, functions: Functions, shape: Shape) -> None:
        self.all: list[Mapping] = []
        self.must_replay = False
        self._aws, self._functions, self._shape = aws, functions, shape

    def create(self, position: str = "TRIM_HORIZON", timestamp_ms: int | None = None) -> Mapping:
        """Create a mapping with the settings the product asks for."""
        number = len(self.all) + 1
        mapping = Mapping(
            f"m{number}",
            self._aws,
            self._functions,
            MappingConfig(
                event_source_arn=STREAM_ARN,
                function_arn=FUNCTION_ARN,
                starting_position=position,  # type: ignore[arg-type] # one of its literals
                starting_position_timestamp_ms=timestamp_ms,
                uuid=f"00000000-0000-4000-8000-{number:012d}",
                batch_size=self._shape.batch_size,
                batching_window_s=self._shape.batching_window_s,
                parallelization_factor=self._shape.parallelization_factor,
                bisect_batch_on_function_error=self._aws.faults.enabled("E6"),
                report_batch_item_failures=True,
                destination_arn=DESTINATIONS["s3"],
            ),
        )
        self.all.append(mapping)
        return mapping

    def heal(self) -> None:
        """Make every mapping read again and discard nothing."""
        for mapping in self.all:
            if mapping.state.config.retry_attempts_max >= 0 or mapping.state.config.record_age_max_s >= 0:
                mapping.update(retry_attempts_max=-1, record_age_max_s=-1)
            mapping.enable()

    def _living(self, actor: Actor) -> Mapping | None:
        living = [mapping for mapping in self.all if mapping.state.status != "Deleted"]
        return actor.random.choice(living) if living else None

    # Each of the rest is one action. Actors wait in between, so that everything else goes on.

    def redeliver(self, actor: Actor) -> None:
        """Deliver acknowledged batches once more (E4)."""
        for _ in range(actor.random.randint(1, 6)):
            mapping = self._living(actor)
            if mapping is not None and mapping.state.shards:
                shard = mapping.state.shards[actor.random.choice(list(mapping.state.shards))]
                horizon_ms = self._aws.kernel.now_ms - RETENTION_H * 3_600_000
                sub_batches = [
                    sub_batch.index
                    for sub_batch in shard.sub_batches
                    if sub_batch.acknowledged and sub_batch.acknowledged[0].arrival_ms > horizon_ms
                ]
                if sub_batches and mapping.state.status == "Enabled":
                    sub_batch = actor.random.choice(sub_batches)
                    mapping.feed(Redeliver(self._aws.kernel.now_ms, shard.shard_id, sub_batch))
                    self._aws.faults.count("E4")
            self._aws.kernel.sleep(actor.random.randrange(1_500_000))

    def disable(self, actor: Actor) -> None:
        """Disable a mapping for a while (E11)."""
        mapping = self._living(actor)
        if mapping is not None:
            if mapping.disable():
                self._aws.faults.count("E11")
            self._aws.kernel.sleep(actor.random.randrange(10_000_000))
            mapping.enable()

    def recreate(self, actor: Actor) -> None:
        """Delete a mapping and create one at another position (E12)."""
        mapping = self._living(actor)
        if mapping is None:
            return
        mapping.delete()
        self._aws.kernel.sleep(actor.random.randrange(2_000_000))
        position = actor.random.choice(("TRIM_HORIZON", "AT_TIMESTAMP", "AT_TIMESTAMP", "LATEST"))
        timestamp_ms = None
        if position == "LATEST":
            self.must_replay = True  # what was not read yet is skipped: an operator has to notice and replay
        elif position == "AT_TIMESTAMP":
            records = self._aws.checker.records
            waiting = [records[key].arrived_s for key in self._aws.checker.undone()]
            timestamp_ms = min([*waiting, self._aws.kernel.now_ms // 1000]) * 1000
        self.create(position, timestamp_ms)
        self._aws.faults.count("E12")

    def add_second(self, actor: Actor) -> None:
        """Let two mappings read the stream at once, perhaps only for a while (E13)."""
        if self._living(actor) is not None:
            self._aws.faults.count("E13")
        mapping = self.create()
        if actor.random.random() < 0.5:
            self._aws.kernel.sleep(actor.random.randrange(20_000_000))
            if any(other is not mapping and other.state.status != "Deleted" for other in self.all):
                mapping.delete()

    def change_factor(self, actor: Actor) -> None:
        """Change a mapping's ParallelizationFactor (E14)."""
        mapping = self._living(actor)
        if mapping is not None:
            before = mapping.state.config.parallelization_factor
            factor = actor.random.choice([factor for factor in range(1, 11) if factor != before])
            mapping.update(parallelization_factor=factor)
            self._aws.faults.count("E14")

    def give_up(self, actor: Actor) -> None:
        """Make the mapping discard failed batches, which the product must never configure (E15)."""
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
        self._aws.denied.add("consumer")
        self._aws.kernel.sleep(actor.random.randrange(30_000_000))
        self._aws.denied.discard("consumer")
        mapping.update(retry_attempts_max=-1, record_age_max_s=-1, destination_arn=DESTINATIONS["s3"])

    def replay(self, actor: Actor) -> None:  # noqa: ARG002 - the shape of an action
        """Create a mapping that reads everything retained again (O4)."""
        self.create()
        self._aws.faults.count("O4")
