"""Key conditions: which rows of a partition a Query reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tapstack_emulator.dynamodb.expressions import Operands, Reader, compare
from tapstack_emulator.dynamodb.tables import Table
from tapstack_emulator.dynamodb.values import Value, empty_key, invalid, kind_of, order

KIND = "KeyConditionExpression"
Test = Callable[[Value], bool]


class _Part(NamedTuple):
    """One test of one key attribute; `equals` is what it must equal, if it must."""

    name: str
    test: Test
    equals: Value | None = None


def parse_key_condition(table: Table, text: str, operands: Operands) -> tuple[str, Callable[[str], bool]]:
    """Return the partition, and which of its range keys are wanted.

    Raises
    ------
    AwsError
        ``ValidationException`` unless it is one value of the hash key and at most one test of the range key.
    """
    reader = Reader(text, operands, KIND)
    parts = _conjunction(reader)
    reader.end()
    by_name = {part.name: part for part in parts}
    if len(by_name) < len(parts):
        raise invalid("KeyConditionExpressions must only contain one condition per key")
    hashed = by_name.pop(table.hash_key.name, None)
    if hashed is None or hashed.equals is None:
        raise invalid(f"Query condition missed key schema element: {table.hash_key.name}")
    if kind_of(hashed.equals) != table.hash_key.kind:
        raise invalid(
            "One or more parameter values were invalid: Condition parameter type does not match schema type"
        )
    partition = str(next(iter(hashed.equals.values())))
    if not by_name:
        return partition, lambda _: True
    ranged = table.range_key
    if ranged is None or by_name.keys() != {ranged.name}:
        raise invalid("Query key condition not supported")
    test, kind = by_name[ranged.name].test, ranged.kind
    return partition, lambda sort: test({kind: sort})


def _conjunction(reader: Reader) -> list[_Part]:
    parts = _conjunct(reader)
    while reader.keyword("AND"):
        parts += _conjunct(reader)
    return parts


def _conjunct(reader: Reader) -> list[_Part]:
    if reader.keyword("("):
        inner = _conjunction(reader)
        reader.expect(")")
        return inner
    if reader.peek() == "begins_with":
        return [_prefix(reader)]
    name = reader.attribute()
    if reader.keyword("BETWEEN"):
        return [_Part(name, _between(reader, name))]
    if reader.peek() == "<>" or reader.peek().upper() in {"IN", "OR"}:
        raise invalid("Query key condition not supported")
    if reader.peek() not in {"=", "<", "<=", ">", ">="}:
        raise reader.unexpected()
    comparator = reader.take()
    wanted = _value(reader, name)
    equals = wanted if comparator == "=" else None
    return [_Part(name, lambda value: compare(value, comparator, wanted), equals)]


def _value(reader: Reader, name: str) -> Value:
    """Read what a key is compared with."""
    value = reader.value()
    if value in ({"S": ""}, {"B": ""}):
        raise empty_key(name, kind_of(value))
    return value


def _between(reader: Reader, name: str) -> Test:
    low = _value(reader, name)
    reader.expect("AND")
    high = _value(reader, name)
    must = "upper bound to be greater than or equal to lower bound"
    if kind_of(low) != kind_of(high):
        must = "same data type for lower and upper bounds"
    elif compare(low, "<=", high):
        return lambda value: compare(value, ">=", low) and compare(value, "<=", high)
    shown = [f"{{{kind}:{content}}}" for value in (low, high) for kind, content in value.items()]
    raise invalid(
        f"Invalid {KIND}: The BETWEEN operator requires {must}; lower bound operand: AttributeValue:"
        f" {shown[0]}, upper bound operand: AttributeValue: {shown[1]}"
    )


def _prefix(reader: Reader) -> _Part:
    reader.take()
    reader.expect("(")
    name = reader.attribute()
    reader.expect(",")
    prefix = _value(reader, name)
    reader.expect(")")
    if kind_of(prefix) not in {"S", "B"}:
        problem = "Incorrect operand type for operator or function; operator or function: begins_with"
        raise invalid(f"Invalid {KIND}: {problem}, operand type: {kind_of(prefix)}")
    start = order(prefix)
    return _Part(name, lambda value: kind_of(value) == kind_of(prefix) and order(value).startswith(start))
