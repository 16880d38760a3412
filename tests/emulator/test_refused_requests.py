"""What the fakes refuse, and how AWS words it: members not implemented, types, bounds, what is no JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import share
from tapstack.ports import AwsError
from tapstack_emulator import ManualClock, MemoryDynamoDB, MemoryKinesis

NUMBER = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber"
FAILED = "failed to satisfy constraint: Member must"
KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}
PLACE = {"TableName": "t", "Key": KEY}
PUT = {"TableName": "t", "Item": KEY}
QUERY = {
    "TableName": "t",
    "KeyConditionExpression": "pk = :p",
    "ExpressionAttributeValues": {":p": {"S": "p"}},
}
RECORD = {"StreamName": "s", "PartitionKey": "k", "Data": "eA=="}
SHARD = "shardId-000000000000"


def dynamodb() -> MemoryDynamoDB:
    memory = MemoryDynamoDB(ManualClock())
    memory.create_table("t")
    memory.call("PutItem", msgspec.json.encode(PUT))
    return memory


def kinesis() -> MemoryKinesis:
    memory = MemoryKinesis(ManualClock())
    memory.create_stream("s", 2)
    return memory


def refused(api: Any, operation: str, body: Any) -> AwsError:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    with pytest.raises(AwsError) as caught:
        api.call(operation, raw)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(
    ("operation", "body", "member"),
    [
        ("PutItem", {**PUT, "Expected": {"pk": {"Exists": False}}}, "Expected"),
        ("PutItem", {**PUT, "ConditionalOperator": "AND"}, "ConditionalOperator"),
        ("PutItem", {**PUT, "Nonsense": 1}, "Nonsense"),
        ("DeleteItem", {**PLACE, "Expected": {"pk": {"Exists": False}}}, "Expected"),
        ("GetItem", {**PLACE, "AttributesToGet": ["pk"]}, "AttributesToGet"),
        ("GetItem", {**PLACE, "ProjectionExpression": "pk"}, "ProjectionExpression"),
        ("Query", {**QUERY, "IndexName": "by-time"}, "IndexName"),
        ("Query", {**QUERY, "FilterExpression": "n = :p"}, "FilterExpression"),
        ("Query", {**QUERY, "QueryFilter": {}}, "QueryFilter"),
        ("Query", {**QUERY, "KeyConditions": {}}, "KeyConditions"),
        ("Query", {**QUERY, "Select": "COUNT"}, "Select"),
        (
            "BatchGetItem",
            {"RequestItems": {"t": {"Keys": [KEY], "AttributesToGet": ["pk"]}}},
            "requestItems.t.member.AttributesToGet",
        ),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Update": {**PLACE, "UpdateExpression": "SET a = :b"}}]},
            "transactItems.1.member.Update",
        ),
        (
            "CreateTable",
            {
                "TableName": "u",
                "AttributeDefinitions": [],
                "KeySchema": [],
                "StreamSpecification": {"StreamEnabled": True},
            },
            "StreamSpecification",
        ),
    ],
)
def test_dynamodb_refuses_a_member_that_is_not_implemented(operation: str, body: Any, member: str) -> None:
    memory = dynamodb()
    before = memory.items("t")
    error = refused(memory, operation, body)
    assert error.code == "ValidationException"
    assert error.message == f"The parameter {member} is not implemented by tapstack_emulator"
    assert memory.items("t") == before


@pytest.mark.parametrize(
    ("operation", "more", "member"),
    [
        ("CreateStream", {"StreamName": "t", "Tags": {"a": "b"}}, "Tags"),
        ("PutRecord", {**RECORD, "DryRun": True}, "DryRun"),
        (
            "PutRecords",
            {"StreamName": "s", "Records": [{"PartitionKey": "k", "Data": "", "Extra": 1}]},
            "records.1.member.Extra",
        ),
        ("GetRecords", {"ShardIterator": "x", "StreamId": "x"}, "StreamId"),
        (
            "ListShards",
            {"StreamName": "s", "ShardFilter": {"Type": "AT_LATEST", "What": 1}},
            "shardFilter.What",
        ),
    ],
)
def test_kinesis_refuses_a_member_that_is_not_implemented(operation: str, more: Any, member: str) -> None:
    error = refused(kinesis(), operation, more)
    assert error.message == f"The parameter {member} is not implemented by tapstack_emulator"


@pytest.mark.parametrize("operation", ["UpdateItem", "Scan", "ExecuteStatement", "TransactGetItems", ""])
def test_an_operation_that_is_not_implemented_is_refused(operation: str) -> None:
    assert refused(dynamodb(), operation, {}).code == "UnknownOperationException"


@pytest.mark.parametrize(
    "text",
    [
        'SELECT * FROM "t" WHERE pk=?',
        'DELETE FROM "t" WHERE pk=? AND sk=?',
        """INSERT INTO "t" VALUE {'pk':?,'sk':'s'}""",
        'UPDATE "t" SET "a"=? REMOVE "b" WHERE "pk"=? AND "sk"=?',
        'UPDATE "t" SET "a"=? WHERE "pk"=? AND "sk"=? OR "a"=?',
        'UPDATE "t" SET "a"=? WHERE "pk"=? AND "sk"=? RETURNING ALL OLD *',
    ],
)
def test_a_statement_that_is_not_implemented_is_refused(text: str) -> None:
    statement = {"Statement": text, "Parameters": [{"S": "p"}] * text.count("?")}
    answer = dynamodb().call("BatchExecuteStatement", msgspec.json.encode({"Statements": [statement]}))
    (response,) = msgspec.json.decode(answer)["Responses"]
    assert response["Error"]["Code"] == "ValidationError"
    assert "is not implemented by tapstack_emulator" in response["Error"]["Message"]


@pytest.mark.parametrize(
    "condition",
    ["contains(a, :p)", "size(a) > :p", "a IN (:p)", "a BETWEEN :p AND :p", "a.b = :p", "a[0] = :p"],
)
def test_a_part_of_the_grammar_that_is_not_implemented_is_refused(condition: str) -> None:
    given = {"ConditionExpression": condition, "ExpressionAttributeValues": {":p": {"S": "p"}}}
    error = refused(dynamodb(), "PutItem", {**PUT, **given})
    assert (error.code, "not implemented" in error.message) == ("ValidationException", True)


@pytest.mark.parametrize(
    ("operation", "body", "message"),
    [
        ("PutRecord", {**RECORD, "StreamName": 1}, f"{NUMBER} can not be converted to an String"),
        (
            "PutRecord",
            {**RECORD, "PartitionKey": True},
            "class java.lang.Boolean can not be converted to an String",
        ),
        ("PutRecord", {**RECORD, "Data": ["x"]}, "Start of list found where not expected"),
        ("PutRecord", {**RECORD, "Data": {}}, "Start of structure or map found where not expected."),
        ("PutRecords", {"StreamName": "s", "Records": "x"}, "Expected list or null"),
        ("PutRecords", {"StreamName": "s", "Records": ["x"]}, "Expected null"),
        (
            "GetRecords",
            {"ShardIterator": "x", "Limit": "1"},
            "class java.lang.String can not be converted to an Integer",
        ),
    ],
)
def test_kinesis_words_a_wrong_type_as_aws_does(operation: str, body: Any, message: str) -> None:
    error = refused(kinesis(), operation, body)
    assert msgspec.json.decode(error.body) == {"__type": "SerializationException", "Message": message}


@pytest.mark.parametrize(
    ("operation", "body", "message"),
    [
        ("GetItem", {**PLACE, "TableName": 1}, "NUMBER_VALUE cannot be converted to String"),
        ("GetItem", {**PLACE, "ConsistentRead": "so"}, "STRING_VALUE cannot be converted to Boolean"),
        ("GetItem", {**PLACE, "Key": "p"}, "Unexpected field type"),
        ("Query", {**QUERY, "Limit": False}, "FALSE_VALUE cannot be converted to Integer"),
        (
            "Query",
            {**QUERY, "KeyConditionExpression": ["x"]},
            "Unrecognized collection type class java.lang.String",
        ),
        ("TransactWriteItems", {"TransactItems": {}}, "Start of structure or map found where not expected"),
    ],
)
def test_dynamodb_words_a_wrong_type_as_aws_does(operation: str, body: Any, message: str) -> None:
    error = refused(dynamodb(), operation, body)
    kind = "com.amazon.coral.service#SerializationException"
    assert msgspec.json.decode(error.body) == {"__type": kind, "Message": message}


@pytest.mark.parametrize(
    ("operation", "body", "found"),
    [
        ("PutRecord", {"StreamName": "s", "Data": ""}, [f"null at 'partitionKey' {FAILED} not be null"]),
        (
            "PutRecord",
            {},
            [f"null at 'data' {FAILED} not be null", f"null at 'partitionKey' {FAILED} not be null"],
        ),
        (
            "PutRecord",
            {**RECORD, "ExplicitHashKey": "01"},
            [rf"'01' at 'explicitHashKey' {FAILED} satisfy regular expression pattern: 0|([1-9]\d{{0,38}})"],
        ),
        (
            "PutRecords",
            {"StreamName": "s", "Records": []},
            [f"'[]' at 'records' {FAILED} have length greater than or equal to 1"],
        ),
        (
            "PutRecords",
            {"StreamName": "s", "Records": [None]},
            [f"null at 'records.1.member' {FAILED} not be null"],
        ),
        (
            "CreateStream",
            {"StreamName": "a b", "ShardCount": 0},
            [
                f"'a b' at 'streamName' {FAILED} satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
                f"'0' at 'shardCount' {FAILED} have value greater than or equal to 1",
            ],
        ),
        (
            "GetRecords",
            {"ShardIterator": "x", "Limit": 10_001},
            [f"'10001' at 'limit' {FAILED} have value less than or equal to 10000"],
        ),
        (
            "GetRecords",
            {"ShardIterator": "x" * 513},
            [f"'{'x' * 513}' at 'shardIterator' {FAILED} have length less than or equal to 512"],
        ),
        (
            "UpdateShardCount",
            {"StreamName": "s", "TargetShardCount": 2, "ScalingType": "SOME"},
            [f"'SOME' at 'scalingType' {FAILED} satisfy enum value set: [UNIFORM_SCALING]"],
        ),
    ],
)
def test_a_broken_constraint_is_worded_as_aws_does(operation: str, body: Any, found: list[str]) -> None:
    error = refused(kinesis(), operation, body)
    count = "1 validation error" if len(found) == 1 else f"{len(found)} validation errors"
    message = f"{count} detected: " + "; ".join(f"Value {one}" for one in found)
    assert msgspec.json.decode(error.body) == {"__type": "ValidationException", "message": message}


@pytest.mark.parametrize("name", ["", "a b", "a/b", "\u00e4", "\u0661", "s\n", "x" * 129, "arn:aws:s3:::x"])
@pytest.mark.parametrize("operation", ["CreateStream", "DescribeStream", "DeleteStream"])
def test_a_name_that_is_none_is_refused(operation: str, name: str) -> None:
    assert refused(kinesis(), operation, {"StreamName": name}).code == "ValidationException"


MALFORMED = [
    b"{", b"[]", b"5", b'"x"', b"null", b"\xff\xfe", b'{"StreamName": "\xff"}', b"[" * 100_000, b"\x00",
    b'{"Limit": 1e999}', b'{"Limit": ' + b"1" * 6000 + b"}", b"\xef\xbb\xbf{}", b'{"Data": "===="}',
    b'{"StreamName": "s", "PartitionKey": "k", "Data": "x"}', b'{"TableName": "t", "Key": {"pk": null}}',
    b'{"TableName": "t", "Key": {"pk": {"S": null}, "sk": {}}}',
    b'{"TableName": "t", "Item": {"": {"M": 3}}}',
    b'{"ShardIterator": "WzEsMiwzXQ=="}', b'{"NextToken": "e30="}',
]  # fmt: skip


def error_of(api: Any, operation: str, body: bytes) -> AwsError | None:
    try:
        api.call(operation, body)
    except AwsError as error:
        return error
    return None


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_malformed_is_refused_by_every_operation(body: bytes) -> None:
    for api in (kinesis(), dynamodb()):
        for operation in api._operations:
            error = error_of(api, operation, body)
            if error is not None:
                assert error.status == 400
                assert msgspec.json.decode(error.body)["__type"].endswith(error.code)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
@share(4)
def test_no_request_ends_in_anything_but_an_answer_or_an_error_of_aws(data: st.DataObject) -> None:
    api = data.draw(st.sampled_from([kinesis(), dynamodb()]))
    operation = data.draw(st.sampled_from(sorted(api._operations)))
    fields = msgspec.structs.fields(api._operations[operation][0].type)
    usual = {"StreamName": "s", "TableName": "t", "Key": KEY, "Item": KEY, "ShardId": SHARD}
    body = {
        field.encode_name: data.draw(VALUES | st.just(usual.get(field.encode_name)))
        for field in fields
        if field.required or data.draw(st.booleans())
    }
    error = error_of(api, operation, msgspec.json.encode(body))
    assert error is None or error.status == 400
