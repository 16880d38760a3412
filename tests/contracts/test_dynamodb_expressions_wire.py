"""What conditional writes rely on of DynamoDB's expressions, at the wire."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from dynamodb_requests import get, item, key, number, put

# Conditions.


def test_a_conditional_put_that_fails_answers_the_row_that_won(dynamodb, table) -> None:
    dynamodb("PutItem", **put(table, 0))
    error = dynamodb.error("PutItem", **put(table, 0))
    assert (error.code, error.message) == (
        "ConditionalCheckFailedException",
        "The conditional request failed",
    )
    assert msgspec.json.decode(error.body)["Item"] == item(ver=number(1))


def test_a_conditional_put_that_fails_on_an_absent_row_answers_no_image(dynamodb, table) -> None:
    error = dynamodb.error("PutItem", **put(table, 3))
    assert error.code == "ConditionalCheckFailedException"
    assert not msgspec.json.decode(error.body).get("Item")


ROW = item(n=number(5), s={"S": "abc"}, t={"SS": ["x", "y"]})
VALUES = {
    ":4": number(4),
    ":5": number("5.0"),
    ":6": number(6),
    ":a": {"S": "a"},
    ":abc": {"S": "abc"},
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("n = :5", True),
        ("n <> :5", False),
        ("n < :6 AND n > :4", True),
        ("n <= :4 OR n >= :6", False),
        ("NOT n = :4", True),
        ("NOT (n = :4 OR n = :5)", False),
        ("n = :4 OR n = :5 AND s = :abc", True),
        ("(n = :4 OR n = :5) AND s = :a", False),
        ("attribute_exists(n)", True),
        ("attribute_not_exists(absent) OR n < :4", True),
        ("attribute_not_exists(n)", False),
        ("s < :5", False),
        ("absent < :5", False),
        ("absent <> :5", True),
    ],
)
def test_a_condition_holds(dynamodb, table, condition, holds) -> None:
    dynamodb("PutItem", TableName=table, Item=ROW)
    used = {name: VALUES[name] for name in re.findall(r":\w+", condition)}
    request: dict[str, Any] = {"TableName": table, "Key": key(), "ConditionExpression": condition}
    if used:
        request["ExpressionAttributeValues"] = used
    if holds:
        dynamodb("DeleteItem", **request)
        assert get(dynamodb, table) is None
    else:
        assert dynamodb.error("DeleteItem", **request).code == "ConditionalCheckFailedException"
        assert get(dynamodb, table) == ROW


@pytest.mark.parametrize(
    ("condition", "names", "values", "says"),
    [
        ("state = :a", {}, {":a": number(1)}, "reserved keyword"),
        ("n = :b", {}, {":a": number(1)}, "not defined"),
        ("#n = :a", {}, {":a": number(1)}, "not defined"),
        ("n = :a", {}, {":a": number(1), ":b": number(2)}, "unused in expressions"),
        ("n = :a", {"#n": "n"}, {":a": number(1)}, "unused in expressions"),
        ("n = :a AND", {}, {":a": number(1)}, "Syntax error"),
        ("n == :a", {}, {":a": number(1)}, "Syntax error"),
    ],
    ids=[
        "reserved",
        "value-undefined",
        "name-undefined",
        "value-unused",
        "name-unused",
        "unfinished",
        "operator",
    ],
)
def test_a_condition_that_is_wrong_is_refused(dynamodb, table, condition, names, values, says) -> None:
    request: dict[str, Any] = {"ConditionExpression": condition, "ExpressionAttributeValues": values}
    if names:
        request["ExpressionAttributeNames"] = names
    error = dynamodb.error("PutItem", TableName=table, Item=item(), **request)
    assert error.code == "ValidationException"
    assert says in error.message
