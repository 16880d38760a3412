"""A second evaluator, written from AWS's page on policy evaluation, for what the stack's policies use.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html, read 2026-11-23.
It shares nothing with the first one, and fails on what it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .iam_requests import Context, Request
from .rendered import Policy


def decide(request: Request, statements: Sequence[Policy]) -> str:
    """Decide a request by a role's statements alone: ``Allow``, ``Deny`` or ``ImplicitDeny``."""
    keys: Context = {**request.context, "s3:ResourceAccount": request.account_id}
    effects = {each["Effect"] for each in statements if _matches(each, request, keys)}
    return "Deny" if "Deny" in effects else "Allow" if "Allow" in effects else "ImplicitDeny"


def _matches(statement: Policy, request: Request, keys: Context) -> bool:
    assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    action = any(_like(name.lower(), request.action.lower()) for name in statement["Action"])
    resource = any(_like(arn, request.resource) for arn in statement["Resource"])
    return action and resource and _conditions(statement.get("Condition", {}), keys)


def _conditions(conditions: dict[str, dict[str, str | list[str]]], keys: Context) -> bool:
    return all(
        _holds(operator, [values] if isinstance(values, str) else values, keys.get(key, ()))
        for operator, wanted in conditions.items()
        for key, values in wanted.items()
    )


def _holds(operator: str, wanted: list[str], actual: str | tuple[str, ...]) -> bool:
    """Compare a key's values; ForAllValues holds where there is none."""
    every, _, test = operator.rpartition(":")
    assert every in {"", "ForAllValues", "ForAnyValue"}, operator
    assert test in {"StringEquals", "StringLike", "ArnEquals"}, operator
    exact = test == "StringEquals"
    found = [
        any(value == each if exact else _like(each, value) for each in wanted)
        for value in ((actual,) if isinstance(actual, str) else actual)
    ]
    return all(found) if every == "ForAllValues" else any(found)


def _like(pattern: str, text: str) -> bool:
    pieces = ({"*": ".*", "?": "."}.get(piece, re.escape(piece)) for piece in pattern)
    return re.fullmatch("".join(pieces), text) is not None
