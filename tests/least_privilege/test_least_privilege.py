"""Every call is allowed, every right is used, and no right can be taken away. Shown on an emulator only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tapstack.entrypoints.settings import VARIABLES
from tapstack_local.stack.reading import Stack

from . import second_opinion
from .coverage import EXPECTED, forbidden, parts, users, without
from .evaluation import decide
from .exercise import Exercised
from .iam_requests import Request, rows_context
from .page import PAGE, page
from .rendered import STATE_VARIABLE, Rendered, planned, read

pytestmark = [pytest.mark.emulator, pytest.mark.slow]


def test_the_pipeline_counts_exactly_on_the_stack_as_terraform_renders_it(exercised: Exercised) -> None:
    result = exercised.reconciliation
    assert (result.lost, result.overcounted) == (0, 0)
    assert result.quarantined == exercised.invalid_count >= 1
    assert result.late >= 1
    assert sum(exercised.faults.values()) >= 20


def test_the_functions_are_told_exactly_the_variables_that_they_read(stack: Rendered) -> None:
    told = {resource["name"]: sorted(resource["variables"]) for resource in _functions(stack)}
    assert told == {name: sorted(variables) for name, variables in VARIABLES.items()}


def test_every_call_is_allowed(stack: Rendered, asked: list[Request]) -> None:
    denied = [each for each in asked if decide(each, stack.statements[each.function], stack) != "Allow"]
    assert denied == []
    assert len([each for each in asked if not each.implied_by]) >= 9


def test_every_action_and_resource_of_every_statement_is_used(stack: Rendered, asked: list[Request]) -> None:
    every = [*asked, *forbidden(stack)]
    used: set[tuple[str, str, str]] = set()
    wanted: set[tuple[str, str, str]] = set()
    for part, alone in parts(stack):
        both = {(part.function, part.sid, part.action), (part.function, part.sid, part.resource)}
        wanted |= both
        if users(part, alone, every):
            used |= both
    assert wanted - used == set()


def test_the_roles_hold_these_statements_and_no_others(stack: Rendered) -> None:
    found = [(name, each["Sid"]) for name, statements in stack.statements.items() for each in statements]
    assert sorted(found) == sorted(EXPECTED)


@pytest.mark.parametrize(("function", "sid"), EXPECTED, ids=[f"{name}-{sid}" for name, sid in EXPECTED])
def test_without_this_statement_something_is_denied_or_no_longer_denied(
    stack: Rendered, asked: list[Request], function: str, sid: str
) -> None:
    statements = stack.statements[function]
    fewer = without(statements, sid)
    assert len(fewer) == len(statements) - 1, "the statement is there, once"
    mine = [each for each in [*asked, *forbidden(stack)] if each.function == function]
    assert [each for each in mine if decide(each, statements) != decide(each, fewer)]


def test_the_code_of_a_function_cannot_touch_the_network(stack: Rendered) -> None:
    decisions = {decide(each, stack.statements[each.function]) for each in forbidden(stack)}
    assert decisions == {"Deny"}


FORBIDDEN = [
    ("collector", "kinesis:PutRecord", "stream"),
    ("collector", "kinesis:GetRecords", "stream"),
    ("collector", "dynamodb:PutItem", "table"),
    ("collector", "kms:Decrypt", "stream key"),
    ("consumer", "kinesis:PutRecords", "stream"),
    ("consumer", "dynamodb:DeleteItem", "table"),
    ("consumer", "dynamodb:UpdateItem", "table"),
    ("consumer", "dynamodb:Scan", "table"),
    ("consumer", "dynamodb:PutItem", "other table"),
    ("consumer", "s3:GetObject", "late object"),
    ("consumer", "s3:DeleteObject", "late object"),
    ("consumer", "s3:PutObject", "late object elsewhere"),
    ("consumer", "s3:PutObject", "archive object"),
    ("projector", "dynamodb:DeleteItem", "table"),
    ("projector", "dynamodb:Scan", "table"),
    ("projector", "dynamodb:PutItem", "other table"),
    ("projector", "dynamodb:GetRecords", "table"),
    ("projector", "dynamodb:PartiQLUpdate", "other table"),
    ("projector", "dynamodb:PartiQLSelect", "table"),
    ("projector", "dynamodb:PartiQLDelete", "table"),
    ("consumer", "dynamodb:PartiQLInsert", "table"),
    ("projector", "kinesis:GetRecords", "stream"),
    ("projector", "s3:PutObject", "late object"),
    ("insights", "dynamodb:PutItem", "table"),
    ("insights", "dynamodb:GetItem", "table"),
    ("insights", "dynamodb:Scan", "table"),
    ("insights", "kms:GenerateDataKey", "table key"),
    ("insights", "kinesis:GetRecords", "stream"),
]
"""Written by hand: what a thief of a function's credentials must not be able to do."""


@pytest.mark.parametrize(("function", "action", "what"), FORBIDDEN, ids=[" ".join(row) for row in FORBIDDEN])
def test_a_thief_of_the_credentials_cannot(stack: Rendered, function: str, action: str, what: str) -> None:
    bucket = {name.split("-")[2]: name for name in stack.bucket_keys}
    table = f"arn:aws:dynamodb:{stack.region}:{stack.account_id}:table/"
    resource = {
        "stream": f"arn:aws:kinesis:{stack.region}:{stack.account_id}:stream/tapstack-dev-events",
        "stream key": stack.stream_key,
        "table": f"{table}tapstack-dev-behaviour",
        "other table": f"{table}tapstack-dev-behaviour-2",
        "table key": stack.table_key,
        "late object": f"arn:aws:s3:::{bucket['late']}/late/x",
        "late object elsewhere": f"arn:aws:s3:::{bucket['late']}/x",
        "archive object": f"arn:aws:s3:::{bucket['archive']}/late/x",
    }[what]
    request = Request(
        function=function, account_id=stack.account_id, action=action, resource=resource, via="code"
    )
    assert decide(request, stack.statements[function]) == "ImplicitDeny"


TRANSACTION = "TransactWriteItems"
FORBIDDEN_ROWS = [
    ("consumer", "PutItem", ("U#",), ""),  # users' rows without the journal
    ("consumer", "PutItem", ("J#",), ""),
    ("consumer", "PutItem", ("I#",), TRANSACTION),
    ("consumer", "PutItem", ("T#",), TRANSACTION),
    ("consumer", "PutItem", ("W#",), TRANSACTION),
    ("consumer", "BatchGetItem", ("I#", "U#"), ""),
    ("consumer", "Query", ("T#",), ""),
    ("projector", "PutItem", ("U#",), ""),
    ("projector", "PutItem", ("A#",), ""),
    ("projector", "PutItem", ("J#",), ""),
    ("projector", "PutItem", ("L#",), ""),
    ("projector", "PartiQLInsert", ("U#",), ""),
    ("projector", "PartiQLUpdate", ("J#",), ""),
    ("projector", "PartiQLUpdate", ("L#",), ""),
    ("projector", "BatchGetItem", ("I#", "U#"), ""),
    ("projector", "Query", ("A#",), ""),
    ("projector", "DeleteItem", ("I#",), ""),
    ("insights", "PutItem", ("I#",), ""),
]
"""Which rows a function's credentials do not open, and the transaction that a call is part of."""


@pytest.mark.parametrize(
    ("function", "action", "keys", "enclosing"),
    FORBIDDEN_ROWS,
    ids=[f"{row[0]} {row[1]} {' '.join(row[2])} {row[3]}" for row in FORBIDDEN_ROWS],
)
def test_a_thief_of_the_credentials_does_not_reach_these_rows(
    stack: Rendered, function: str, action: str, keys: tuple[str, ...], enclosing: str
) -> None:
    request = Request(
        function=function,
        account_id=stack.account_id,
        action=f"dynamodb:{action}",
        resource=f"arn:aws:dynamodb:{stack.region}:{stack.account_id}:table/tapstack-dev-behaviour",
        via="code",
        context=rows_context(keys, enclosing),
    )
    statements = stack.statements[function]
    assert decide(request, statements) == "ImplicitDeny"
    assert second_opinion.decide(request, statements) == "ImplicitDeny"


def test_a_key_opens_through_its_service_only(stack: Rendered, asked: list[Request]) -> None:
    through = [each for each in asked if "kms:ViaService" in each.context]
    assert len(through) >= 8
    for each in through:
        for context in ({}, {"kms:ViaService": f"ec2.{stack.region}.amazonaws.com"}):
            straight = Request(
                function=each.function,
                account_id=each.account_id,
                action=each.action,
                resource=each.resource,
                via="code",
                context=context,
            )
            assert decide(straight, stack.statements[each.function], stack) == "ImplicitDeny"


def test_a_second_evaluator_agrees_on_every_request_with_every_role(
    stack: Rendered, asked: list[Request]
) -> None:
    for statements in stack.statements.values():
        for sid in {each["Sid"] for each in statements}:
            fewer = without(statements, sid)
            for each in [*asked, *forbidden(stack)]:
                assert decide(each, fewer) == second_opinion.decide(each, fewer)


def test_the_page_is_what_the_run_says(stack: Rendered, asked: list[Request]) -> None:
    assert PAGE.read_text() == page(stack, asked), "run python -m least_privilege.page in tests/"


@pytest.mark.parametrize("function", VARIABLES)
def test_what_was_applied_is_what_a_plan_renders(stack: Rendered, function: str) -> None:
    del stack  # skips without Terraform
    state = os.environ.get(STATE_VARIABLE)
    if state is None:
        pytest.skip("nothing was applied; see make infra-joined")
    applied, plan = read(json.loads(Path(state).read_text())), read(planned())
    assert _skeleton(applied, function) == _skeleton(plan, function)


def _skeleton(stack: Rendered, function: str) -> list[object]:
    """Give the statements without what differs from account to account."""
    return sorted(
        (
            each["Sid"],
            each["Effect"],
            each["Action"],
            [resource.split(":")[:3] for resource in each["Resource"]],
            sorted((test, sorted(keys)) for test, keys in each.get("Condition", {}).items()),
        )
        for each in stack.statements[function]
    )


def _functions(stack: Rendered) -> list[dict[str, object]]:
    return [
        {
            "name": stack.function_names[values["function_name"]],
            "variables": values["environment"][0]["variables"],
        }
        for values in Stack(stack.document).all("aws_lambda_function")
    ]
