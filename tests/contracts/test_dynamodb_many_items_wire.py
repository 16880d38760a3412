"""What the product relies on of DynamoDB for many items at once, at the wire: batches and queries."""

from __future__ import annotations

from typing import Any

import pytest
from dynamodb_requests import KiB, get, item, key, number

# Many items.


def test_a_batch_get_answers_what_is_there(dynamodb, table) -> None:
    dynamodb("PutItem", TableName=table, Item=item("a"))
    answer = dynamodb("BatchGetItem", RequestItems={table: {"Keys": [key("a"), key("b")]}})
    assert answer["Responses"] == {table: [item("a")]}
    assert answer["UnprocessedKeys"] == {}


def test_a_batch_get_takes_100_keys_and_no_more(dynamodb, table) -> None:
    keys = [key(f"p{index}") for index in range(101)]
    error = dynamodb.error("BatchGetItem", RequestItems={table: {"Keys": keys}})
    assert error.code == "ValidationException"
    assert dynamodb("BatchGetItem", RequestItems={table: {"Keys": keys[:100]}})["Responses"] == {table: []}


def test_a_batch_get_refuses_a_key_named_twice(dynamodb, table) -> None:
    error = dynamodb.error("BatchGetItem", RequestItems={table: {"Keys": [key(), key()]}})
    assert error.message == "Provided list of item keys contains duplicates"


def test_a_batch_get_leaves_what_exceeds_16_mib_for_later(dynamodb, table) -> None:
    for index in range(45):
        dynamodb("PutItem", TableName=table, Item=item(f"p{index}", a={"S": "x" * 390 * KiB}))
    wanted = [key(f"p{index}") for index in range(45)]
    found = []
    rounds = 0
    while wanted:
        answer = dynamodb("BatchGetItem", RequestItems={table: {"Keys": wanted}})
        found += [row["pk"]["S"] for row in answer["Responses"][table]]
        wanted = answer["UnprocessedKeys"].get(table, {}).get("Keys", [])
        rounds += 1
    assert sorted(found) == sorted(f"p{index}" for index in range(45))
    assert rounds == 2


def test_a_batch_write_puts_and_deletes(dynamodb, table) -> None:
    dynamodb("PutItem", TableName=table, Item=item("gone"))
    writes = [{"PutRequest": {"Item": item("new")}}, {"DeleteRequest": {"Key": key("gone")}}]
    assert dynamodb("BatchWriteItem", RequestItems={table: writes})["UnprocessedItems"] == {}
    assert get(dynamodb, table, "new") == item("new")
    assert get(dynamodb, table, "gone") is None


def test_a_batch_write_takes_25_items_and_no_more(dynamodb, table) -> None:
    writes = [{"PutRequest": {"Item": item(f"p{index}")}} for index in range(26)]
    assert dynamodb.error("BatchWriteItem", RequestItems={table: writes}).code == "ValidationException"


# Queries.


@pytest.fixture
def partition(dynamodb: Any, table: str) -> str:
    for sk in ("a#1", "a#2", "b#1", "b#2", "ü"):
        dynamodb("PutItem", TableName=table, Item=item("p", sk, n=number(len(sk))))
    dynamodb("PutItem", TableName=table, Item=item("other", "a#1"))
    return table


@pytest.mark.parametrize(
    ("condition", "values", "found"),
    [
        ("pk = :p", {}, ["a#1", "a#2", "b#1", "b#2", "ü"]),
        ("pk = :p AND sk = :a", {":a": "a#2"}, ["a#2"]),
        ("pk = :p AND begins_with(sk, :a)", {":a": "a#"}, ["a#1", "a#2"]),
        ("pk = :p AND sk BETWEEN :a AND :b", {":a": "a#2", ":b": "b#1"}, ["a#2", "b#1"]),
        ("pk = :p AND sk > :a", {":a": "b#1"}, ["b#2", "ü"]),
        ("pk = :p AND sk <= :a", {":a": "a#2"}, ["a#1", "a#2"]),
    ],
)
def test_a_query_answers_a_partition_in_order(dynamodb, partition, condition, values, found) -> None:
    given = {":p": {"S": "p"}} | {name: {"S": value} for name, value in values.items()}
    request = {
        "TableName": partition,
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": given,
    }
    answer = dynamodb("Query", **request)
    assert [row["sk"]["S"] for row in answer["Items"]] == found
    assert answer["Count"] == len(found)
    backwards = dynamodb("Query", ScanIndexForward=False, **request)
    assert [row["sk"]["S"] for row in backwards["Items"]] == found[::-1]


@pytest.mark.parametrize("forward", [True, False])
def test_pages_of_a_query_hold_each_row_once(dynamodb, partition, forward) -> None:
    found: list[str] = []
    more: dict[str, Any] = {}
    while True:
        answer = dynamodb(
            "Query",
            TableName=partition,
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": "p"}},
            ScanIndexForward=forward,
            Limit=2,
            **more,
        )
        found += [row["sk"]["S"] for row in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    expected = ["a#1", "a#2", "b#1", "b#2", "ü"]
    assert found == (expected if forward else expected[::-1])


def test_a_page_of_a_query_ends_at_1_mib(dynamodb, table) -> None:
    for index in range(4):
        dynamodb("PutItem", TableName=table, Item=item("p", f"s{index}", a={"S": "x" * 300 * KiB}))
    request = {
        "TableName": table,
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "p"}},
    }
    first = dynamodb("Query", **request)
    assert 3 <= len(first["Items"]) < 4 + 1
    assert "LastEvaluatedKey" in first
    rest = dynamodb("Query", ExclusiveStartKey=first["LastEvaluatedKey"], **request)
    assert len(first["Items"]) + len(rest["Items"]) == 4


@pytest.mark.parametrize(
    ("low", "high"), [({"S": "b"}, {"S": "a"}), ({"S": "a"}, number(1))], ids=["order", "types"]
)
def test_a_query_between_bounds_that_are_none_is_refused(dynamodb, partition, low, high) -> None:
    error = dynamodb.error(
        "Query",
        TableName=partition,
        KeyConditionExpression="pk = :p AND sk BETWEEN :low AND :high",
        ExpressionAttributeValues={":p": {"S": "p"}, ":low": low, ":high": high},
    )
    assert error.code == "ValidationException"


@pytest.mark.parametrize(
    "condition",
    ["pk = :p AND begins_with(sk, :none)", "pk = :p AND sk >= :none", "pk = :p AND sk BETWEEN :none AND :p"],
)
def test_a_query_compares_no_key_with_an_empty_string(dynamodb, partition, condition) -> None:
    error = dynamodb.error(
        "Query",
        TableName=partition,
        KeyConditionExpression=condition,
        ExpressionAttributeValues={":p": {"S": "p"}, ":none": {"S": ""}},
    )
    assert error.code == "ValidationException"
    assert "Key: sk" in error.message


def test_a_query_must_name_its_partition(dynamodb, partition) -> None:
    error = dynamodb.error(
        "Query",
        TableName=partition,
        KeyConditionExpression="sk = :p",
        ExpressionAttributeValues={":p": {"S": "p"}},
    )
    assert error.code == "ValidationException"
    assert "pk" in error.message
