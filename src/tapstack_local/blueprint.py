"""What an embedded cloud consists of, as data: our own choice, or what Terraform applied."""

from __future__ import annotations

from dataclasses import dataclass

from tapstack_emulator.event_source_mapping import MappingConfig
from tapstack_emulator.lambda_host.config import REGION, FunctionConfig
from tapstack_emulator.load_balancer.server import NOT_FOUND, FixedResponse, ListenerRule, TargetGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class TableConfig:
    """A table whose keys are strings.

    Parameters
    ----------
    name
        Its name.
    partition_key, sort_key
        Names of its key attributes.
    ttl_attribute
        Attribute that holds when an item may be deleted.
    """

    name: str
    partition_key: str = "pk"
    sort_key: str = "sk"
    ttl_attribute: str = "ttl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A cloud to run.

    Parameters
    ----------
    functions
        Every function, with its own variables; where AWS is, the cloud adds.
    stream
        The stream's name.
    shards
        How many it has, ``>= 1``.
    table
        The table.
    quarantine_bucket, late_bucket
        Where the consumer stores dead letters.
    mapping
        The event source mapping; it names its function by ARN.
    projector
        Name of the function that folds the journal.
    projection_interval_s
        Seconds that its mapping on the table's stream gathers for.
    drainer
        Name of the function that puts spilled events on the stream.
    spill_bucket
        Where they wait.
    drain_interval_s
        Seconds between two runs of the drainer.
    target_groups, rules, default_action
        The load balancer's.
    buckets
        Further buckets, such as the mapping's on-failure destination.
    queues
        Queues, by name.
    region
        The AWS region.
    """

    functions: tuple[FunctionConfig, ...]
    stream: str
    shards: int
    table: TableConfig
    quarantine_bucket: str
    late_bucket: str
    mapping: MappingConfig
    projector: str
    projection_interval_s: float
    drainer: str
    spill_bucket: str
    drain_interval_s: float
    target_groups: tuple[TargetGroup, ...]
    rules: tuple[ListenerRule, ...]
    default_action: str | FixedResponse = NOT_FOUND
    buckets: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    region: str = REGION

    @property
    def table_stream_arn(self) -> str:
        """The table's stream; its label is when it was enabled."""
        return f"arn:aws:dynamodb:{self.region}:{self.account_id}:table/{self.table.name}/stream/local"

    @property
    def account_id(self) -> str:
        """The account that the functions belong to."""
        return self.functions[0].account_id

    @property
    def consumer(self) -> str:
        """Name of the function that the mapping invokes.

        Raises
        ------
        ValueError
            If the mapping invokes none of the functions.
        """
        for function in self.functions:
            if function.arn == self.mapping.function_arn:
                return function.name
        raise ValueError(f"the event source mapping invokes {self.mapping.function_arn}, which is not here")
