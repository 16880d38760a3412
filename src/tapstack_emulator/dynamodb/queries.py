"""Query and Scan, page by page."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tapstack_emulator.aws_json import constraint
from tapstack_emulator.dynamodb.expressions import (
    Condition,
    Operands,
    Path,
    Reader,
    check_bounds,
    compare,
    lookup,
    parse_condition,
    parse_projection,
)
from tapstack_emulator.dynamodb.sizes import item_bytes, read_units
from tapstack_emulator.dynamodb.tables import RowKey, Table
from tapstack_emulator.dynamodb.values import Item, Value, invalid, kind_of

PAGE_BYTES_MAX = 1024 * 1024
"""What Query and Scan read at once, before filters: API_Query, read 2026-11-23."""

_KIND = "KeyConditionExpression"
Test = Callable[[Value], bool]
Read = Callable[[Table, RowKey], Item | None]


class Querying:
    """Query and Scan for the class that mixes this in."""

    _table: Callable[[Mapping[str, Any]], Table]
    _reader: Callable[[Mapping[str, Any]], Read]

    def _query(self, request: Mapping[str, Any]) -> dict[str, object]:
        table = self._table(request)
        operands = Operands(request)
        text = request.get(_KIND)
        if text is None:
            raise invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified.")
        hash_part, accepts = _key_condition(table, Reader(text, operands, _KIND))
        keys = [key for key in table.partition(hash_part) if accepts(key[1])]
        if not request.get("ScanIndexForward", True):
            keys.reverse()
        start = request.get("ExclusiveStartKey")
        if start is not None:
            keys = _after(
                table, keys, table.key_from(start)[0], forward=request.get("ScanIndexForward", True)
            )
        return self._page(table, keys, request, operands)

    def _scan(self, request: Mapping[str, Any]) -> dict[str, object]:
        table = self._table(request)
        segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
        keys = sorted(
            (key for key in table.keys() if zlib.crc32(key[0].encode()) % segments == segment),  # noqa: SIM118
            key=lambda key: _scan_place(table, key),
        )
        start = request.get("ExclusiveStartKey")
        if start is not None:
            after = _scan_place(table, table.key_from(start)[0])
            keys = [key for key in keys if _scan_place(table, key) > after]
        return self._page(table, keys, request, Operands(request))

    def _page(
        self, table: Table, keys: Iterable[RowKey], request: Mapping[str, Any], operands: Operands
    ) -> dict[str, object]:
        limit = request.get("Limit")
        if limit is not None and limit < 1:
            raise constraint(limit, "limit", "Member must have value greater than or equal to 1")
        keep, project = _shape(request, operands)
        read = self._reader(request)
        items: list[Item] = []
        scanned = size = 0
        last: Item | None = None
        more = False
        for key in keys:
            item = read(table, key)
            if item is None:
                continue
            added = item_bytes(item)
            if size + added > PAGE_BYTES_MAX and scanned:
                more = True
                break
            size += added
            scanned += 1
            last = table.key_attributes(item)
            if keep(item):
                items.append(project(item))
            if scanned == limit:
                more = True  # AWS names a last key even if nothing comes after it
                break
        return _answer(table, request, items, (scanned, size), last if more else None)


def _answer(
    table: Table, request: Mapping[str, Any], items: Sequence[Item], read: tuple[int, int], last: Item | None
) -> dict[str, object]:
    scanned, size = read
    answer: dict[str, object] = {"Count": len(items), "ScannedCount": scanned}
    if request.get("Select") != "COUNT":
        answer["Items"] = items
    if last is not None:
        answer["LastEvaluatedKey"] = last
    if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
        units = read_units(size, consistent=request.get("ConsistentRead", False))
        answer["ConsumedCapacity"] = {"TableName": table.name, "CapacityUnits": units}
    return answer


def _shape(request: Mapping[str, Any], operands: Operands) -> tuple[Condition, Callable[[Item], Item]]:
    """Return which items are answered and what of them."""
    text = request.get("FilterExpression")
    keep = parse_condition(text, operands, "FilterExpression") if text is not None else (lambda _: True)
    project = projection(request, operands)
    operands.finish()
    return keep, project


def projection(request: Mapping[str, Any], operands: Operands) -> Callable[[Item], Item]:
    """Return what cuts items down to a request's ProjectionExpression."""
    text = request.get("ProjectionExpression")
    if text is None:
        return lambda item: item
    paths = parse_projection(text, operands)
    return lambda item: _cut(item, paths)


def _cut(item: Item, paths: Sequence[Path]) -> Item:
    cut: Item = {}
    for path in paths:
        value = lookup(item, path)
        if value is not None:
            cut = _graft(cut, path, value)
    return cut


def _graft(holder: dict[str, Any], path: Path, value: Value) -> dict[str, Any]:
    """Add a value at a path, with only as much structure around it as the path names."""
    name, rest = str(path[0]), path[1:]
    if not rest:
        return {**holder, name: value}
    if isinstance(rest[0], int):
        inner = value if len(rest) == 1 else _graft({}, ("_", *rest[1:]), value)["_"]
        return {**holder, name: {"L": [*holder.get(name, {"L": []})["L"], inner]}}
    return {**holder, name: {"M": _graft(holder.get(name, {"M": {}})["M"], rest, value)}}


def _scan_place(table: Table, key: RowKey) -> tuple[int, str, Any]:
    return zlib.crc32(key[0].encode()), key[0], table.place(key)


def _after(table: Table, keys: Sequence[RowKey], start: RowKey, *, forward: bool) -> list[RowKey]:
    place = table.place(start)
    return [key for key in keys if (table.place(key) > place if forward else table.place(key) < place)]


def _key_condition(table: Table, reader: Reader) -> tuple[str, Callable[[str], bool]]:
    """Read a key condition: equality of the hash key and at most one test of the range key."""
    tests = _conjunction(reader)
    reader.end()
    names = [name for name, _, _ in tests]
    if len(names) != len(set(names)):
        raise invalid("KeyConditionExpressions must only contain one condition per key")
    by_name = {name: (equals, test) for name, equals, test in tests}
    equals, _ = by_name.pop(table.hash_key.name, (None, None))
    if equals is None:
        raise invalid(f"Query condition missed key schema element: {table.hash_key.name}")
    if kind_of(equals) != table.hash_key.kind:
        raise invalid(
            "One or more parameter values were invalid: Condition parameter type does not match schema type"
        )
    if table.range_key is None or table.range_key.name not in by_name:
        if by_name:
            raise invalid("Query key condition not supported")
        return _content(equals), lambda _: True
    kind, (_, test) = table.range_key.kind, by_name.pop(table.range_key.name)
    if by_name:
        raise invalid("Query key condition not supported")
    return _content(equals), lambda sort: test({kind: sort})


def _content(value: Value) -> str:
    return str(next(iter(value.values())))


def _conjunction(reader: Reader) -> list[tuple[str, Value | None, Test]]:
    tests = _conjunct(reader)
    while reader.keyword("AND"):
        tests += _conjunct(reader)
    return tests


def _conjunct(reader: Reader) -> list[tuple[str, Value | None, Test]]:
    if reader.keyword("("):
        inner = _conjunction(reader)
        reader.expect(")")
        return inner
    if reader.peek() == "begins_with":
        return [_prefix(reader)]
    name = _key_name(reader)
    if reader.keyword("BETWEEN"):
        first = reader.take()
        low = reader.operands.value(first, _KIND)
        reader.expect("AND")
        check_bounds(reader, first, reader.peek())
        high = reader.operands.value(reader.take(), _KIND)
        return [(name, None, lambda value: compare(value, ">=", low) and compare(value, "<=", high))]
    if reader.peek() == "<>" or reader.peek().upper() in {"IN", "OR"}:
        raise invalid("Query key condition not supported")
    if reader.peek() not in {"=", "<", "<=", ">", ">="}:
        raise reader.unexpected()
    comparator = reader.take()
    wanted = reader.operands.value(reader.take(), _KIND)
    return [(name, wanted if comparator == "=" else None, lambda value: compare(value, comparator, wanted))]


def _prefix(reader: Reader) -> tuple[str, Value | None, Test]:
    reader.take()
    reader.expect("(")
    name = _key_name(reader)
    reader.expect(",")
    prefix = reader.operands.value(reader.take(), _KIND)
    reader.expect(")")
    condition = _starts_with(prefix)
    return name, None, condition


def _starts_with(prefix: Value) -> Test:
    operands = Operands({"ExpressionAttributeValues": {":p": prefix}})
    condition = parse_condition("begins_with(k, :p)", operands)
    return lambda value: condition({"k": value})


def _key_name(reader: Reader) -> str:
    path = reader.path()
    if len(path) > 1:
        raise invalid("Query key condition not supported")
    return str(path[0])
