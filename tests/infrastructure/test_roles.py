"""What each function may do, word by word. A statement that goes, comes or widens fails here by its name."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("hcl2", reason="the HCL parser lives in .venv-infra; run `make infra-test`")

from .stack_text import block, blocks, local_values, one, statements
from .toolbox import ROOT

STREAM = "${aws_kinesis_stream.events.arn}"
TABLE = "${aws_dynamodb_table.behaviour.arn}"


def _key(name: str) -> str:
    return f'${{aws_kms_key.this["{name}"].arn}}'


def _objects(bucket: str, prefix: str) -> str:
    arn = f'${{aws_s3_bucket.this["{bucket}"].arn}}'
    # The parser puts a string that holds quotes into an expression of its own.
    return f'${{"{arn}{prefix}"}}' if prefix else arn


def _via(service: str) -> dict[str, list[str]]:
    return {"kms:ViaService": [f"{service}.${{var.aws_region}}.${{local.dns_suffix}}"]}


def _rows(*kinds: str) -> dict[str, list[str]]:
    return {
        "dynamodb:LeadingKeys": [f"${{concat({','.join(f'local.table_rows.{kind}' for kind in kinds)})}}"]
    }


TESTS = {
    "dynamodb:LeadingKeys": "ForAllValues:StringLike",
    "dynamodb:EnclosingOperation": "ForAnyValue:StringEquals",
}
"""Operators of conditions; StringEquals of others."""

OUR_ACCOUNT = {"s3:ResourceAccount": ["${local.account_id}"]}

READ_AND_WRITE = {
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}

EXPECTED: dict[str, dict[str, tuple[set[str], set[str], dict[str, list[str]]]]] = {
    "consumer": {
        "ReadStream": (
            {
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            },
            {STREAM},
            {},
        ),
        "DecryptStream": ({"kms:Decrypt"}, {_key("stream")}, _via("kinesis")),
        "ReadRows": (
            {"dynamodb:BatchGetItem", "dynamodb:Query"},
            {TABLE},
            _rows("users", "journal", "watermarks", "terms"),
        ),
        "CountInTransactions": (
            {"dynamodb:PutItem"},
            {TABLE},
            {**_rows("users", "journal"), "dynamodb:EnclosingOperation": ["TransactWriteItems"]},
        ),
        "UseTableKey": (READ_AND_WRITE, {_key("table")}, _via("dynamodb")),
        "StoreDeadLetters": (
            {"s3:PutObject"},
            {_objects("quarantine", "/quarantine/*"), _objects("late", "/late/*")},
            {},
        ),
        "StoreFailedBatches": ({"s3:PutObject"}, {_objects("failure", "/aws/lambda/*")}, OUR_ACCOUNT),
        "FindFailureBucket": ({"s3:ListBucket"}, {_objects("failure", "")}, OUR_ACCOUNT),
        "EncryptObjects": ({"kms:GenerateDataKey"}, {_key("objects")}, _via("s3")),
    },
    "projector": {
        "ReadTableStream": (
            {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"},
            {"${aws_dynamodb_table.behaviour.arn}/stream/*"},
            {},
        ),
        "FindTableStream": ({"dynamodb:ListStreams"}, {"*"}, {}),
        "ReadJournal": (
            {"dynamodb:BatchGetItem", "dynamodb:Query"},
            {TABLE},
            _rows("journal", "derived", "terms", "watermarks"),
        ),
        "WriteDerivedRows": (
            {"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PutItem"},
            {TABLE},
            _rows("derived", "terms", "watermarks"),
        ),
        "UseTableKey": (READ_AND_WRITE, {_key("table")}, _via("dynamodb")),
    },
    "collector": {
        "WriteStream": ({"kinesis:PutRecords"}, {STREAM}, {}),
        "EncryptStream": ({"kms:GenerateDataKey"}, {_key("stream")}, _via("kinesis")),
        "SpillEvents": ({"s3:PutObject"}, {_objects("spill", "/spill/*")}, {}),
        "StoreRefusedEvents": ({"s3:PutObject"}, {_objects("quarantine", "/quarantine/*/collector/*")}, {}),
        "EncryptObjects": ({"kms:GenerateDataKey"}, {_key("objects")}, _via("s3")),
        # With write keys or pseudonyms only; the value is the secrets' ARNs.
        "ReadSecrets": ({"secretsmanager:GetSecretValue"}, {"${local.collector_secrets}"}, {}),
        "DecryptSecrets": ({"kms:Decrypt"}, {_key("operations")}, _via("secretsmanager")),
    },
    "drainer": {
        "WriteStream": ({"kinesis:PutRecords"}, {STREAM}, {}),
        "EncryptStream": ({"kms:GenerateDataKey"}, {_key("stream")}, _via("kinesis")),
        "FindSpilledEvents": ({"s3:ListBucket"}, {_objects("spill", "")}, {}),
        "DrainSpilledEvents": ({"s3:DeleteObject", "s3:GetObject"}, {_objects("spill", "/spill/*")}, {}),
        "DecryptObjects": ({"kms:Decrypt"}, {_key("objects")}, _via("s3")),
    },
    "insights": {
        "ReadTable": ({"dynamodb:BatchGetItem", "dynamodb:Query"}, {TABLE}, {}),
        "DecryptTable": ({"kms:Decrypt", "kms:DescribeKey"}, {_key("table")}, _via("dynamodb")),
    },
}

CASES = [(function, sid) for function, named in EXPECTED.items() for sid in named]


def _statements_of(document: str) -> dict[str, dict[str, Any]]:
    address = f"aws_iam_policy_document.{document}"
    return {str(one(statement["sid"])): statement for found, statement in statements() if found == address}


@pytest.mark.parametrize("function", list(EXPECTED))
def test_a_function_has_these_statements_and_no_other(function: str) -> None:
    assert sorted(_statements_of(function)) == sorted(EXPECTED[function])


@pytest.mark.parametrize(("function", "sid"), CASES, ids=[f"{function}-{sid}" for function, sid in CASES])
def test_a_statement_allows_exactly_these_actions_on_these_resources(function: str, sid: str) -> None:
    actions, resources, conditions = EXPECTED[function][sid]
    statement = _statements_of(function)[sid]
    assert "effect" not in statement
    assert set(one(statement["actions"])) == actions
    named = one(statement["resources"])
    assert (set(named) if isinstance(named, list) else {named}) == resources
    found = statement.get("condition", [])
    assert {one(condition["variable"]): _values(condition) for condition in found} == conditions
    for condition in found:
        assert one(condition["test"]) == TESTS.get(str(one(condition["variable"])), "StringEquals")


def _values(condition: dict[str, Any]) -> list[str]:
    values = one(condition["values"])
    return values if isinstance(values, list) else [values]


def test_no_two_kinds_of_rows_begin_alike_and_the_layout_names_each() -> None:
    rows = local_values()["table_rows"]
    assert rows == {
        "users": ["A#*", "U#*"],
        "journal": ["J#*", "L#"],
        "derived": ["C#*", "F#*", "I#*", "P#*", "T#*"],
        "terms": ["Q#*"],
        "watermarks": ["W#"],
    }
    layout = (ROOT / "src/tapstack/core/rows.py").read_text().split('"""')[1]
    named = set(re.findall(r"^``([A-Z]#)", layout, re.MULTILINE))
    assert named == {each.rstrip("*") for kinds in rows.values() for each in kinds}


def test_a_function_decrypts_its_settings_as_its_own_role() -> None:
    # Lambda's grant ends with the role that it was made for: terraform-provider-aws#9703.
    statement = _statements_of("function_common")["DecryptSettings"]
    assert "effect" not in statement
    assert one(statement["actions"]) == ["kms:Decrypt"]
    assert one(statement["resources"]) == [_key("operations")]
    (condition,) = statement["condition"]
    assert {one(condition["variable"]): one(condition["values"])} == _via("lambda")
    encrypts = one(block("resource", "aws_lambda_function.this").body["kms_key_arn"])
    assert encrypts == _key("operations"), "the key of the statement is the key of the settings"


def test_the_operations_host_has_session_manager_and_no_more() -> None:
    (statement,) = _statements_of("operations").values()
    assert "effect" not in statement
    assert set(one(statement["actions"])) == {
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }
    attached = [found.address for found in blocks("resource") if "attachment" in found.address]
    assert [address for address in attached if address.startswith("aws_iam_")] == []


def test_a_functions_code_may_not_touch_the_network_that_lambda_attaches_it_to() -> None:
    common = _statements_of("function_common")
    allowed = {action for sid in ("FindNetwork", "AttachToNetwork") for action in one(common[sid]["actions"])}
    denial = common["CodeLeavesNetworkAlone"]
    assert one(denial["effect"]) == "Deny"
    assert set(one(denial["actions"])) == allowed
    assert one(one(denial["condition"])["variable"]) == "lambda:SourceFunctionArn"
    assert set(common) == {
        "DecryptSettings",
        "WriteLogs",
        "WriteTraces",
        "FindNetwork",
        "AttachToNetwork",
        "CodeLeavesNetworkAlone",
    }
