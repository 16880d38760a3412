"""What the product relies on of DynamoDB for conditional writes in bulk, at the wire: PartiQL in batches."""

from __future__ import annotations

from typing import Any

import pytest
from dynamodb_requests import KiB, get, item, number

from tapstack.aws.dynamodb import STATEMENTS_MAX


def insert(table: str, pk: str, version: int = 1, **more: Any) -> dict[str, Any]:
    text = f"""INSERT INTO "{table}" VALUE {{'pk':?,'sk':?,'v':?,'ttl':?}}"""
    return {"Statement": text, "Parameters": [{"S": pk}, {"S": "s"}, number(version), number(5)], **more}


def update(table: str, pk: str, seen: int, **more: Any) -> dict[str, Any]:
    text = f'UPDATE "{table}" SET "v"=? SET "ttl"=? WHERE "pk"=? AND "sk"=? AND "v"=?'
    values = [number(seen + 1), number(6), {"S": pk}, {"S": "s"}, number(seen)]
    return {
        "Statement": text,
        "Parameters": values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **more,
    }


def run(dynamodb: Any, *statements: dict[str, Any]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = dynamodb("BatchExecuteStatement", Statements=statements)["Responses"]
    return answers


def test_an_insert_begins_a_row_and_leaves_one_that_is_there(dynamodb, table) -> None:
    assert run(dynamodb, insert(table, "p")) == [{"TableName": table}]
    (answer,) = run(dynamodb, insert(table, "p", 9))
    assert answer["Error"]["Code"] == "DuplicateItem"
    assert "Item" not in answer["Error"]
    assert get(dynamodb, table) == item(v=number(1), ttl=number(5))


def test_an_update_asks_for_the_version_and_answers_the_row_where_it_is_another(dynamodb, table) -> None:
    run(dynamodb, insert(table, "p"))
    assert run(dynamodb, update(table, "p", 1)) == [{"TableName": table}]
    changed = item(v=number(2), ttl=number(6))
    assert get(dynamodb, table) == changed
    (refused,) = run(dynamodb, update(table, "p", 1))
    assert refused["Error"]["Code"] == "ConditionalCheckFailed"
    assert refused["Error"]["Item"] == changed
    assert get(dynamodb, table) == changed


def test_an_update_begins_no_row(dynamodb, table) -> None:
    (refused,) = run(dynamodb, update(table, "p", 1))
    assert refused["Error"]["Code"] == "ConditionalCheckFailed"
    assert "Item" not in refused["Error"]
    assert get(dynamodb, table) is None


def test_an_update_leaves_other_attributes(dynamodb, table) -> None:
    dynamodb("PutItem", TableName=table, Item=item(v=number(1), other={"S": "kept"}))
    run(dynamodb, update(table, "p", 1))
    assert get(dynamodb, table) == item(v=number(2), ttl=number(6), other={"S": "kept"})


def test_each_statement_has_its_answer_and_none_waits_for_another(dynamodb, table) -> None:
    run(dynamodb, insert(table, "a"), insert(table, "b"))
    answers = run(
        dynamodb, update(table, "a", 7), update(table, "b", 1), insert(table, "a"), insert(table, "c")
    )
    assert [each.get("Error", {}).get("Code") for each in answers] == [
        "ConditionalCheckFailed", None, "DuplicateItem", None,
    ]  # fmt: skip
    assert get(dynamodb, table, "b") == item("b", v=number(2), ttl=number(6))
    assert get(dynamodb, table, "c") is not None


def test_a_statement_that_is_none_is_an_error_of_its_own(dynamodb, table) -> None:
    without_a_key = {
        "Statement": f'UPDATE "{table}" SET "v"=? WHERE "pk"=?',
        "Parameters": [number(1), {"S": "p"}],
    }
    too_few = insert(table, "p") | {"Parameters": [{"S": "p"}]}
    answers = run(dynamodb, without_a_key, too_few, insert(table, "p"))
    assert [each.get("Error", {}).get("Code") for each in answers] == [
        "ValidationError",
        "ValidationError",
        None,
    ]


def test_a_row_may_not_grow_beyond_400_kb(dynamodb, table) -> None:
    text = f"""INSERT INTO "{table}" VALUE {{'pk':?,'sk':?,'a':?}}"""
    large = {"Statement": text, "Parameters": [{"S": "p"}, {"S": "s"}, {"S": "x" * 400 * KiB}]}
    (answer,) = run(dynamodb, large)
    assert answer["Error"]["Code"] == "ValidationError"
    assert get(dynamodb, table) is None


@pytest.mark.parametrize("count", [0, STATEMENTS_MAX + 1])
def test_a_batch_has_1_to_25_statements(dynamodb, table, count: int) -> None:
    statements = [insert(table, f"p{index}") for index in range(count)]
    assert dynamodb.error("BatchExecuteStatement", Statements=statements).code == "ValidationException"
    assert (
        len(run(dynamodb, *[insert(table, f"p{index}") for index in range(STATEMENTS_MAX)])) == STATEMENTS_MAX
    )


def test_an_unknown_table_is_an_error_of_the_statement(dynamodb, table) -> None:
    unknown, known = run(dynamodb, insert("nobody", "p"), insert(table, "p"))
    assert unknown["Error"]["Code"] == "ResourceNotFound"
    assert "Error" not in known
