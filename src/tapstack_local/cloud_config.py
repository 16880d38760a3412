"""The configuration of an embedded cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tapstack_local.blueprint import Blueprint
from tapstack_local.cloud_functions import embedded
from tapstack_local.faults.plan import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudConfig:
    """What to run.

    Parameters
    ----------
    shards
        Of the stream, ``>= 1``.
    port
        Of the load balancer; 0 chooses a free one.
    faults
        How much goes wrong.
    seed
        Of the faults and of what AWS leaves open.
    lanes
        Of the journal; as many as shards unless given.
    batch_size
        Records in one invocation of the consumer.
    batching_window_s
        Seconds to gather a batch.
    projection_patience_s
        How long the projector may get no further before what it left is said.
    log_level
        Of the functions.
    limited
        Whether shards refuse what exceeds their limits (1,000 records/s, 1 MiB/s).
    reshard
        Whether shards split and merge meanwhile; None leaves it to `faults`.
    origins
        Origins of the web pages that may use the API.
    sources
        The collector's ``TAPSTACK_SOURCES``; empty takes events of everybody.
    schemas
        Its ``TAPSTACK_SCHEMAS``; empty for none.
    enrichment
        The collector's variables for enrichment; empty for none.
    attributes
        ``TAPSTACK_ATTRIBUTES``: a file that ``tapstack package`` could have written; empty declares none.
    blueprint
        What to run instead of the embedded cloud's own functions and settings; shards, lanes, batches and
        log level are then the blueprint's.
    """

    shards: int = 2
    port: int = 0
    faults: Preset = "none"
    seed: int = 0
    lanes: int | None = None
    batch_size: int = 1_000
    batching_window_s: int = 0
    projection_patience_s: float = 60.0
    log_level: str = "INFO"
    limited: bool = False
    reshard: bool | None = None
    origins: tuple[str, ...] = ()
    sources: str = ""
    schemas: str = ""
    enrichment: Mapping[str, str] = field(default_factory=dict)
    attributes: str = ""
    blueprint: Blueprint | None = None

    def described(self) -> Blueprint:
        """Give what to run."""
        return self.blueprint or embedded(
            shards=self.shards,
            lanes=self.lanes or self.shards,
            batch_size=self.batch_size,
            batching_window_s=self.batching_window_s,
            log_level=self.log_level,
            sources=self.sources,
            schemas=self.schemas,
            enrichment=self.enrichment,
            attributes=self.attributes,
        )
