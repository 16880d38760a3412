"""Each fault: what the caller sees, and what is there afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest

from tapstack.errors import OutcomeUnknown
from tapstack.ports import AwsError
from tapstack_emulator import (
    Crash,
    Fault,
    FaultScript,
    FaultyApi,
    Injection,
    MemoryBucket,
    MemoryDynamoDB,
    MemoryKinesis,
    RandomFaults,
    applicable,
)


class Wire:
    """A table or a stream behind faults."""

    def __init__(self, api: Any, policy: Any) -> None:
        self.faulty = FaultyApi(api, policy)

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.json.decode(
            self.faulty.call(operation, msgspec.json.encode(request))
        )
        return answer


def key(pk: str = "p") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "s"}}


def table(at: dict[Any, Any]) -> tuple[MemoryDynamoDB, Wire]:
    memory = MemoryDynamoDB()
    memory.create_table("t")
    return memory, Wire(memory, FaultScript(at))


def stream(at: dict[Any, Any]) -> tuple[MemoryKinesis, Wire]:
    memory = MemoryKinesis()
    memory.create_stream("s")
    return memory, Wire(memory, FaultScript(at))


@pytest.mark.parametrize(
    ("fault", "raises", "applied"),
    [
        ("throttle", AwsError, False),
        ("throttle_api", AwsError, False),
        ("throttle_transaction", AwsError, False),
        ("access_denied", AwsError, False),
        ("internal_error", AwsError, False),
        ("internal_error_applied", AwsError, True),
        ("lost_request", OutcomeUnknown, False),
        ("lost_response", OutcomeUnknown, True),
        ("transaction_conflict", AwsError, False),
        ("crash_before", Crash, False),
        ("crash_after", Crash, True),
    ],
)
def test_a_fault_raises_and_leaves_the_effect_it_says(fault: Fault, raises: type, applied: bool) -> None:
    memory, wire = table({2: fault})
    write = {"TransactItems": [{"Put": {"TableName": "t", "Item": key("a")}}]}
    wire("PutItem", TableName="t", Item=key("first"))
    with pytest.raises(raises):
        wire("TransactWriteItems", **write)
    assert (key("a") in memory.items("t")) is applied
    assert wire.faulty.counts == Counter([fault])
    wire("TransactWriteItems", **write)
    assert key("a") in memory.items("t")


@pytest.mark.parametrize(
    ("fault", "dynamodb", "kinesis"),
    [
        ("throttle", "ProvisionedThroughputExceededException", "ProvisionedThroughputExceededException"),
        ("throttle_api", "ThrottlingException", "LimitExceededException"),
        ("access_denied", "AccessDeniedException", "AccessDeniedException"),
        ("internal_error", "InternalServerError", "InternalFailure"),
    ],
)
def test_an_error_has_the_service_s_own_name(fault: Fault, dynamodb: str, kinesis: str) -> None:
    for (_, wire), operation, code in (
        (table({1: fault}), "GetItem", dynamodb),
        (stream({1: fault}), "GetRecords", kinesis),
    ):
        with pytest.raises(AwsError) as caught:
            wire(operation)
        assert caught.value.code == code
        assert msgspec.json.decode(caught.value.body)["__type"].endswith(code)
        assert caught.value.status == (500 if fault == "internal_error" else 400)


def test_a_conflict_names_the_held_items_among_the_reasons() -> None:
    _, wire = table({1: Injection("transaction_conflict", (1,))})
    writes = [{"Put": {"TableName": "t", "Item": key(name)}} for name in "abc"]
    with pytest.raises(AwsError) as caught:
        wire("TransactWriteItems", TransactItems=writes)
    reasons = msgspec.json.decode(caught.value.body)["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "TransactionConflict", "None"]


def test_a_partial_put_stores_the_others_and_answers_in_line() -> None:
    memory, wire = stream({1: Injection("partial_put", (0, 2))})
    records = [{"PartitionKey": name, "Data": ""} for name in "abcd"]
    answer = wire("PutRecords", StreamName="s", Records=records)
    assert answer["FailedRecordCount"] == 2
    assert ["ErrorCode" in row for row in answer["Records"]] == [True, False, True, False]
    assert [row.partition_key for row in memory.records("s")] == ["b", "d"]
    assert [row["SequenceNumber"] for row in answer["Records"] if "SequenceNumber" in row] == [
        row.sequence_number for row in memory.records("s")
    ]


def test_a_partial_put_may_refuse_every_entry() -> None:
    memory, wire = stream({1: Injection("partial_put", (0, 1))})
    answer = wire("PutRecords", StreamName="s", Records=[{"PartitionKey": "k", "Data": ""}] * 2)
    assert answer["FailedRecordCount"] == 2
    assert memory.records("s") == []


def test_unprocessed_keys_can_be_asked_for_again() -> None:
    memory, wire = table({1: Injection("unprocessed", (1,))})
    memory.call("PutItem", msgspec.json.encode({"TableName": "t", "Item": key("a")}))
    wanted = {"t": {"Keys": [key("a"), key("b")], "ConsistentRead": True}}
    answer = wire("BatchGetItem", RequestItems=wanted)
    assert answer["Responses"] == {"t": [key("a")]}
    assert answer["UnprocessedKeys"] == {"t": {"Keys": [key("b")], "ConsistentRead": True}}
    assert wire("BatchGetItem", RequestItems=answer["UnprocessedKeys"])["UnprocessedKeys"] == {}


def test_unprocessed_items_are_not_written() -> None:
    memory, wire = table({1: Injection("unprocessed", (0,))})
    writes = [{"PutRequest": {"Item": key(name)}} for name in "ab"]
    answer = wire("BatchWriteItem", RequestItems={"t": writes})
    assert answer["UnprocessedItems"] == {"t": writes[:1]}
    assert memory.items("t") == [key("b")]


def test_a_stale_read_answers_an_older_version() -> None:
    _, wire = table(dict.fromkeys((3, 4, 5), "stale_read"))
    wire("PutItem", TableName="t", Item=key())
    wire("PutItem", TableName="t", Item=key() | {"n": {"N": "2"}})
    assert wire("GetItem", TableName="t", Key=key()).get("Item") in (None, key())
    wire("GetItem", TableName="t", Key=key("nobody"))
    consistent = wire("GetItem", TableName="t", Key=key(), ConsistentRead=True)
    assert consistent["Item"] == key() | {"n": {"N": "2"}}
    assert wire.faulty.counts == Counter(["stale_read"])


def test_an_empty_page_leads_to_the_same_place() -> None:
    memory, wire = stream({2: "empty_page"})
    memory.put("s", "k", b"x")
    request = {"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    start = wire("GetShardIterator", **request)["ShardIterator"]
    answer = wire("GetRecords", ShardIterator=start)
    assert (answer["Records"], answer["NextShardIterator"]) == ([], start)
    assert len(wire("GetRecords", ShardIterator=start)["Records"]) == 1


def test_the_answer_of_a_refused_call_can_be_lost_too() -> None:
    _, wire = table({1: "lost_response", 2: "crash_after"})
    request = {"TableName": "t", "Item": key(), "ConditionExpression": "attribute_exists(pk)"}
    with pytest.raises(OutcomeUnknown):
        wire("PutItem", **request)
    with pytest.raises(Crash):
        wire("PutItem", **request)


def test_a_script_may_count_by_operation() -> None:
    _, wire = table({("GetItem", 2): "throttle"})
    for _ in range(3):
        wire("PutItem", TableName="t", Item=key())
    wire("GetItem", TableName="t", Key=key())
    with pytest.raises(AwsError, match="ProvisionedThroughputExceeded"):
        wire("GetItem", TableName="t", Key=key())


def test_a_script_that_asks_for_the_impossible_says_so() -> None:
    _, wire = table({1: "partial_put"})
    with pytest.raises(ValueError, match=r"GetItem .* cannot have partial_put"):
        wire("GetItem", TableName="t", Key=key())


def test_random_faults_depend_on_the_seed_alone() -> None:
    def faults(seed: int) -> list[str]:
        memory = MemoryKinesis()
        memory.create_stream("s")
        wire = Wire(memory, RandomFaults(seed, {"throttle": 0.2, "lost_response": 0.2, "stale_read": 0.2}))
        seen = []
        for _ in range(50):
            try:
                wire("PutRecords", StreamName="s", Records=[{"PartitionKey": "k", "Data": ""}])
                seen.append("ok")
            except (AwsError, OutcomeUnknown) as error:
                seen.append(type(error).__name__)
        assert sum(wire.faulty.counts.values()) == 50 - seen.count("ok")
        assert set(wire.faulty.counts) == {"throttle", "lost_response"}
        return seen

    assert faults(1) == faults(1)
    assert faults(1) != faults(2)


def test_weights_are_probabilities() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        RandomFaults(1, {"throttle": 0.7, "crash_after": 0.7})


def test_every_fault_can_happen_somewhere() -> None:
    operations = ("TransactWriteItems", "BatchGetItem", "PutRecords", "GetRecords")
    assert frozenset().union(*(applicable("any", name) for name in operations)) == set(get_args(Fault))


@pytest.mark.parametrize(
    ("fault", "raises", "stored"),
    [
        ("throttle", OutcomeUnknown, False),
        ("internal_error", OutcomeUnknown, False),
        ("internal_error_applied", OutcomeUnknown, True),
        ("lost_request", OutcomeUnknown, False),
        ("lost_response", OutcomeUnknown, True),
        ("crash_before", Crash, False),
        ("crash_after", Crash, True),
    ],
)
def test_a_bucket_fails_as_told(fault: Fault, raises: type, stored: bool) -> None:
    bucket = MemoryBucket(FaultScript({1: fault}))
    with pytest.raises(raises):
        bucket.put("a", b"1")
    assert (bucket.objects == {"a": b"1"}) is stored
    bucket.put("a", b"2")
    assert bucket.objects == {"a": b"2"}
    assert bucket.puts == ["a"] * (2 if stored else 1)
    assert bucket.counts == Counter([fault])


def test_a_bucket_lists_its_keys_by_prefix() -> None:
    bucket = MemoryBucket()
    for name in ("b/2", "a/1", "b/1"):
        bucket.put(name, b"")
    assert bucket.list("b/") == (["b/1", "b/2"], True)


@pytest.mark.parametrize("fault", ["throttle", "lost_response"])
def test_every_call_of_a_bucket_fails_as_told(fault: Fault) -> None:
    calls: tuple[Callable[[MemoryBucket], object], ...] = (
        lambda bucket: bucket.list(""),
        lambda bucket: bucket.get("a"),
        lambda bucket: bucket.delete("a"),
    )
    for call in calls:
        bucket = MemoryBucket(FaultScript({1: fault}))
        bucket.objects["a"] = b""
        with pytest.raises(OutcomeUnknown):
            call(bucket)
        call(bucket)
