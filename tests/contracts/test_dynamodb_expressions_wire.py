"""What the product relies on of DynamoDB's expressions, at the wire: conditions and updates."""

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


ROW = item(
    n=number(5), s={"S": "abc"}, l={"L": [{"S": "x"}]}, m={"M": {"deep": number(1)}}, t={"SS": ["x", "y"]}
)
VALUES = {
    ":1": number(1),
    ":4": number(4),
    ":5": number("5.0"),
    ":6": number(6),
    ":a": {"S": "a"},
    ":abc": {"S": "abc"},
    ":x": {"S": "x"},
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
        ("n BETWEEN :4 AND :6", True),
        ("n BETWEEN :6 AND :6", False),
        ("n IN (:4, :5)", True),
        ("s IN (:a, :x)", False),
        ("attribute_exists(m.deep)", True),
        ("attribute_not_exists(m.deeper)", True),
        ("attribute_exists(l[1])", False),
        ("l[0] = :x", True),
        ("begins_with(s, :a)", True),
        ("begins_with(s, :x)", False),
        ("contains(s, :abc)", True),
        ("contains(t, :x)", True),
        ("contains(l, :a)", False),
        ("size(s) < :4", True),
        ("size(t) = :1", False),
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
        ("n BETWEEN :b AND :a", {}, {":a": number(1), ":b": number(2)}, "BETWEEN operator requires"),
    ],
    ids=[
        "reserved",
        "value-undefined",
        "name-undefined",
        "value-unused",
        "name-unused",
        "unfinished",
        "operator",
        "between",
    ],
)
def test_a_condition_that_is_wrong_is_refused(dynamodb, table, condition, names, values, says) -> None:
    request: dict[str, Any] = {"ConditionExpression": condition, "ExpressionAttributeValues": values}
    if names:
        request["ExpressionAttributeNames"] = names
    error = dynamodb.error("PutItem", TableName=table, Item=item(), **request)
    assert error.code == "ValidationException"
    assert says in error.message


# Updates.


@pytest.mark.parametrize(
    ("update", "values", "after"),
    [
        ("SET n = n + :1", {":1": number(1)}, {"n": number(6)}),
        ("SET n = n - :1", {":1": number("0.5")}, {"n": number(4.5)}),
        ("SET q = if_not_exists(q, :0) + :1", {":0": number(0), ":1": number(1)}, {"q": number(1)}),
        ("SET n = if_not_exists(n, :0) + :1", {":0": number(0), ":1": number(1)}, {"n": number(6)}),
        ("SET l = list_append(l, :l)", {":l": {"L": [number(1)]}}, {"l": {"L": [{"S": "x"}, number(1)]}}),
        ("SET l[0] = :1", {":1": number(1)}, {"l": {"L": [number(1)]}}),
        ("SET m.two = :1", {":1": number(1)}, {"m": {"M": {"deep": number(1), "two": number(1)}}}),
        ("ADD n :1", {":1": number(-7)}, {"n": number(-2)}),
        ("ADD q :1", {":1": number(3)}, {"q": number(3)}),
        ("ADD t :t", {":t": {"SS": ["y", "z"]}}, {"t": {"SS": ["x", "y", "z"]}}),
        ("DELETE t :t", {":t": {"SS": ["y"]}}, {"t": {"SS": ["x"]}}),
        ("REMOVE s, m.deep", {}, {"s": None, "m": {"M": {}}}),
        ("SET q = n, n = :1 REMOVE s", {":1": number(1)}, {"q": number(5), "n": number(1), "s": None}),
    ],
)
def test_an_update_changes_what_it_names(dynamodb, table, update, values, after) -> None:
    dynamodb("PutItem", TableName=table, Item=ROW)
    more = {"ExpressionAttributeValues": values} if values else {}
    answer = dynamodb(
        "UpdateItem", TableName=table, Key=key(), UpdateExpression=update, ReturnValues="ALL_NEW", **more
    )
    expected = {name: value for name, value in {**ROW, **after}.items() if value is not None}
    for row in (answer["Attributes"], get(dynamodb, table) or {}):
        if "t" in row:
            row["t"]["SS"].sort()
        assert row == expected


@pytest.mark.parametrize(
    ("update", "values"),
    [
        ("SET m.a = :1, m.a.b = :1", {":1": number(1)}),
        ("SET n = :1 REMOVE n", {":1": number(1)}),
        ("SET sk = :1", {":1": number(1)}),
        ("SET q = q + :1", {":1": number(1)}),
        ("SET s = s + :1", {":1": number(1)}),
        ("SET no.way = :1", {":1": number(1)}),
        ("ADD s :1", {":1": number(1)}),
        ("SET n = :1 SET s = :1", {":1": number(1)}),
        ("SET n = n + :1", {":1": number("0." + "1" * 38)}),
    ],
    ids=[
        "overlap-deep", "overlap", "key", "missing", "type", "no-parent", "add-to-string", "twice", "digits",
    ],
)  # fmt: skip
def test_an_update_that_is_wrong_is_refused_and_changes_nothing(dynamodb, table, update, values) -> None:
    dynamodb("PutItem", TableName=table, Item=ROW)
    error = dynamodb.error(
        "UpdateItem", TableName=table, Key=key(), UpdateExpression=update, ExpressionAttributeValues=values
    )
    assert error.code == "ValidationException"
    assert get(dynamodb, table) == ROW


def test_an_update_makes_a_row_that_was_not_there(dynamodb, table) -> None:
    dynamodb(
        "UpdateItem",
        TableName=table,
        Key=key(),
        UpdateExpression="ADD n :1",
        ExpressionAttributeValues={":1": number(1)},
    )
    assert get(dynamodb, table) == item(n=number(1))
