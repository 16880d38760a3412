"""What the product relies on of DynamoDB's items, at the wire: values, keys, sizes, and what writes cost."""

from __future__ import annotations

import pytest
from dynamodb_requests import KiB, get, item, key, number, put


@pytest.mark.parametrize(
    "value",
    [
        {"S": "ü\u0000"},
        {"N": "-12.5"},
        {"B": "AAEC"},
        {"BOOL": True},
        {"NULL": True},
        {"L": [{"N": "1"}, {"M": {"a": {"S": ""}}}]},
        {"M": {}},
        {"SS": ["a", "b"]},
        {"NS": ["1", "2"]},
    ],
    ids=lambda value: next(iter(value)),
)
def test_an_item_comes_back_as_it_was_put(dynamodb, table, value) -> None:
    dynamodb("PutItem", TableName=table, Item=item(a=value))
    assert get(dynamodb, table) == item(a=value)


@pytest.mark.parametrize(
    ("given", "answered"),
    [("007", "7"), ("1.50", "1.5"), ("1E3", "1000"), ("-0", "0"), ("1e-3", "0.001")],
    ids=["zeros-before", "zeros-after", "exponent", "minus-zero", "small"],
)
def test_numbers_are_answered_in_one_spelling(dynamodb, table, given, answered) -> None:
    dynamodb("PutItem", TableName=table, Item=item(n=number(given)))
    assert (get(dynamodb, table) or {})["n"] == number(answered)


@pytest.mark.parametrize("digits", [39, 56])
def test_a_number_of_more_than_38_digits_is_refused(dynamodb, table, digits) -> None:
    error = dynamodb.error("PutItem", TableName=table, Item=item(n=number("1" * digits)))
    assert (error.code, error.status) == ("ValidationException", 400)
    assert "38 significant digits" in error.message


@pytest.mark.parametrize("nested", [False, True], ids=["attribute", "in-a-list"])
def test_a_null_that_is_not_true_is_refused(dynamodb, table, nested) -> None:
    null = {"NULL": False}
    error = dynamodb.error("PutItem", TableName=table, Item=item(a={"L": [null]} if nested else null))
    assert (error.code, error.status) == ("ValidationException", 400)
    assert "Null attribute value types must have the value of true" in error.message
    assert get(dynamodb, table) is None


def test_an_item_that_is_not_there_is_answered_by_no_item(dynamodb, table) -> None:
    assert get(dynamodb, table) is None


@pytest.mark.parametrize(
    "wrong",
    [{"pk": {"S": "p"}}, {"pk": {"S": "p"}, "sk": {"N": "1"}}, item(a={"S": "x"})],
    ids=["missing", "type", "further"],
)
def test_a_key_that_does_not_fit_the_schema_is_refused(dynamodb, table, wrong) -> None:
    error = dynamodb.error("GetItem", TableName=table, Key=wrong)
    assert error.code == "ValidationException"


def test_a_table_that_is_not_there_is_not_found(dynamodb) -> None:
    error = dynamodb.error("GetItem", TableName="nowhere", Key=key())
    assert error.code == "ResourceNotFoundException"


def test_an_item_may_have_400_kib_and_not_a_byte_more(dynamodb, table) -> None:
    room = 400 * KiB - len("pkp") - len("sks") - len("a")
    dynamodb("PutItem", TableName=table, Item=item(a={"S": "x" * room}))
    error = dynamodb.error("PutItem", TableName=table, Item=item(a={"S": "x" * (room + 1)}))
    assert error.code == "ValidationException"
    assert "Item size" in error.message


def test_a_transaction_costs_two_units_for_each_kib_begun(dynamodb, table) -> None:
    answer = dynamodb(
        "TransactWriteItems",
        TransactItems=[{"Put": put(table, 0, "a", a={"S": "x" * 1500})}, {"Put": put(table, 0, "b")}],
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 6


def test_a_put_costs_a_unit_for_each_kib_begun(dynamodb, table) -> None:
    room = 1024 - len("pkp") - len("sks") - len("a")
    for size, units in ((room, 1), (room + 1, 2)):
        answer = dynamodb(
            "PutItem", TableName=table, Item=item(a={"S": "x" * size}), ReturnConsumedCapacity="TOTAL"
        )
        assert answer["ConsumedCapacity"]["CapacityUnits"] == units
