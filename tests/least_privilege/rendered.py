"""What Terraform says about the functions: from an applied state, or from a plan with nothing applied."""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infrastructure.guard import run_terraform
from infrastructure.toolbox import LIB, initialise, program

STATE_VARIABLE = "TAPSTACK_STACK"
"""Names a file with the state of an applied stack; without it, a plan is rendered."""

NOWHERE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:10",  # nobody listens: rendering asks AWS for nothing
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}

Policy = dict[str, Any]
_OPERATORS = {
    "StringEquals",
    "StringLike",
    "ArnEquals",
    "ArnLike",
    "Bool",
    "ForAllValues:StringLike",
    "ForAnyValue:StringEquals",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The resources that matter here.

    Attributes
    ----------
    document
        Terraform's JSON.
    region, account_id
        Of the stack.
    function_names
        Names of the functions in the stack, by their names in the account.
    statements
        What each function's role allows and denies; by the function's name in the stack.
    endpoint_policies
        By service.
    key_policies
        By the key's ARN.
    stream_key, table_key, settings_key
        ARNs of keys.
    bucket_keys
        ARNs of keys by bucket.
    table_stream
        ARN of the table's stream.
    """

    document: Mapping[str, Any]
    region: str
    account_id: str
    function_names: Mapping[str, str]
    statements: Mapping[str, list[Policy]]
    endpoint_policies: Mapping[str, Policy]
    key_policies: Mapping[str, Policy]
    stream_key: str
    table_key: str
    settings_key: str
    bucket_keys: Mapping[str, str]
    table_stream: str


@functools.cache
def rendered() -> Rendered:
    """Read the state that the environment names, else render a plan; raises `Missing` without Terraform."""
    state = os.environ.get(STATE_VARIABLE)
    return read(json.loads(Path(state).read_text()) if state else planned())


@functools.cache
def planned() -> dict[str, Any]:
    """Render the plan of ``lib/tests/policies.tftest.hcl``; raises `Missing` without Terraform."""
    with tempfile.TemporaryDirectory() as folder:
        ready = initialise(Path(folder, "data"))
        arguments = ["test", "-json", "-verbose", "-filter=tests/policies.tftest.hcl"]
        done = run_terraform(
            [f"-chdir={LIB}", *arguments], {**ready.env, **NOWHERE}, terraform=program("terraform")
        )
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if done.returncode == 0 and message.get("type") == "test_plan":
            plan: dict[str, Any] = message["test_plan"]
            return plan
    raise AssertionError(f"terraform test: {done.stdout[-2000:]}{done.stderr}")


def resources(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List managed resources and data sources of a state or a plan, each with its ``values``."""
    if "values" in document:
        found: list[dict[str, Any]] = document["values"]["root_module"]["resources"]
        return found
    return [{**change, "values": change["change"]["after"] or {}} for change in document["resource_changes"]]


def read(document: Mapping[str, Any]) -> Rendered:
    """Find what matters among the resources."""
    found = resources(document)

    def of(kind: str, name: str | None = None) -> Iterator[tuple[Any, dict[str, Any]]]:
        for resource in found:
            if resource["type"] == kind and name in {None, resource["name"]}:
                yield resource.get("index"), resource["values"]

    ((_, stream),), ((_, table),) = of("aws_kinesis_stream"), of("aws_dynamodb_table")
    functions = dict(of("aws_lambda_function"))
    endpoints = [*of("aws_vpc_endpoint")]
    (settings_key,) = {values["kms_key_arn"] for values in functions.values()}
    return Rendered(
        document=document,
        region=stream["arn"].split(":")[3],
        account_id=stream["arn"].split(":")[4],
        function_names={values["function_name"]: index for index, values in functions.items()},
        statements={index: _statements(found, index, values) for index, values in functions.items()},
        endpoint_policies={
            values["service_name"].rpartition(".")[2]: json.loads(values["policy"]) for _, values in endpoints
        },
        key_policies={values["arn"]: json.loads(values["policy"]) for _, values in of("aws_kms_key")},
        stream_key=stream["kms_key_id"],
        table_key=table["server_side_encryption"][0]["kms_key_arn"],
        settings_key=settings_key,
        table_stream=table["stream_arn"],
        bucket_keys={
            values["bucket"]: values["rule"][0]["apply_server_side_encryption_by_default"][0][
                "kms_master_key_id"
            ]
            for name, values in of("aws_s3_bucket_server_side_encryption_configuration")
            if name != "logs"  # S3's own keys
        },
    )


def _statements(found: list[dict[str, Any]], index: str, function: Mapping[str, Any]) -> list[Policy]:
    """Collect the statements of every policy of the function's role."""
    role = function["role"].rpartition("/")[2]
    documents = {
        (resource["name"], resource.get("index")): resource["values"]
        for resource in found
        if resource["type"] == "aws_iam_policy_document"
    }
    statements: list[Policy] = []
    for resource in found:
        if resource["type"] != "aws_iam_role_policy" or resource["values"].get("role") != role:
            continue
        if resource["values"].get("policy"):
            statements += json.loads(resource["values"]["policy"])["Statement"]
        else:
            # Terraform puts off reading the document until the apply, but knows what it will say.
            common = resource["name"] == "function_common"
            document = documents[("function_common", index) if common else (index, None)]
            statements += map(_as_json, document["statement"])
    return [_listed(statement) for statement in statements]


def _as_json(statement: Mapping[str, Any]) -> Policy:
    """Write a statement as the provider will."""
    conditions: dict[str, dict[str, list[str]]] = {}
    for condition in statement["condition"]:
        assert condition["test"] in _OPERATORS, condition
        conditions.setdefault(condition["test"], {})[condition["variable"]] = condition["values"]
    assert not statement["principals"]
    assert not statement["not_actions"]
    assert not statement["not_resources"]
    policy: Policy = {
        "Sid": statement["sid"],
        "Effect": statement["effect"] or "Allow",
        "Action": statement["actions"],
        "Resource": statement["resources"],
    }
    return {**policy, "Condition": conditions} if conditions else policy


def _listed(statement: Policy) -> Policy:
    for name in ("Action", "Resource"):
        value = statement[name]
        statement[name] = sorted([value] if isinstance(value, str) else value)
    return statement
