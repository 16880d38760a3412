"""The applied stack as a blueprint: what `terraform show -json` says, run by the embedded cloud.

Everything that leads to a function is read from the resources themselves, so that a wrong name in
``lib/tap_stack.tf`` shows here as it would in an account.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tapstack.core.journal import journal_partition
from tapstack.errors import UsageError
from tapstack_emulator.event_source_mapping import MappingConfig
from tapstack_emulator.event_source_mapping.filters import check_pattern, passes_view
from tapstack_emulator.lambda_host.config import FunctionConfig
from tapstack_emulator.processes.scratch import scratch_folder
from tapstack_local.blueprint import Blueprint, TableConfig
from tapstack_local.cloud_functions import COLLECTOR_WORKERS, PROJECTOR_WORKERS, consumer_workers
from tapstack_local.stack.packages import unpack
from tapstack_local.stack.routes import default_action, listener_rules, target_groups

ON_DEMAND_SHARDS = 4  # of a new on-demand stream; docs.aws.amazon.com/streams, read 2026-11-23
FARTHEST_LANES = (0, 999)  # of the 1,000 that TAPSTACK_LANES may name

# Parameters of the mapping: Terraform's names and the API's, which `MappingConfig.from_api` reads.
_MAPPING = {
    "uuid": "UUID",
    "event_source_arn": "EventSourceArn",
    "starting_position": "StartingPosition",
    "starting_position_timestamp": "StartingPositionTimestamp",
    "batch_size": "BatchSize",
    "maximum_batching_window_in_seconds": "MaximumBatchingWindowInSeconds",
    "parallelization_factor": "ParallelizationFactor",
    "maximum_retry_attempts": "MaximumRetryAttempts",
    "maximum_record_age_in_seconds": "MaximumRecordAgeInSeconds",
    "bisect_batch_on_function_error": "BisectBatchOnFunctionError",
    "tumbling_window_in_seconds": "TumblingWindowInSeconds",
    "function_response_types": "FunctionResponseTypes",
    "enabled": "Enabled",
}


class Stack:
    """The resources of a state or of a plan, by type.

    Parameters
    ----------
    document
        What ``terraform show -json`` says after an apply, or of a plan in which everything is known that
        leads to a function.

    Raises
    ------
    UsageError
        If it is neither.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._resources: dict[str, list[dict[str, Any]]] = {}
        for resource in _managed(document):
            self._resources.setdefault(resource["type"], []).append(resource)

    def all(self, kind: str, name: str | None = None) -> list[dict[str, Any]]:
        """Give the attributes of every resource of a type, or of those with a name in the stack."""
        found = self._resources.get(kind, [])
        return [resource["values"] for resource in found if name in {None, resource["name"]}]

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """Give the attributes of the only resource of a type, or of that with a name in the stack.

        Raises
        ------
        UsageError
            If there is none, or more than one.
        """
        found = self.all(kind, name)
        if len(found) != 1:
            raise UsageError(f"the stack must hold one {kind}, not {len(found)}; was it applied?")
        return found[0]


@contextmanager
def applied(source: str | None, packages: Path) -> Iterator[Blueprint | None]:
    """Give the blueprint of an applied stack, its packages unpacked for as long as the block runs.

    Parameters
    ----------
    source
        As for `show`; None gives no blueprint.
    packages
        Folder of the functions' zips.

    Yields
    ------
    Blueprint or None
        As `read_stack` makes it.
    """
    if source is None:
        yield None
        return
    with scratch_folder() as folder:
        yield read_stack(show(source), packages=packages, folder=folder)


def show(source: str) -> dict[str, Any]:
    """Read the stack's JSON.

    Parameters
    ----------
    source
        A file, or ``terraform`` to ask the state of ``lib/``.

    Raises
    ------
    UsageError
        If there is no such file, it is no JSON, or Terraform does not answer.
    """
    try:
        if source == "terraform":
            if not Path("lib").is_dir():
                raise UsageError(
                    "--stack terraform: no folder lib/ here; run it in the checkout, or give a file"
                )
            command = ["terraform", "-chdir=lib", "show", "-json", "-no-color"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                raise UsageError(f"terraform show: {_complaint(done.stderr)}")
            text = done.stdout
        else:
            text = Path(source).read_text()
        document = json.loads(text)
    except IsADirectoryError:
        raise UsageError(f"{source}: is a directory") from None
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: no such file or program") from None
    except ValueError as error:
        raise UsageError(f"{source} is no JSON of Terraform's: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"{source} is no JSON of Terraform's")
    return document


def _complaint(stderr: str) -> str:
    """Take the error out of the box that Terraform draws around it."""
    lines = [text for line in stderr.splitlines() if (text := line.strip("╷│╵ \t"))]
    return next(
        (line for line in lines if line.startswith("Error")), lines[-1] if lines else "no reason given"
    )


def read_stack(document: Mapping[str, Any], *, packages: Path, folder: Path) -> Blueprint:
    """Describe the applied stack to the embedded cloud.

    Parameters
    ----------
    document
        As `show` gives it.
    packages
        Folder of the functions' zips, built for this machine.
    folder
        Where they are unpacked, with AWS's runtime client beside them.

    Returns
    -------
    Blueprint
        Functions, mapping, routes and stores, with the stack's own names.

    Raises
    ------
    UsageError
        If something is missing, or not emulated.
    """
    stack = Stack(document)
    stream, table = stack.one("aws_kinesis_stream"), stack.one("aws_dynamodb_table")
    shards = stream.get("shard_count") or ON_DEMAND_SHARDS
    functions = {values["arn"]: values for values in stack.all("aws_lambda_function")}
    mapping = _mapping_of(stack, stream["arn"], "the stream")
    projection = _mapping_of(stack, table["stream_arn"], "the table's stream")
    consumer, projector = (_invoked(each, functions) for each in (mapping, projection))
    _check_that_the_journal_wakes(projection)
    variables = _variables(consumer)
    busy = {
        consumer["arn"]: consumer_workers(shards * (mapping.get("parallelization_factor") or 1)),
        projector["arn"]: PROJECTOR_WORKERS,
    }
    buckets = {values["bucket"] for values in stack.all("aws_s3_bucket")}
    dead_letters = {name: variables.get(f"TAPSTACK_{name}_BUCKET", "") for name in ("QUARANTINE", "LATE")}
    drainer = _scheduled(stack, functions)
    spill_bucket = _variables(drainer).get("TAPSTACK_SPILL_BUCKET", "")
    return Blueprint(
        functions=tuple(
            _function(values, packages, folder, busy.get(arn, COLLECTOR_WORKERS))
            for arn, values in functions.items()
        ),
        stream=stream["name"],
        shards=shards,
        table=_table(table),
        quarantine_bucket=_known(dead_letters["QUARANTINE"], buckets),
        late_bucket=_known(dead_letters["LATE"], buckets),
        drainer=drainer["function_name"],
        spill_bucket=_known(spill_bucket, buckets),
        drain_interval_s=_interval_s(stack),
        buckets=tuple(sorted(buckets - {*dead_letters.values(), spill_bucket})),
        mapping=_mapping(mapping, consumer),
        projector=projector["function_name"],
        projection_interval_s=float(projection.get("maximum_batching_window_in_seconds") or 0),
        target_groups=target_groups(stack.all),
        rules=listener_rules(stack.all),
        default_action=default_action(stack.all),
        region=stream["arn"].split(":")[3],
    )


def _scheduled(stack: Stack, functions: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the function that the schedule invokes."""
    arn = stack.one("aws_cloudwatch_event_target")["arn"]
    if arn not in functions:
        raise UsageError(f"--stack: the schedule invokes {arn}, which is no function of the stack")
    return functions[arn]


def _interval_s(stack: Stack) -> float:
    """Return the seconds of a schedule in minutes."""
    said = str(stack.one("aws_cloudwatch_event_rule")["schedule_expression"])
    minutes = re.fullmatch(r"rate\((\d+) minutes?\)", said)
    if minutes is None:
        raise UsageError(f"--stack: expected a schedule such as rate(1 minute), got {said!r}")
    return 60.0 * int(minutes[1])


def _managed(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield type, name and attributes of the resources, those of a plan as they will be."""
    values = document.get("values") or document.get("planned_values") or {}
    resources = values.get("root_module", {}).get("resources")
    if resources is None:
        resources = [
            {**change, "values": change["change"]["after"] or {}}
            for change in document.get("resource_changes", [])
        ]
    if not resources:
        raise UsageError("Terraform knows no resources; was the stack applied?")
    yield from (resource for resource in resources if resource["mode"] == "managed")


def _mapping_of(stack: Stack, source_arn: str, source: str) -> dict[str, Any]:
    """Return the event source mapping that reads a source."""
    mappings = stack.all("aws_lambda_event_source_mapping")
    found = [each for each in mappings if each["event_source_arn"] == source_arn]
    if len(found) == 1 and found[0].get("enabled") is False:
        raise UsageError(f"the event source mapping of {source} is not enabled")
    if len(found) != 1:
        others = ", ".join(each["event_source_arn"] for each in mappings if each not in found)
        raise UsageError(
            f"one event source mapping must read {source}, {source_arn}, not {len(found)}; "
            f"others read {others or 'nothing'}"
        )
    return found[0]


def _invoked(mapping: Mapping[str, Any], functions: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the function that an event source mapping invokes."""
    found = functions.get(mapping["function_name"]) or functions.get(mapping.get("function_arn", ""))
    if found is None:
        raise UsageError(f"an event source mapping invokes {mapping['function_name']}, which is not there")
    return found


def _check_that_the_journal_wakes(projection: Mapping[str, Any]) -> None:
    """Refuse a mapping of the table's stream that would not say that the journal has grown.

    Patterns of such a mapping look at `dynamodb` only:
    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html, read 2026-11-29.
    """
    patterns = _patterns(projection)
    try:
        for pattern in patterns:
            check_pattern(pattern)
    except ValueError as error:
        raise UsageError(f"the event source mapping of the projector: {error}") from None
    for lane in FARTHEST_LANES:
        partition = journal_partition(lane)
        if not passes_view(patterns, {"dynamodb": {"Keys": {"pk": {"S": partition}}}}):
            raise UsageError(
                "filters of the projector's event source mapping must pass an entry of the journal, such as "
                f"{partition}; they are {', '.join(patterns)}"
            )


def _patterns(mapping: Mapping[str, Any]) -> tuple[str, ...]:
    criteria = mapping.get("filter_criteria") or []
    return tuple(each["pattern"] for one in criteria for each in one["filter"])


def _function(values: Mapping[str, Any], packages: Path, folder: Path, workers: int) -> FunctionConfig:
    name = values["function_name"]
    arn = values["arn"].split(":")
    task_root, runtime_root = unpack(packages / Path(values["filename"]).name, name, folder)
    return FunctionConfig(
        name=name,
        handler=values["handler"],
        environment=_variables(values),
        timeout_s=values["timeout"],
        memory_mb=values["memory_size"],
        workers=workers,
        task_root=task_root,
        runtime_path=(runtime_root,),
        isolated=True,
        region=arn[3],
        account_id=arn[4],
    )


def _variables(function: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for block in function["environment"] for name, value in block["variables"].items()}


def _known(bucket: str, buckets: set[str]) -> str:
    if bucket and bucket not in buckets:
        raise UsageError(
            f"the consumer has the bucket {bucket!r} in its settings, which the stack does not have"
        )
    return bucket or min(buckets)  # the consumer itself says which variable is missing


def _table(values: Mapping[str, Any]) -> TableConfig:
    kinds = {attribute["name"]: attribute["type"] for attribute in values["attribute"]}
    keys = (values["hash_key"], values["range_key"])
    if any(kinds.get(key) != "S" for key in keys):
        raise UsageError(f"the keys of the table {values['name']} are no strings: {kinds}")
    ttl = [block["attribute_name"] for block in values["ttl"] if block["enabled"]]
    if not ttl:
        raise UsageError(f"the table {values['name']} has no TTL attribute")
    return TableConfig(name=values["name"], partition_key=keys[0], sort_key=keys[1], ttl_attribute=ttl[0])


def _mapping(values: Mapping[str, Any], consumer: Mapping[str, Any]) -> MappingConfig:
    """Read every parameter; what a plan does not know yet (the UUID) takes its default."""
    # The provider writes "" for a timestamp that was not given.
    api = {name: values[key] for key, name in _MAPPING.items() if values.get(key) not in (None, "")}
    api["FunctionName"] = consumer["arn"]
    for destination in values.get("destination_config") or []:
        for failure in destination["on_failure"]:
            api["DestinationConfig"] = {"OnFailure": {"Destination": failure["destination_arn"]}}
    api["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in _patterns(values)]}
    for metrics in values.get("metrics_config") or []:
        api["MetricsConfig"] = {"Metrics": metrics["metrics"]}
    try:
        return MappingConfig.from_api(api, role_arn=consumer["role"])
    except ValueError as error:
        raise UsageError(f"the event source mapping: {error}") from None
