"""Decides requests with ministack's evaluator of policies (MIT), fed by us.

Of ministack only the evaluation of statements is used. Which action and resource a call needs, where its
own mapping is known to be wrong (GetRecords, log groups), is ours: see `tapstack_emulator.call_recorder`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from .iam_requests import Request
from .rendered import Policy, Rendered

Decision = Literal["Allow", "Deny", "ImplicitDeny"]

ENDPOINTS = {"dynamodb": "dynamodb", "s3": "s3", "kinesis": "kinesis-streams"}
"""Services that the functions' code reaches through an endpoint of the VPC."""


def decide(request: Request, statements: Sequence[Policy], stack: Rendered | None = None) -> Decision:
    """Decide a request by a role's statements, and by what else must allow it.

    Parameters
    ----------
    request
        The request.
    statements
        Of the role's policies.
    stack
        Adds the policy of the endpoint that the request goes through and of the key that it uses; None
        asks the role alone.

    Returns
    -------
    str
        ``Allow``; ``Deny`` if a statement denies; ``ImplicitDeny`` if none allows.
    """
    service_context = {
        key.lower(): list(value) if isinstance(value, tuple) else value
        for key, value in request.context.items()
    }
    context = EvalContext(
        principal_arn=f"arn:aws:sts::{request.account_id}:assumed-role/{request.function}/session",
        principal_type="AssumedRole",
        principal_account=request.account_id,
        action=request.action,
        resource_arn=request.resource,
        region=stack.region if stack is not None else "us-east-1",
        source_ip="10.0.0.10",
        secure_transport=True,
        service_context=service_context,
    )
    limits = [] if stack is None else [[_parsed(policy)] for policy in _limits(request, stack)]
    result = evaluate(context, [_parsed({"Statement": list(statements)})], *limits)
    decision: Decision = result.decision
    return decision


def _limits(request: Request, stack: Rendered) -> list[Mapping[str, Any]]:
    service = request.action.partition(":")[0]
    limits: list[Mapping[str, Any]] = []
    if request.via == "code" and service in ENDPOINTS:
        limits.append(stack.endpoint_policies[ENDPOINTS[service]])
    if service == "kms":
        # The key policy must allow it too; its statements for services are not about roles.
        statements = stack.key_policies[request.resource]["Statement"]
        limits.append({"Statement": [each for each in statements if "AWS" in each["Principal"]]})
    return limits


def _parsed(policy: Mapping[str, Any]) -> Any:
    parsed = parse_policy_document(dict(policy))
    assert len(parsed) == len(policy["Statement"]), "the evaluator passes over what it cannot read"
    return parsed
