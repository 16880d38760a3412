"""The embedded cloud's own blueprint: which functions it runs, and what leads to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tapstack_emulator.event_source_mapping import MappingConfig
from tapstack_emulator.lambda_host.config import ACCOUNT_ID, REGION, FunctionConfig
from tapstack_emulator.load_balancer.server import FixedResponse, ListenerRule, TargetGroup
from tapstack_local.blueprint import Blueprint, TableConfig

TABLE = "tapstack-behaviour"
STREAM = "tapstack-events"
QUARANTINE_BUCKET = "tapstack-quarantine"
LATE_BUCKET = "tapstack-late"
SPILL_BUCKET = "tapstack-spill"
FAILURES_BUCKET = "tapstack-failures"
FAILURES_QUEUE = "tapstack-failures"

COLLECTOR, CONSUMER, INSIGHTS = "tapstack-collector", "tapstack-consumer", "tapstack-insights"
PROJECTOR, DRAINER = "tapstack-projector", "tapstack-drainer"

ROW_TTL_DAYS = "400"
HISTORY = {"TAPSTACK_HISTORY_INTERACTIONS": "500", "TAPSTACK_HISTORY_DAYS": "90"}
COLLECTOR_WORKERS = 2
INSIGHTS_WORKERS = 1
PROJECTOR_WORKERS = 2  # an invocation that comes twice runs beside the next one, as it may in Lambda
CONSUMER_WORKERS_MAX = 16  # some 40 MB each; where there are more shards, their batches take turns


def consumer_workers(shards: int) -> int:
    """Return the number of workers of the consumer: one for each open shard, up to a bound."""
    return min(shards, CONSUMER_WORKERS_MAX)


PROJECTION_INTERVAL_S = 1.0  # deployed, it is longer, since folding less often costs less
DRAIN_INTERVAL_S = 1.0  # deployed, it is a minute
DRAINER_WORKERS = 1

TARGET_GROUPS = (
    TargetGroup(name="tapstack-collector", function=COLLECTOR),
    TargetGroup(name="tapstack-insights", function=INSIGHTS),
)
# As lib/tap_stack.tf deploys by default; a test compares them.
COLLECTOR_PATHS = (
    "/v1/events", "/v1/events/*", "/v1/batch", "/v1/batch/", "/v1/?", "/v1/?/",
    "/v1/track", "/v1/track/", "/v1/page", "/v1/page/", "/v1/identify", "/v1/identify/",
    "/v1/screen", "/v1/screen/", "/v1/group", "/v1/group/", "/v1/alias", "/v1/alias/",
    "/v1/import", "/v1/import/", "/v1/projects/*", "/v1/pixel/*", "/pixel/v1/*", "/beacon/v1/*",
    "/sourceConfig*", "/com.snowplowanalytics.snowplow/*", "/i", "/i/*",
    "/batch", "/batch/", "/e", "/e/", "/capture", "/capture/", "/events", "/events/",
    "/items", "/items/", "/users", "/users/", "/v1/cloudevents*", "/mp/collect*",
)  # fmt: skip
RULE_VALUES_MAX = 5  # so a service with more paths has several rules
RULES = (
    *(
        ListenerRule(
            priority=10 + start // RULE_VALUES_MAX,
            path_patterns=COLLECTOR_PATHS[start : start + RULE_VALUES_MAX],
            action="tapstack-collector",
        )
        for start in range(0, len(COLLECTOR_PATHS), RULE_VALUES_MAX)
    ),
    ListenerRule(
        priority=1000,
        path_patterns=("/v1/*", "/healthz*"),
        action="tapstack-insights",
    ),
)
DEFAULT_ACTION = FixedResponse(
    status=404,
    content_type="application/json",
    body='{"code":"not_found","message":"no such path or method"}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the functions find AWS.

    Parameters
    ----------
    dynamodb, s3, kinesis
        Addresses, such as ``http://127.0.0.1:4566``.
    """

    dynamodb: str
    s3: str
    kinesis: str

    def added_to(self, function: FunctionConfig) -> FunctionConfig:
        """Return the variables that lead every SDK to this cloud."""
        variables = {
            "AWS_ENDPOINT_URL_DYNAMODB": self.dynamodb,
            "AWS_ENDPOINT_URL_S3": self.s3,
            "AWS_ENDPOINT_URL_KINESIS": self.kinesis,
        }
        return replace(function, environment={**function.environment, **variables})


def embedded(
    *,
    shards: int,
    lanes: int,
    batch_size: int = 1_000,
    batching_window_s: int = 0,
    log_level: str = "INFO",
    sources: str = "",
    schemas: str = "",
    enrichment: Mapping[str, str] | None = None,
    attributes: str = "",
) -> Blueprint:
    """Describe the embedded cloud.

    Parameters
    ----------
    shards
        Of the stream.
    lanes
        Of the journal.
    batch_size
        Records in one invocation of the consumer.
    batching_window_s
        Seconds to gather a batch.
    log_level
        ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
    sources
        The collector's ``TAPSTACK_SOURCES``; empty takes events of everybody.
    schemas
        Its ``TAPSTACK_SCHEMAS``; empty for none.
    enrichment
        The collector's variables for enrichment.
    attributes
        ``TAPSTACK_ATTRIBUTES`` of the consumer and of insights; empty declares none.

    Returns
    -------
    Blueprint
        What `EmbeddedCloud` runs.
    """
    variables = environments(
        lanes=lanes, log_level=log_level, sources=sources, schemas=schemas, attributes=attributes
    )
    variables[COLLECTOR] |= enrichment or {}
    hosted = functions(variables, shards=shards)
    consumer = next(function for function in hosted if function.name == CONSUMER)
    return Blueprint(
        functions=tuple(hosted),
        stream=STREAM,
        shards=shards,
        table=TableConfig(name=TABLE),
        quarantine_bucket=QUARANTINE_BUCKET,
        late_bucket=LATE_BUCKET,
        buckets=(FAILURES_BUCKET,),
        queues=(FAILURES_QUEUE,),
        mapping=MappingConfig(
            event_source_arn=f"arn:aws:kinesis:{REGION}:{ACCOUNT_ID}:stream/{STREAM}",
            function_arn=consumer.arn,
            starting_position="TRIM_HORIZON",
            batch_size=batch_size,
            batching_window_s=batching_window_s,
            report_batch_item_failures=True,
            bisect_batch_on_function_error=True,
            destination_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{FAILURES_QUEUE}",
        ),
        projector=PROJECTOR,
        projection_interval_s=PROJECTION_INTERVAL_S,
        drainer=DRAINER,
        spill_bucket=SPILL_BUCKET,
        drain_interval_s=DRAIN_INTERVAL_S,
        target_groups=TARGET_GROUPS,
        rules=RULES,
        default_action=DEFAULT_ACTION,
    )


def environments(
    *, lanes: int, log_level: str, sources: str = "", schemas: str = "", attributes: str = ""
) -> dict[str, dict[str, str]]:
    """List each function's environment variables, with the deployed stack's default limits.

    Parameters
    ----------
    lanes
        Of the journal.
    log_level
        ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
    sources
        The collector's ``TAPSTACK_SOURCES``.
    schemas
        Its ``TAPSTACK_SCHEMAS``.
    attributes
        ``TAPSTACK_ATTRIBUTES`` of the consumer and of insights.

    Returns
    -------
    dict
        By function.
    """
    common = {"TAPSTACK_LOG_LEVEL": log_level}
    return {
        COLLECTOR: {
            **common,
            "TAPSTACK_STREAM": STREAM,
            "TAPSTACK_QUARANTINE_BUCKET": QUARANTINE_BUCKET,
            "TAPSTACK_SPILL_BUCKET": SPILL_BUCKET,
            "TAPSTACK_EVENT_BYTES_MAX": "32768",
            "TAPSTACK_EVENT_AGE_MAX_DAYS": "30",
            "TAPSTACK_REQUEST_BYTES_MAX": "1000000",
            "TAPSTACK_ALLOWED_ORIGINS": "",
            "TAPSTACK_SCHEMAS": schemas,
            "TAPSTACK_SOURCES": sources,
        },
        CONSUMER: {
            **common,
            "TAPSTACK_TABLE": TABLE,
            "TAPSTACK_QUARANTINE_BUCKET": QUARANTINE_BUCKET,
            "TAPSTACK_LATE_BUCKET": LATE_BUCKET,
            "TAPSTACK_LANES": str(lanes),
            "TAPSTACK_ROW_TTL_DAYS": ROW_TTL_DAYS,
            "TAPSTACK_EVENT_AGE_MAX_DAYS": "30",
            "TAPSTACK_SEARCH_USERS_MIN": "5",
            "TAPSTACK_ATTRIBUTES": attributes,
            **HISTORY,
        },
        DRAINER: {**common, "TAPSTACK_STREAM": STREAM, "TAPSTACK_SPILL_BUCKET": SPILL_BUCKET},
        PROJECTOR: {
            **common,
            "TAPSTACK_TABLE": TABLE,
            "TAPSTACK_ROW_TTL_DAYS": ROW_TTL_DAYS,
            "TAPSTACK_ATTRIBUTES": attributes,
        },
        INSIGHTS: {
            **common,
            "TAPSTACK_TABLE": TABLE,
            "TAPSTACK_READERS": "",
            "TAPSTACK_ATTRIBUTES": attributes,
            **HISTORY,
        },
    }


def functions(variables: Mapping[str, Mapping[str, str]], *, shards: int) -> list[FunctionConfig]:
    """List the functions; the consumer has a worker for each shard, up to a bound.

    Parameters
    ----------
    variables
        Each function's environment variables.
    shards
        Of the stream.

    Returns
    -------
    list[FunctionConfig]
        To be hosted.
    """
    return [
        FunctionConfig(
            name=COLLECTOR,
            handler="tapstack.entrypoints.collector.handler",
            environment=variables[COLLECTOR],
            timeout_s=30.0,
            memory_mb=512,
            workers=COLLECTOR_WORKERS,
        ),
        FunctionConfig(
            name=CONSUMER,
            handler="tapstack.entrypoints.consumer.handler",
            environment=variables[CONSUMER],
            timeout_s=120.0,
            memory_mb=1024,
            workers=consumer_workers(shards),
        ),
        FunctionConfig(
            name=PROJECTOR,
            handler="tapstack.entrypoints.projector.handler",
            environment=variables[PROJECTOR],
            timeout_s=120.0,
            memory_mb=1024,
            workers=PROJECTOR_WORKERS,
        ),
        FunctionConfig(
            name=DRAINER,
            handler="tapstack.entrypoints.drainer.handler",
            environment=variables[DRAINER],
            timeout_s=60.0,
            memory_mb=512,
            workers=DRAINER_WORKERS,
        ),
        FunctionConfig(
            name=INSIGHTS,
            handler="tapstack.entrypoints.insights.handler",
            environment=variables[INSIGHTS],
            timeout_s=30.0,
            memory_mb=512,
            workers=INSIGHTS_WORKERS,
        ),
    ]
