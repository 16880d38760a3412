"""The roles' own policies, as Terraform rendered them into the state."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import parliament


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
    """Yield what parliament finds: unknown actions, resources or conditions that never match."""
    for name, policy in policies.items():
        for finding in parliament.analyze_policy_string(json.dumps(policy)).findings:
            yield f"{name}: {finding.issue} {finding.detail} {finding.location}"
