"""What the product relies on of DynamoDB, at the wire."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tapstack.ports import AwsError

KiB = 1024


def key(pk: str = "p", sk: str = "s") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def item(pk: str = "p", sk: str = "s", **attributes: Any) -> dict[str, Any]:
    return {**key(pk, sk), **attributes}


def number(value: object) -> dict[str, str]:
    return {"N": str(value)}


def put(table: str, seen: int, pk: str = "p", **attributes: Any) -> dict[str, Any]:
    """The product's own write: version `seen` + 1 if the row's version is still `seen`."""
    write: dict[str, Any] = {
        "TableName": table,
        "Item": item(pk, ver=number(seen + 1), **attributes),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    if seen:
        write |= {"ConditionExpression": "ver = :seen", "ExpressionAttributeValues": {":seen": number(seen)}}
    return write


def reasons(error: AwsError) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(error.body)["CancellationReasons"]
    return found


def get(dynamodb: Any, table: str, pk: str = "p", sk: str = "s") -> dict[str, Any] | None:
    answer = dynamodb("GetItem", TableName=table, Key=key(pk, sk), ConsistentRead=True)
    found: dict[str, Any] | None = answer.get("Item")
    return found


# Items.


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


def test_an_update_cannot_grow_an_item_beyond_400_kib(dynamodb, table) -> None:
    dynamodb("PutItem", TableName=table, Item=item(a={"S": "x" * 300 * KiB}))
    error = dynamodb.error(
        "UpdateItem",
        TableName=table,
        Key=key(),
        UpdateExpression="SET b = :b",
        ExpressionAttributeValues={":b": {"S": "x" * 200 * KiB}},
    )
    assert error.code == "ValidationException"


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


# Transactions.


def test_a_transaction_applies_all_of_its_writes(dynamodb, table) -> None:
    dynamodb("PutItem", TableName=table, Item=item("gone"))
    dynamodb("PutItem", TableName=table, Item=item("kept"))
    update = {"UpdateExpression": "ADD n :1", "ExpressionAttributeValues": {":1": number(1)}}
    check = {"ConditionExpression": "attribute_exists(pk)"}
    dynamodb(
        "TransactWriteItems",
        TransactItems=[
            {"Put": put(table, 0, "a")},
            {"Update": {"TableName": table, "Key": key("b"), **update}},
            {"Delete": {"TableName": table, "Key": key("gone")}},
            {"ConditionCheck": {"TableName": table, "Key": key("kept"), **check}},
        ],
    )
    assert get(dynamodb, table, "a") == item("a", ver=number(1))
    assert get(dynamodb, table, "b") == item("b", n=number(1))
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
    update = {"UpdateExpression": "ADD n :1", "ExpressionAttributeValues": {":1": number(1)}}
    request = {
        "TransactItems": [{"Update": {"TableName": table, "Key": key(), **update}}],
        "ClientRequestToken": f"token-{table}"[:36],
    }
    dynamodb("TransactWriteItems", **request)
    dynamodb("TransactWriteItems", **request)
    assert get(dynamodb, table) == item(n=number(1))


def test_a_token_cannot_be_used_for_something_else(dynamodb, table) -> None:
    token = f"token-{table}"[:36]
    dynamodb("TransactWriteItems", TransactItems=[{"Put": put(table, 0)}], ClientRequestToken=token)
    error = dynamodb.error(
        "TransactWriteItems", TransactItems=[{"Put": put(table, 0, "q")}], ClientRequestToken=token
    )
    assert error.code == "IdempotentParameterMismatchException"


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


def test_a_query_must_name_its_partition(dynamodb, partition) -> None:
    error = dynamodb.error(
        "Query",
        TableName=partition,
        KeyConditionExpression="sk = :p",
        ExpressionAttributeValues={":p": {"S": "p"}},
    )
    assert error.code == "ValidationException"
    assert "pk" in error.message


def test_a_filter_and_a_projection_cut_what_a_query_answers(dynamodb, partition) -> None:
    answer = dynamodb(
        "Query",
        TableName=partition,
        KeyConditionExpression="pk = :p",
        FilterExpression="n = :3",
        ProjectionExpression="sk, #n",
        ExpressionAttributeNames={"#n": "n"},
        ExpressionAttributeValues={":p": {"S": "p"}, ":3": number(3)},
    )
    assert answer["Items"][0] == {"sk": {"S": "a#1"}, "n": number(3)}
    assert (answer["Count"], answer["ScannedCount"]) == (4, 5)


def test_pages_of_a_scan_hold_each_row_once(dynamodb, partition) -> None:
    found: list[tuple[str, str]] = []
    more: dict[str, Any] = {}
    while True:
        answer = dynamodb("Scan", TableName=partition, Limit=4, **more)
        found += [(row["pk"]["S"], row["sk"]["S"]) for row in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    assert sorted(found) == [("other", "a#1")] + [("p", sk) for sk in ("a#1", "a#2", "b#1", "b#2", "ü")]


# What it costs.


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
