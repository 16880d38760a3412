"""Which parts of the policies the requests use: statements, actions, resources, each by what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .evaluation import decide
from .iam_requests import NETWORK_ACTIONS, Request, code_context
from .rendered import Policy, Rendered

STATEMENTS = {
    "collector": ("WriteStream", "EncryptStream", "StoreRefusedEvents", "SpillEvents", "EncryptObjects"),
    "drainer": (
        "WriteStream",
        "EncryptStream",
        "FindSpilledEvents",
        "DrainSpilledEvents",
        "DecryptObjects",
    ),
    "consumer": (
        "ReadStream",
        "DecryptStream",
        "ReadRows",
        "CountInTransactions",
        "UseTableKey",
        "StoreDeadLetters",
        "StoreFailedBatches",
        "FindFailureBucket",
        "EncryptObjects",
    ),
    "projector": ("ReadTableStream", "FindTableStream", "ReadJournal", "WriteDerivedRows", "UseTableKey"),
    "insights": ("ReadTable", "DecryptTable"),
}
COMMON = ("WriteLogs", "DecryptSettings", "FindNetwork", "AttachToNetwork", "CodeLeavesNetworkAlone")
EXPECTED = [(name, sid) for name, own in STATEMENTS.items() for sid in (*COMMON, *own)]
"""Every statement that there must be, and no other, by function."""


class Part(NamedTuple):
    """One action on one resource of one statement.

    Attributes
    ----------
    function, sid
        The statement.
    effect
        ``Allow`` or ``Deny``.
    action, resource
        As written in the policy.
    """

    function: str
    sid: str
    effect: str
    action: str
    resource: str


def parts(stack: Rendered) -> Iterator[tuple[Part, Policy]]:
    """Yield every action on every resource, each with a policy statement of its own."""
    for function, statements in stack.statements.items():
        for statement in statements:
            for action in statement["Action"]:
                for resource in statement["Resource"]:
                    alone = {**statement, "Action": [action], "Resource": [resource]}
                    yield Part(function, statement["Sid"], statement["Effect"], action, resource), alone


def users(part: Part, alone: Policy, asked: Sequence[Request]) -> list[Request]:
    """List the requests that this part decides."""
    return [
        request
        for request in asked
        if request.function == part.function and decide(request, [alone]) == part.effect
    ]


def without(statements: Sequence[Policy], sid: str) -> list[Policy]:
    """Take one statement away."""
    return [statement for statement in statements if statement["Sid"] != sid]


def forbidden(stack: Rendered) -> list[Request]:
    """List what the functions' code must never be able to do, though Lambda does it with the same role."""
    prefix = f"arn:aws:ec2:{stack.region}:{stack.account_id}:"
    return [
        Request(
            function=function,
            account_id=stack.account_id,
            action=action,
            resource=prefix + resource if resource else "*",
            via="code",
            implied_by="code must not",
            context=code_context(stack, function),
        )
        for function in stack.function_names.values()
        for action, resource in NETWORK_ACTIONS.items()
    ]
