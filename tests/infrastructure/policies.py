"""The roles' own policies, as Terraform rendered them into the state."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import parliament

EXCEPTIONS = {
    "RESOURCE_MISMATCH": (
        ":*/*",
        """AWS says to name all resource ids this way, so that Lambda can attach a function to its VPC:
        https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, read 2026-11-23""",
    ),
    "UNKNOWN_CONDITION_FOR_ACTION": (
        "lambda:SourceFunctionArn",
        """AWS adds this key to every call of a function's code; parliament knows keys by service only:
        https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html, read 2026-11-23""",
    ),
}
"""What parliament is wrong about: by kind of finding, the text that it must mention, and why."""


def role_policies(state: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Collect the inline policies of every role.

    Parameters
    ----------
    state
        What ``terraform show -json`` says after an apply.

    Returns
    -------
    dict[str, dict[str, Any]]
        Policy documents by ``role/policy``, as in ``tapstack-dev-consumer/common``.
    """
    return {
        f"{resource['values']['role']}/{resource['values']['name']}": json.loads(resource["values"]["policy"])
        for resource in state["values"]["root_module"]["resources"]
        if resource["type"] == "aws_iam_role_policy"
    }


def findings(policies: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what parliament finds, except where it is wrong: what can never match, or does not exist."""
    for name, policy in policies.items():
        for finding in parliament.analyze_policy_string(json.dumps(policy)).findings:
            text, _ = EXCEPTIONS.get(finding.issue, (None, ""))
            if text is None or text not in f"{finding.detail}{_resources_of(policy, finding.detail)}":
                yield f"{name}: {finding.issue} {finding.detail} {finding.location}"


def _resources_of(policy: Mapping[str, Any], detail: Any) -> list[Any]:
    # A mismatch names the actions; the resources stand in their statements.
    named = {entry["action"] for entry in detail} if isinstance(detail, list) else set()
    return [statement["Resource"] for statement in policy["Statement"] if named & set(statement["Action"])]
