"""What the product relies on of DynamoDB's transactions, at the wire."""

from __future__ import annotations

from dynamodb_requests import KiB, get, item, key, number, put, reasons


def test_a_transaction_applies_all_of_its_writes(dynamodb, table) -> None:
    dynamodb("PutItem", TableName=table, Item=item("gone"))
    dynamodb("PutItem", TableName=table, Item=item("kept"))
    check = {"ConditionExpression": "attribute_exists(pk)"}
    dynamodb(
        "TransactWriteItems",
        TransactItems=[
            {"Put": put(table, 0, "a")},
            {"Delete": {"TableName": table, "Key": key("gone")}},
            {"ConditionCheck": {"TableName": table, "Key": key("kept"), **check}},
        ],
    )
    assert get(dynamodb, table, "a") == item("a", ver=number(1))
    assert get(dynamodb, table, "gone") is None
    assert get(dynamodb, table, "kept") == item("kept")


def test_a_cancelled_transaction_applies_nothing_and_gives_a_reason_for_each_write(dynamodb, table) -> None:
    dynamodb("PutItem", TableName=table, Item=item("b", ver=number(4)))
    error = dynamodb.error(
        "TransactWriteItems",
        TransactItems=[{"Put": put(table, 0, "a")}, {"Put": put(table, 3, "b")}, {"Put": put(table, 2, "c")}],
    )
    assert (error.code, error.status) == ("TransactionCanceledException", 400)
    assert [reason["Code"] for reason in reasons(error)] == [
        "None",
        "ConditionalCheckFailed",
        "ConditionalCheckFailed",
    ]
    assert reasons(error)[1]["Item"] == item("b", ver=number(4))
    assert "Item" not in reasons(error)[2]
    assert get(dynamodb, table, "a") is None
    assert get(dynamodb, table, "b") == item("b", ver=number(4))


def test_a_cancelled_transaction_names_its_reasons_in_the_message(dynamodb, table) -> None:
    error = dynamodb.error(
        "TransactWriteItems", TransactItems=[{"Put": put(table, 1)}, {"Put": put(table, 0, "q")}]
    )
    assert error.message == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons"
        " [ConditionalCheckFailed, None]"
    )


def test_a_transaction_takes_100_writes_and_no_more(dynamodb, table) -> None:
    writes = [{"Put": put(table, 0, f"p{index}")} for index in range(101)]
    assert dynamodb.error("TransactWriteItems", TransactItems=writes).code == "ValidationException"
    dynamodb("TransactWriteItems", TransactItems=writes[:100])
    assert get(dynamodb, table, "p99") is not None


def test_a_transaction_may_touch_an_item_only_once(dynamodb, table) -> None:
    error = dynamodb.error(
        "TransactWriteItems", TransactItems=[{"Put": put(table, 0)}, {"Put": put(table, 0)}]
    )
    assert error.code == "ValidationException"
    assert error.message == "Transaction request cannot include multiple operations on one item"


def test_a_transaction_above_4_mib_is_refused(dynamodb, table) -> None:
    writes = [{"Put": put(table, 0, f"p{index}", a={"S": "x" * 390 * KiB})} for index in range(11)]
    error = dynamodb.error("TransactWriteItems", TransactItems=writes)
    assert error.code in {"ValidationException", "TransactionCanceledException"}
    assert get(dynamodb, table, "p0") is None


def test_a_transaction_sent_again_with_its_token_is_applied_once(dynamodb, table) -> None:
    request = {"TransactItems": [{"Put": put(table, 0)}], "ClientRequestToken": f"token-{table}"[:36]}
    dynamodb("TransactWriteItems", **request)
    dynamodb("TransactWriteItems", **request)  # its condition fails by now
    assert get(dynamodb, table) == item(ver=number(1))


def test_a_token_cannot_be_used_for_something_else(dynamodb, table) -> None:
    token = f"token-{table}"[:36]
    dynamodb("TransactWriteItems", TransactItems=[{"Put": put(table, 0)}], ClientRequestToken=token)
    error = dynamodb.error(
        "TransactWriteItems", TransactItems=[{"Put": put(table, 0, "q")}], ClientRequestToken=token
    )
    assert error.code == "IdempotentParameterMismatchException"
