"""The lint of rendered policies finds what is wrong, and only its two listed errors are passed over."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("parliament", reason="parliament lives in .venv-infra; run `make infra-test`")

from .policies import findings, role_policies

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/tapstack-dev-events"
EVERY_ID = "arn:aws:ec2:us-east-1:123456789012:*/*"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:tapstack-dev-consumer"


def _policy(**statement: Any) -> dict[str, dict[str, Any]]:
    return {
        "role/policy": {
            "Version": "2012-10-17",
            "Statement": [{"Sid": "One", "Effect": "Allow", **statement}],
        }
    }


@pytest.mark.parametrize(
    "policy",
    [
        _policy(Action=["kinesis:PutRecords"], Resource=STREAM),
        _policy(Action=["ec2:DeleteNetworkInterface"], Resource=EVERY_ID),
        _policy(
            Effect="Deny",
            Action=["ec2:DeleteNetworkInterface"],
            Resource="*",
            Condition={"ArnEquals": {"lambda:SourceFunctionArn": FUNCTION}},
        ),
    ],
    ids=["exact", "every id of EC2", "key of the function"],
)
def test_what_is_right_is_passed_over(policy: dict[str, dict[str, Any]]) -> None:
    assert list(findings(policy)) == []


@pytest.mark.parametrize(
    ("policy", "issue"),
    [
        (_policy(Action=["kinesis:PutRecord2"], Resource=STREAM), "UNKNOWN_ACTION"),
        (_policy(Action=["dynamodb:PutItem"], Resource=STREAM), "RESOURCE_MISMATCH"),
        (
            _policy(
                Action=["kinesis:PutRecords"], Resource=STREAM, Condition={"StringEquals": {"s3:prefix": "x"}}
            ),
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
    ],
    ids=["action", "resource", "condition"],
)
def test_what_can_never_match_is_found(policy: dict[str, dict[str, Any]], issue: str) -> None:
    assert [found.split()[1] for found in findings(policy)] == [issue]


def test_inline_policies_are_read_from_the_state() -> None:
    resource = {
        "type": "aws_iam_role_policy",
        "values": {"role": "r", "name": "p", "policy": '{"Statement": []}'},
    }
    state = {"values": {"root_module": {"resources": [resource, {"type": "aws_vpc", "values": {}}]}}}
    assert role_policies(state) == {"r/p": {"Statement": []}}
