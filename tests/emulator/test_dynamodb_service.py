"""What `MemoryDynamoDB` does with time, chance and held items; the rest is in the contract suite."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tapstack.ports import AwsError
from tapstack_emulator import ManualClock, MemoryDynamoDB
from tapstack_emulator.dynamodb.reserved import RESERVED_WORDS


class Wire:
    def __init__(self, **how: Any) -> None:
        self.clock = ManualClock()
        self.memory = MemoryDynamoDB(self.clock, **how)
        self.memory.create_table("t", ttl_attribute="ttl")

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.json.decode(
            self.memory.call(operation, msgspec.json.encode(request))
        )
        return answer

    def put(self, pk: str = "p", **attributes: Any) -> None:
        self("PutItem", TableName="t", Item=key(pk) | attributes)

    def get(self, pk: str = "p") -> dict[str, Any] | None:
        return self("GetItem", TableName="t", Key=key(pk)).get("Item")

    def now(self, plus_s: int = 0) -> dict[str, str]:
        return {"N": str(self.clock.now_ms() // 1000 + plus_s)}


def key(pk: str = "p") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "s"}}


FIRST = {"TableName": "t", "Item": key(), "ConditionExpression": "attribute_not_exists(pk)"}


def test_an_expired_row_stays_until_a_sweep() -> None:
    wire = Wire()
    wire.put(ttl=wire.now(60))
    assert wire.memory.sweep() == 0
    wire.clock.advance_ms(61_000)
    assert wire.get() is not None
    assert wire.memory.sweep(lambda item: item["pk"] == {"S": "other"}) == 0
    assert wire.memory.sweep() == 1
    assert wire.get() is None


def test_a_hook_chooses_the_moment_at_which_a_row_goes() -> None:
    asked: list[float] = []

    def after_an_hour(_: Any, expired_s: float) -> bool:
        asked.append(expired_s)
        return expired_s > 3600

    wire = Wire(ttl=after_an_hour)
    wire.put(ttl=wire.now(10))
    assert asked == []
    wire.clock.advance_ms(20_000)
    assert wire.get() is not None
    wire.clock.advance_ms(3_600_000)
    assert wire.get() is None
    assert asked == [10, 3610]


def test_a_row_prolonged_in_time_is_not_swept() -> None:
    wire = Wire()
    wire.put(ttl=wire.now(10))
    wire.clock.advance_ms(20_000)
    wire.put(ttl=wire.now(10))
    assert wire.memory.sweep() == 0


def test_a_row_that_expired_five_years_ago_is_never_swept() -> None:
    wire = Wire()
    wire.put(ttl=wire.now(-6 * 365 * 86_400))
    assert wire.memory.sweep() == 0


def test_a_token_is_forgotten_after_ten_minutes() -> None:
    wire = Wire()
    request = {"TransactItems": [{"Put": FIRST}], "ClientRequestToken": "x"}
    wire("TransactWriteItems", **request)
    wire.clock.advance_ms(599_999)
    wire("TransactWriteItems", **request)
    wire.clock.advance_ms(1)
    with pytest.raises(AwsError, match="TransactionCanceled"):
        wire("TransactWriteItems", **request)


def test_a_token_of_a_cancelled_transaction_can_be_used_again() -> None:
    wire = Wire()
    wire.put()
    request = {"TransactItems": [{"Put": FIRST}], "ClientRequestToken": "x"}
    with pytest.raises(AwsError, match="TransactionCanceled"):
        wire("TransactWriteItems", **request)
    wire("DeleteItem", TableName="t", Key=key())
    wire("TransactWriteItems", **request)
    assert wire.get() == key()


def test_a_held_item_conflicts_and_the_other_reasons_are_given_beside_it() -> None:
    wire = Wire()
    wire.put("taken")
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    puts = [{"Put": {"TableName": "t", "Item": key(pk), **condition}} for pk in ("held", "taken", "free")]
    with wire.memory.holding("t", [key("held")]):
        with pytest.raises(AwsError) as caught:
            wire("TransactWriteItems", TransactItems=puts)
        with pytest.raises(AwsError, match="TransactionConflictException"):
            wire.put("held")
        wire.put("another")
    reasons = msgspec.json.decode(caught.value.body)["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["TransactionConflict", "ConditionalCheckFailed", "None"]
    wire.put("held")


def test_a_table_without_a_range_key_and_with_numbers_works() -> None:
    wire = Wire()
    wire(
        "CreateTable",
        TableName="n",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    wire("PutItem", TableName="n", Item={"id": {"N": "1.0"}})
    assert wire("GetItem", TableName="n", Key={"id": {"N": "1"}})["Item"] == {"id": {"N": "1"}}
    assert wire("DescribeTable", TableName="n")["Table"]["ItemCount"] == 1


def test_numeric_range_keys_are_ordered_as_numbers() -> None:
    wire = Wire()
    wire(
        "CreateTable",
        TableName="n",
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "nth", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "nth", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for nth in ("10", "9", "-1", "9.5"):
        wire("PutItem", TableName="n", Item={"id": {"S": "a"}, "nth": {"N": nth}})
    answer = wire(
        "Query",
        TableName="n",
        KeyConditionExpression="id = :a AND nth > :0",
        ExpressionAttributeValues={":a": {"S": "a"}, ":0": {"N": "0"}},
    )
    assert [row["nth"]["N"] for row in answer["Items"]] == ["9", "9.5", "10"]


def test_an_empty_expression_and_unused_names_are_refused() -> None:
    wire = Wire()
    for more in (
        {"ConditionExpression": " "},
        {"ExpressionAttributeNames": {}},
        {"ExpressionAttributeNames": {"#a": "a"}},
    ):
        with pytest.raises(AwsError, match="ValidationException"):
            wire("PutItem", TableName="t", Item=key(), **more)


def test_aws_reserves_573_words() -> None:
    assert len(RESERVED_WORDS) == 573
    assert {"STATE", "TTL", "ITEMS", "VALUE", "COUNT"} <= RESERVED_WORDS
