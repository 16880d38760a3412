"""Calls in the words of IAM."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tapstack_emulator.call_recorder import (
    MAPPING,
    CallRecorder,
    RecordedApi,
    RecordedCall,
    calls_from_json,
)
from tapstack_emulator.kinesis.service import MemoryKinesis

TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/t"
STREAM = "arn:aws:kinesis:eu-west-1:111122223333:stream/s"

NO_KEYS: tuple[str, ...] = ()
TRANSACTION = "TransactWriteItems"
Call = tuple[str, str, tuple[str, ...], str]


def _key(name: str) -> dict[str, Any]:
    return {"pk": {"S": name}, "sk": {"S": "-"}}


CASES: list[tuple[str, str, str, dict[str, Any], dict[Call, int]]] = [
    ("kinesis", "PutRecords", "/", {"StreamName": "s"}, {("kinesis:PutRecords", STREAM, NO_KEYS, ""): 1}),
    (
        "dynamodb",
        "Query",
        "/",
        {
            "TableName": "t",
            "KeyConditionExpression": "pk = :pk AND sk = :sk",
            "ExpressionAttributeValues": {":sk": {"S": "-"}, ":pk": {"S": "U#a#b"}},
        },
        {("dynamodb:Query", TABLE, ("U#",), ""): 1},
    ),
    (
        "dynamodb",
        "PutItem",
        "/",
        {"TableName": "t", "Item": _key("I#1")},
        {("dynamodb:PutItem", TABLE, ("I#",), ""): 1},
    ),
    (
        "dynamodb",
        "Query",
        "/",
        {"TableName": "t", "IndexName": "i"},
        {("dynamodb:Query", f"{TABLE}/index/i", NO_KEYS, ""): 1},
    ),
    (
        "dynamodb",
        "BatchGetItem",
        "/",
        {"RequestItems": {"t": {"Keys": [_key("W#"), _key("U#1"), _key("U#2")]}, "u": {"Keys": [_key("x")]}}},
        {
            ("dynamodb:BatchGetItem", TABLE, ("U#", "W#"), ""): 1,
            ("dynamodb:BatchGetItem", f"{TABLE[:-1]}u", ("x",), ""): 1,
        },
    ),
    (
        "dynamodb",
        "TransactWriteItems",
        "/",
        {
            "TransactItems": [
                {"Put": {"TableName": "t", "Item": _key("U#1")}},
                {"Put": {"TableName": "t", "Item": _key("U#2")}},
                {"Put": {"TableName": "t", "Item": _key("L#")}},
                {"ConditionCheck": {"TableName": "t", "Key": _key("U#1")}},
                {"Delete": {"TableName": "t", "Key": _key("U#1")}},
            ]
        },
        {
            ("dynamodb:PutItem", TABLE, ("U#",), TRANSACTION): 2,
            ("dynamodb:PutItem", TABLE, ("L#",), TRANSACTION): 1,
            ("dynamodb:ConditionCheckItem", TABLE, ("U#",), TRANSACTION): 1,
            ("dynamodb:DeleteItem", TABLE, ("U#",), TRANSACTION): 1,
        },
    ),
    ("s3", "PutObject", "/b/late/a%20b", {}, {("s3:PutObject", "arn:aws:s3:::b/late/a b", NO_KEYS, ""): 1}),
]


@pytest.mark.parametrize(
    ("service", "operation", "path", "body", "expected"), CASES, ids=[" ".join(case[:2]) for case in CASES]
)
def test_a_call_is_authorised_by_these_actions(
    service: str, operation: str, path: str, body: dict[str, Any], expected: dict[Call, int]
) -> None:
    recorder = CallRecorder("eu-west-1", "111122223333")
    recorder.caller_of = {"ASIA1": "collector"}.__getitem__
    recorder.observe(service, "ASIA1", operation, path, json.dumps(body).encode())
    assert {call[1:]: count for call, count in recorder.calls.items()} == expected
    assert {call.caller for call in recorder.calls} == {"collector"}
    assert calls_from_json(recorder.to_json()) == recorder.calls


def test_the_mappings_reads_are_recorded_as_its_own_and_passed_on() -> None:
    recorder = CallRecorder("eu-west-1", "111122223333")
    kinesis = MemoryKinesis()
    kinesis.create_stream("s", 1)
    api = RecordedApi(kinesis, recorder, "s")
    shards = json.loads(api.call("ListShards", b'{"StreamName":"s"}'))["Shards"]
    position = {"StreamName": "s", "ShardId": shards[0]["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = json.loads(api.call("GetShardIterator", json.dumps(position).encode()))
    api.call("GetRecords", json.dumps(iterator).encode())
    assert dict(recorder.calls) == {
        RecordedCall(MAPPING, f"kinesis:{name}", STREAM): 1
        for name in ("ListShards", "GetShardIterator", "GetRecords")
    }
