"""The applied stack as a blueprint: what is read from it, and what is refused."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tapstack.errors import Unavailable, UsageError
from tapstack_emulator.lambda_host.config import environment_of
from tapstack_emulator.load_balancer.server import FixedResponse
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.stack.reading import applied, read_stack, show

ACCOUNT = "us-east-1:111122223333"
STREAM_ARN = f"arn:aws:kinesis:{ACCOUNT}:stream/s-events"
TABLE_STREAM_ARN = f"arn:aws:dynamodb:{ACCOUNT}:table/s-behaviour/stream/2026-11-29T00:00:00.000"
GROUP_ARN = f"arn:aws:elasticloadbalancing:{ACCOUNT}:targetgroup/s-collector/1"
MAPPING = "aws_lambda_event_source_mapping"
LISTENER_ARN = f"arn:aws:elasticloadbalancing:{ACCOUNT}:listener/app/s/1/2"

HANDLER = "def handler(event, context):\n    return {}\n"


def function(name: str, **variables: str) -> dict[str, Any]:
    return {
        "arn": f"arn:aws:lambda:{ACCOUNT}:function:s-{name}",
        "function_name": f"s-{name}",
        "handler": "main.handler",
        "filename": f"../dist/{name}.zip",
        "timeout": 30,
        "memory_size": 512,
        "role": f"arn:aws:iam::111122223333:role/s-{name}",
        "environment": [{"variables": variables}],
    }


def resource(kind: str, name: str, values: dict[str, Any], index: str | None = None) -> dict[str, Any]:
    return {"mode": "managed", "type": kind, "name": name, "index": index, "values": values}


def wakes(prefix: str) -> list[dict[str, Any]]:
    pattern = {"dynamodb": {"Keys": {"pk": {"S": [{"prefix": prefix}]}}}}
    return [{"filter": [{"pattern": json.dumps(pattern)}]}]


def stack() -> dict[str, Any]:
    consumer = function("consumer", TAPSTACK_QUARANTINE_BUCKET="s-quarantine", TAPSTACK_LATE_BUCKET="s-late")
    collector = function("collector", TAPSTACK_STREAM="s-events")
    projector = function("projector", TAPSTACK_TABLE="s-behaviour")
    drainer = function("drainer", TAPSTACK_STREAM="s-events", TAPSTACK_SPILL_BUCKET="s-spill")
    resources = [
        resource("aws_kinesis_stream", "events", {"arn": STREAM_ARN, "name": "s-events", "shard_count": 3}),
        resource(
            "aws_dynamodb_table",
            "behaviour",
            {
                "name": "s-behaviour",
                "stream_arn": TABLE_STREAM_ARN,
                "hash_key": "pk",
                "range_key": "sk",
                "attribute": [{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}],
                "ttl": [{"attribute_name": "ttl", "enabled": True}],
            },
        ),
        *(
            resource("aws_s3_bucket", "data", {"bucket": f"s-{name}"})
            for name in ("quarantine", "late", "spill", "failure")
        ),
        resource("aws_lambda_function", "this", consumer, "consumer"),
        resource("aws_lambda_function", "this", collector, "collector"),
        resource("aws_lambda_function", "this", projector, "projector"),
        resource("aws_lambda_function", "this", drainer, "drainer"),
        resource("aws_cloudwatch_event_rule", "drainer", {"schedule_expression": "rate(2 minutes)"}),
        resource("aws_cloudwatch_event_target", "drainer", {"arn": drainer["arn"]}),
        resource(
            "aws_lambda_event_source_mapping",
            "consumer",
            {
                "uuid": "11111111-2222-4333-8444-555555555555",
                "event_source_arn": STREAM_ARN,
                "function_name": consumer["arn"],
                "starting_position": "TRIM_HORIZON",
                "starting_position_timestamp": "",
                "batch_size": 123,
                "maximum_batching_window_in_seconds": 2,
                "parallelization_factor": 1,
                "maximum_retry_attempts": -1,
                "maximum_record_age_in_seconds": -1,
                "bisect_batch_on_function_error": True,
                "function_response_types": ["ReportBatchItemFailures"],
                "destination_config": [{"on_failure": [{"destination_arn": "arn:aws:s3:::s-failure"}]}],
                "filter_criteria": [],
                "metrics_config": [{"metrics": ["EventCount"]}],
            },
        ),
        resource(
            "aws_lambda_event_source_mapping",
            "projector",
            {
                "event_source_arn": TABLE_STREAM_ARN,
                "function_name": projector["arn"],
                "starting_position": "TRIM_HORIZON",
                "batch_size": 1000,
                "maximum_batching_window_in_seconds": 7,
                "filter_criteria": wakes("J#"),
            },
        ),
        resource(
            "aws_lb_target_group_attachment",
            "function",
            {"target_group_arn": GROUP_ARN, "target_id": collector["arn"]},
        ),
        resource(
            "aws_lambda_permission",
            "load_balancer",
            {
                "function_name": "s-collector",
                "principal": "elasticloadbalancing.amazonaws.com",
                "action": "lambda:InvokeFunction",
                "source_arn": GROUP_ARN,
            },
        ),
        resource(
            "aws_lb_listener_rule",
            "api",
            {
                "listener_arn": LISTENER_ARN,
                "priority": 10,
                "action": [{"type": "forward", "target_group_arn": GROUP_ARN}],
                "condition": [
                    {
                        "path_pattern": [{"values": ["/v1/events"]}],
                        "http_request_method": [],
                        "host_header": [],
                    },
                    {"path_pattern": [], "http_request_method": [{"values": ["POST"]}]},
                ],
            },
        ),
        resource(
            "aws_lb_listener",
            "http",
            {
                "arn": LISTENER_ARN,
                "default_action": [
                    {
                        "fixed_response": [
                            {"status_code": "404", "content_type": "application/json", "message_body": "{}"}
                        ]
                    }
                ],
            },
        ),
    ]
    return {"values": {"root_module": {"resources": resources}}}


def change(document: dict[str, Any], kind: str, **values: Any) -> dict[str, Any]:
    kind, _, name = kind.partition(".")
    changed = copy.deepcopy(document)
    for each in changed["values"]["root_module"]["resources"]:
        if each["type"] == kind and name in {"", each["name"]}:
            each["values"] |= values
    return changed


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for name in ("consumer", "collector", "projector", "drainer"):
        write_package(tmp_path, name, HANDLER)
    return tmp_path


def write_package(folder: Path, name: str, code: str) -> None:
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as package:
        package.writestr("main.py", code)


def read(document: dict[str, Any], packages: Path) -> Any:
    return read_stack(document, packages=packages, folder=packages / "unpacked")


def test_everything_that_leads_to_a_function_is_read(packages: Path) -> None:
    found = read(stack(), packages)
    assert (found.stream, found.shards, found.table.name) == ("s-events", 3, "s-behaviour")
    assert (found.quarantine_bucket, found.late_bucket, found.buckets) == (
        "s-quarantine",
        "s-late",
        ("s-failure",),
    )
    assert found.consumer == "s-consumer"
    assert (found.projector, found.projection_interval_s) == ("s-projector", 7)
    mapping = found.mapping
    assert (mapping.batch_size, mapping.batching_window_s, mapping.uuid[:4]) == (123, 2, "1111")
    assert mapping.destination_arn == "arn:aws:s3:::s-failure"
    assert mapping.role_arn.endswith(":role/s-consumer")
    assert mapping.bisect_batch_on_function_error
    assert mapping.report_batch_item_failures
    assert mapping.event_count_metrics
    (rule,) = found.rules
    assert (rule.path_patterns, rule.methods, rule.action) == (("/v1/events",), ("POST",), "s-collector")
    assert found.default_action == FixedResponse(status=404, body="{}", content_type="application/json")
    assert [group.function for group in found.target_groups] == ["s-collector"]


def test_a_plan_reads_like_a_state(packages: Path) -> None:
    resources = stack()["values"]["root_module"]["resources"]
    changes = [{**each, "change": {"after": each.pop("values")}} for each in resources]
    assert read({"resource_changes": changes}, packages) == read(stack(), packages)


def test_a_worker_has_the_stacks_variables_and_lambdas_and_no_others(packages: Path) -> None:
    collector = read(stack(), packages).functions[1]
    variables = environment_of(collector, runtime_api="127.0.0.1:1", access_key_id="ASIA")
    own = {name for name in variables if not name.startswith(("AWS_", "LAMBDA_"))}
    assert own == {"_HANDLER", "TAPSTACK_STREAM", "LANG", "PATH", "TZ", "PYTHONPATH"}
    assert collector.isolated


@pytest.mark.parametrize(
    ("kind", "values", "complaint"),
    [
        (f"{MAPPING}.consumer", {"function_name": "arn:other"}, "invokes arn:other"),
        (f"{MAPPING}.projector", {"function_name": "arn:other"}, "invokes arn:other"),
        (
            f"{MAPPING}.consumer",
            {"event_source_arn": "arn:other"},
            r"the stream, arn.*not 0; others read arn",
        ),
        (f"{MAPPING}.projector", {"event_source_arn": STREAM_ARN}, "the stream, arn.*not 2; others read no"),
        (f"{MAPPING}.projector", {"event_source_arn": "arn:other"}, "the table's stream, arn.*not 0"),
        (f"{MAPPING}.consumer", {"enabled": False}, "mapping of the stream is not enabled"),
        (f"{MAPPING}.projector", {"enabled": False}, "mapping of the table's stream is not enabled"),
        (f"{MAPPING}.projector", {"filter_criteria": wakes("I#")}, "an entry of the journal, such as J#0000"),
        (
            f"{MAPPING}.projector",
            {"filter_criteria": wakes("J#00")},
            "an entry of the journal, such as J#0999",
        ),
        (f"{MAPPING}.projector", {"filter_criteria": [{"filter": [{"pattern": "{"}]}]}, "is not JSON"),
        (f"{MAPPING}.consumer", {"batch_size": 0}, "BatchSize must be"),
        ("aws_lambda_permission", {"source_arn": "arn:other"}, "no aws_lambda_permission lets"),
        ("aws_lambda_permission", {"principal": "events.amazonaws.com"}, "no aws_lambda_permission lets"),
        ("aws_lb_target_group_attachment", {"target_id": "arn:other"}, "no function of the stack"),
        ("aws_lb_listener_rule", {"condition": [{"host_header": [{"values": ["x"]}]}]}, "host_header"),
        ("aws_lb_listener_rule", {"action": [{"type": "redirect"}]}, "does more than to forward"),
        ("aws_s3_bucket", {"bucket": "s-other"}, "the bucket 's-quarantine'"),
        ("aws_dynamodb_table", {"hash_key": "id"}, "no strings"),
        ("aws_dynamodb_table", {"ttl": []}, "no TTL attribute"),
    ],
)
def test_what_would_not_work_in_an_account_is_refused(
    packages: Path, kind: str, values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        read(change(stack(), kind, **values), packages)


def test_a_missing_or_broken_package_is_named(packages: Path) -> None:
    (packages / "consumer.zip").write_bytes(b"PK?")
    with pytest.raises(UsageError, match=r"consumer\.zip is not a zip"):
        read(stack(), packages)
    (packages / "consumer.zip").unlink()
    with pytest.raises(UsageError, match=r"consumer\.zip is not there; build it with make package"):
        read(stack(), packages)


@pytest.mark.parametrize("text", ["{", "[]", '{"values": {}}'])
def test_what_is_no_state_is_one_clear_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(text)
    with pytest.raises(UsageError), applied(str(file), tmp_path):
        raise AssertionError("it must not be read")
    with pytest.raises(UsageError, match="no such file"):
        show(str(tmp_path / "other.json"))


def start(document: dict[str, Any], packages: Path) -> None:
    shutil.rmtree(packages / "unpacked", ignore_errors=True)

    async def main() -> None:
        async with EmbeddedCloud(CloudConfig(blueprint=read(document, packages))):
            pass

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.emulator
def test_outside_of_a_checkout_and_before_an_init_it_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no folder lib/ here"):
        show("terraform")
    (tmp_path / "lib").mkdir()
    program = tmp_path / "terraform"
    program.write_text(
        "#!/bin/sh\nprintf '╷\\n│ Error: Backend required\\n│ \\n│ Run init.\\n╵\\n' >&2; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UsageError, match=r"^terraform show: Error: Backend required$"):
        show("terraform")


def test_a_handler_finds_its_package_and_nothing_that_is_installed_here(packages: Path) -> None:
    start(stack(), packages)
    for module in ("msgspec", "boto3", "tapstack"):  # all of them can be imported by this very test
        write_package(packages, "consumer", f"import {module}\n\n{HANDLER}")
        with pytest.raises(Unavailable, match=f"s-consumer does not start: .*No module named '{module}'"):
            start(stack(), packages)


@pytest.mark.emulator
def test_a_missing_variable_ends_the_run_with_its_name(packages: Path) -> None:
    write_package(packages, "collector", "import os\nos.environ['TAPSTACK_STREAM']\n" + HANDLER)
    start(stack(), packages)
    misspelt = json.loads(json.dumps(stack()).replace('"TAPSTACK_STREAM"', '"TAPSTACK_STREAMS"'))
    with pytest.raises(Unavailable, match=r"s-collector does not start: .*TAPSTACK_STREAM"):
        start(misspelt, packages)
