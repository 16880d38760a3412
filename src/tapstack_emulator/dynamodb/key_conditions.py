"""Key conditions: which rows of a partition a Query reads."""

from __future__ import annotations

from typing import Any, NamedTuple

from tapstack_emulator.dynamodb.expressions import Operands, Reader, compare
from tapstack_emulator.dynamodb.tables import Bounds, Table
from tapstack_emulator.dynamodb.values import Value, empty_key, invalid, kind_of, order

KIND = "KeyConditionExpression"


class _Part(NamedTuple):
    """One test of one key attribute, of a type; `equals` is what it must equal, if it must."""

    name: str
    kind: str
    bounds: Bounds
    equals: Value | None = None


def parse_key_condition(table: Table, text: str, operands: Operands) -> tuple[str, Bounds | None]:
    """Return the partition, and between which range keys it is read; None if none of them is of that type.

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
        return partition, Bounds()
    ranged = table.range_key
    if ranged is None or by_name.keys() != {ranged.name}:
        raise invalid("Query key condition not supported")
    part = by_name[ranged.name]
    return partition, part.bounds if part.kind == ranged.kind else None


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
        return [_between(reader, name)]
    if reader.peek() == "<>" or reader.peek().upper() in {"IN", "OR"}:
        raise invalid("Query key condition not supported")
    if reader.peek() not in {"=", "<", "<=", ">", ">="}:
        raise reader.unexpected()
    comparator = reader.take()
    wanted = _value(reader, name)
    place = order(wanted)
    bounds = {
        "=": Bounds(place, place),
        "<": Bounds(high=place, high_excluded=True),
        "<=": Bounds(high=place),
        ">": Bounds(place, low_excluded=True),
        ">=": Bounds(place),
    }
    equals = wanted if comparator == "=" else None
    return [_Part(name, kind_of(wanted), bounds[comparator], equals)]


def _value(reader: Reader, name: str) -> Value:
    """Read what a key is compared with."""
    value = reader.value()
    if value in ({"S": ""}, {"B": ""}):
        raise empty_key(name, kind_of(value))
    return value


def _between(reader: Reader, name: str) -> _Part:
    low = _value(reader, name)
    reader.expect("AND")
    high = _value(reader, name)
    must = "upper bound to be greater than or equal to lower bound"
    if kind_of(low) != kind_of(high):
        must = "same data type for lower and upper bounds"
    elif compare(low, "<=", high):
        return _Part(name, kind_of(low), Bounds(order(low), order(high)))
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
    first = order(prefix)
    return _Part(name, kind_of(prefix), Bounds(first, _after_all_with(first), high_excluded=True))


def _after_all_with(prefix: bytes) -> Any:
    """Return the least that is above everything with a prefix; None if there is nothing."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None
