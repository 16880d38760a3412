"""Laws of `MemoryDynamoDB` against models of a few lines."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from examples import share
from tapstack.ports import AwsError
from tapstack_emulator import MemoryDynamoDB, item_bytes, random_staleness, write_units
from tapstack_emulator.dynamodb.sizes import number_bytes, value_bytes


def key(pk: object, sk: str = "s") -> dict[str, Any]:
    return {"pk": {"S": str(pk)}, "sk": {"S": sk}}


def number(value: object) -> dict[str, str]:
    return {"N": str(value)}


class Wire:
    def __init__(self, memory: MemoryDynamoDB | None = None) -> None:
        self.memory = memory or MemoryDynamoDB()
        self.memory.create_table("t")

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.json.decode(
            self.memory.call(operation, msgspec.json.encode(request))
        )
        return answer


WRITES = st.dictionaries(st.integers(0, 5), st.integers(0, 3), min_size=1)
KINDS = st.sampled_from(["Put", "Delete", "ConditionCheck"])


def guarded(kind: str, pk: int, seen: int) -> dict[str, Any]:
    """A write, or a check, of a row whose version must be `seen`."""
    values = {":seen": number(seen)} if seen else {}
    write: dict[str, Any] = {
        "TableName": "t",
        "ConditionExpression": "ver = :seen" if seen else "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if kind == "Put":
        write["Item"] = key(pk) | {"ver": number(seen + 1)}
    else:
        write["Key"] = key(pk)
    if values:
        write["ExpressionAttributeValues"] = values
    return {kind: write}


@given(transactions=st.lists(st.tuples(KINDS, WRITES), min_size=1, max_size=15))
def test_a_transaction_is_applied_whole_or_not_at_all(transactions: list[Any]) -> None:
    wire = Wire()
    model: dict[int, int] = {}
    for kind, writes in transactions:
        fits = [model.get(pk, 0) == seen for pk, seen in writes.items()]
        actions = [guarded(kind, pk, seen) for pk, seen in writes.items()]
        if all(fits):
            wire("TransactWriteItems", TransactItems=actions)
            if kind == "Put":
                model |= {pk: seen + 1 for pk, seen in writes.items()}
            if kind == "Delete":
                model = {pk: version for pk, version in model.items() if pk not in writes}
        else:
            with pytest.raises(AwsError) as caught:
                wire("TransactWriteItems", TransactItems=actions)
            reasons = msgspec.json.decode(caught.value.body)["CancellationReasons"]
            assert [reason["Code"] == "None" for reason in reasons] == fits
            for reason, pk in zip(reasons, writes, strict=True):
                if "Item" in reason:
                    assert reason["Item"]["ver"] == number(model[pk])
        stored = {int(row["pk"]["S"]): int(row["ver"]["N"]) for row in wire.memory.items("t")}
        assert stored == model


@given(seed=st.integers(0, 100), writes=st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=20))
def test_a_stale_read_answers_a_version_that_was_there(seed: int, writes: list[tuple[int, bool]]) -> None:
    wire = Wire(MemoryDynamoDB(staleness=random_staleness(seed), versions_max=50))
    past: dict[int, list[Any]] = {pk: [None] for pk in range(3)}
    for version, (pk, kept) in enumerate(writes):
        item = key(pk) | {"ver": number(version)}
        if kept:
            wire("PutItem", TableName="t", Item=item)
        else:
            wire("DeleteItem", TableName="t", Key=key(pk))
        past[pk].append(item if kept else None)
        for other in range(3):
            assert wire("GetItem", TableName="t", Key=key(other)).get("Item") in past[other]
            newest = wire("GetItem", TableName="t", Key=key(other), ConsistentRead=True).get("Item")
            assert newest == past[other][-1]
        answer = wire("BatchGetItem", RequestItems={"t": {"Keys": [key(other) for other in range(3)]}})
        for row in answer["Responses"]["t"]:
            assert row in past[int(row["pk"]["S"])]


def test_a_stale_read_reaches_every_version_kept() -> None:
    wire = Wire(MemoryDynamoDB(staleness=random_staleness(1), versions_max=4))
    for version in range(1, 10):
        wire("PutItem", TableName="t", Item=key("p") | {"ver": number(version)})
    seen = {wire("GetItem", TableName="t", Key=key("p"))["Item"]["ver"]["N"] for _ in range(100)}
    assert seen == {"6", "7", "8", "9"}


@given(
    sort_keys=st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), min_size=1, max_size=15),
    limit=st.integers(1, 6),
    forward=st.booleans(),
)
def test_pages_of_a_query_are_the_partition_in_the_order_of_utf_8(
    sort_keys: set[str], limit: int, forward: bool
) -> None:
    wire = Wire()
    for name in sort_keys:
        wire("PutItem", TableName="t", Item=key("p", name))
    found: list[str] = []
    more: dict[str, Any] = {}
    while True:
        answer = wire(
            "Query",
            TableName="t",
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": "p"}},
            Limit=limit,
            ScanIndexForward=forward,
            **more,
        )
        found += [row["sk"]["S"] for row in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    assert found == sorted(sort_keys, key=str.encode, reverse=not forward)


ATOMS = st.sampled_from(["n = :1", "n > :1", "attribute_exists(n)", "attribute_exists(zz)", ":1 <= n"])


@st.composite
def expressions(draw: st.DrawFn) -> str:
    parts = []
    for index in range(draw(st.integers(1, 6))):
        if index:
            parts.append(draw(st.sampled_from(["AND", "OR"])))
        if draw(st.booleans()):
            parts.append("NOT")
        nested = draw(st.booleans()) and index
        parts.append(f"({draw(ATOMS)} OR {draw(ATOMS)})" if nested else draw(ATOMS))
    return " ".join(parts)


@given(expression=expressions(), value=st.integers(0, 2))
@share(3)
def test_a_condition_holds_as_it_does_in_python(expression: str, value: int) -> None:
    python = expression.replace("attribute_exists(n)", "True").replace("attribute_exists(zz)", "False")
    python = (
        python.replace(":1 <= n", "1 <= value").replace("n = :1", "value == 1").replace("n > :1", "value > 1")
    )
    python = python.replace("AND", "and").replace("OR", "or").replace("NOT", "not")
    wire = Wire()
    wire("PutItem", TableName="t", Item=key("p") | {"n": number(value)})
    request: dict[str, Any] = {"TableName": "t", "Key": key("p"), "ConditionExpression": expression}
    if ":1" in expression:
        request["ExpressionAttributeValues"] = {":1": number(1)}
    if eval(python, {"value": value}):
        wire("DeleteItem", **request)
    else:
        with pytest.raises(AwsError, match="ConditionalCheckFailedException"):
            wire("DeleteItem", **request)


NAMES = st.text("abcü", min_size=1, max_size=5)
VALUES = st.recursive(
    st.one_of(
        st.text(max_size=8).map(lambda text: {"S": text}),
        st.integers(-(10**9), 10**9).map(number),
        st.binary(max_size=8).map(lambda data: {"B": msgspec.to_builtins(data)}),
        st.just({"NULL": True}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: {"L": values}),
        st.dictionaries(NAMES, inner, max_size=3).map(lambda values: {"M": values}),
    ),
    max_leaves=6,
)


@given(item=st.dictionaries(NAMES, VALUES, max_size=5), name=NAMES, value=VALUES)
def test_an_item_is_the_sum_of_its_attributes(item: Any, name: str, value: Any) -> None:
    assume(name not in item)
    assert item_bytes(item | {name: value}) == item_bytes(item) + len(name.encode()) + value_bytes(value)
    assert value_bytes({"M": {name: value}}) == 3 + 1 + len(name.encode()) + value_bytes(value)
    assert value_bytes({"L": [value]}) == 3 + 1 + value_bytes(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 1),
        ("7", 2),
        ("42", 2),
        ("-42", 3),
        ("100", 2),
        ("0.005", 2),
        ("12345", 4),
        ("1" * 38, 20),
        ("-" + "1" * 38, 21),
    ],
)
def test_a_number_takes_a_byte_for_two_significant_digits_and_one_more(text: str, size: int) -> None:
    assert number_bytes(text) == size


@pytest.mark.parametrize(
    ("size", "transactional", "units"),
    [(0, False, 1), (1, False, 1), (1024, False, 1), (1025, False, 2), (1025, True, 4)],
)
def test_a_write_costs_a_unit_for_each_kib_begun_and_double_in_a_transaction(
    size: int, transactional: bool, units: int
) -> None:
    assert write_units(size, transactional=transactional) == units


@given(rows=st.dictionaries(st.integers(0, 20), st.integers(-100, 100), max_size=10))
def test_a_sweep_deletes_exactly_the_expired_rows(rows: dict[int, int]) -> None:
    memory = MemoryDynamoDB()
    memory.create_table("x", ttl_attribute="ttl")
    wire = Wire(memory)
    now_s = memory.clock.now_ms() // 1000
    for pk, left_s in rows.items():
        wire("PutItem", TableName="x", Item=key(pk) | {"ttl": number(now_s + left_s)})
    assert len(memory.items("x")) == len(rows)
    expired = [pk for pk, left_s in rows.items() if left_s < 0]
    assert memory.sweep() == len(expired)
    assert Counter(row["pk"]["S"] for row in memory.items("x")) == Counter(
        str(pk) for pk in rows.keys() - set(expired)
    )
