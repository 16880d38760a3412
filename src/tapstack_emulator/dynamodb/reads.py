"""Reads: one item, many items, and pages of a partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tapstack_emulator.dynamodb import wire
from tapstack_emulator.dynamodb.expressions import Operands
from tapstack_emulator.dynamodb.key_conditions import parse_key_condition
from tapstack_emulator.dynamodb.sizes import read_units
from tapstack_emulator.dynamodb.tables import Bounds, RowKey, Stored, Table
from tapstack_emulator.dynamodb.values import Item, invalid

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/, read 2026-11-23.
BATCH_GET_COUNT_MAX = 100
BATCH_GET_BYTES_MAX = 16 * 1024 * 1024
PAGE_BYTES_MAX = 1024 * 1024
"""What Query reads at once: API_Query, read 2026-11-23."""

Staleness = Callable[[int], int]
"""How many versions back to answer, given how many older ones are kept: ``0..older``."""
Read = Callable[[Table, RowKey], Stored]


class Reading:
    """GetItem, BatchGetItem and Query for the class that mixes this in."""

    _named: Callable[[str], Table]
    _staleness: Staleness | None
    _stale_rows: int

    def _get_item(self, request: wire.GetItem) -> dict[str, object]:
        table = self._named(request.table_name)
        key, _ = table.key_from(request.key)
        item, size = self._reader(request.consistent_read)(table, key)
        answer: dict[str, object] = {} if item is None else {"Item": item}
        if wanted(request.return_consumed_capacity):
            units = read_units(size, consistent=bool(request.consistent_read))
            answer["ConsumedCapacity"] = {"TableName": table.name, "CapacityUnits": units}
        return answer

    def _batch_get_item(self, request: wire.BatchGetItem) -> dict[str, object]:
        asked = request.request_items
        if sum(len(part.keys) for part in asked.values()) > BATCH_GET_COUNT_MAX:
            raise invalid("Too many items requested for the BatchGetItem call")
        responses: dict[str, list[Item]] = {}
        left: dict[str, object] = {}
        room, units = BATCH_GET_BYTES_MAX, dict.fromkeys(asked, 0.0)
        for name, part in asked.items():
            table, read = self._named(name), self._reader(part.consistent_read)
            found = responses.setdefault(name, [])
            for index, key in enumerate(_distinct(table, part)):
                item, size = read(table, key)
                room -= size
                if room < 0:
                    rest = wire.KeysAndAttributes(
                        keys=part.keys[index:], consistent_read=part.consistent_read
                    )
                    left[name] = rest
                    break
                units[name] += read_units(size, consistent=bool(part.consistent_read))
                if item is not None:
                    found.append(item)
        answer: dict[str, object] = {"Responses": responses, "UnprocessedKeys": left}
        if wanted(request.return_consumed_capacity):
            answer["ConsumedCapacity"] = [{"TableName": name, "CapacityUnits": units[name]} for name in units]
        return answer

    def _query(self, request: wire.Query) -> dict[str, object]:
        table = self._named(request.table_name)
        operands = Operands(request)
        text = request.key_condition_expression
        if text is None:
            raise invalid(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the"
                " request."
            )
        partition, bounds = parse_key_condition(table, text, operands)
        operands.finish()
        forward = request.scan_index_forward is not False
        if bounds is not None and request.exclusive_start_key is not None:
            start = table.place(table.key_from(request.exclusive_start_key)[0])
            bounds = _after(bounds, start) if forward else _before(bounds, start)
        keys = [] if bounds is None else table.between(partition, bounds)
        return self._page(table, keys if forward else reversed(keys), request)

    def _page(self, table: Table, keys: Iterable[RowKey], request: wire.Query) -> dict[str, object]:
        read = self._reader(request.consistent_read)
        items: list[Item] = []
        size = 0
        more = False
        for key in keys:
            item, added = read(table, key)
            if item is None:
                continue
            if items and size + added > PAGE_BYTES_MAX:
                more = True
                break
            size += added
            items.append(item)
            if len(items) == request.limit:
                more = True  # AWS names a last key even if nothing comes after it
                break
        answer: dict[str, object] = {"Count": len(items), "ScannedCount": len(items), "Items": items}
        if more:
            answer["LastEvaluatedKey"] = table.key_attributes(items[-1])
        if wanted(request.return_consumed_capacity):
            units = read_units(size, consistent=bool(request.consistent_read))
            answer["ConsumedCapacity"] = {"TableName": table.name, "CapacityUnits": units}
        return answer

    def _reader(self, consistent: bool | None) -> Read:  # noqa: FBT001 - the request's member
        staleness = self._staleness
        if staleness is None or consistent:
            return lambda table, key: table.past(key)

        def read(table: Table, key: RowKey) -> Stored:
            back = staleness(table.ages(key))
            self._stale_rows += back > 0
            return table.past(key, back)

        return read


def wanted(capacity: wire.Capacity | None) -> bool:
    """Return whether a request wants to know what it consumed."""
    return capacity not in (None, "NONE")


def _distinct(table: Table, part: wire.KeysAndAttributes) -> list[RowKey]:
    keys = [table.key_from(key)[0] for key in part.keys]
    if len(set(keys)) < len(keys):
        raise invalid("Provided list of item keys contains duplicates")
    return keys


def _after(bounds: Bounds, start: Any) -> Bounds:
    if bounds.low is not None and bounds.low > start:
        return bounds
    return bounds._replace(low=start, low_excluded=True)


def _before(bounds: Bounds, start: Any) -> Bounds:
    if bounds.high is not None and bounds.high < start:
        return bounds
    return bounds._replace(high=start, high_excluded=True)
