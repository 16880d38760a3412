"""Writes: one item at a time, and transactions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tapstack.ports import AwsError, Clock
from tapstack_emulator.aws_json import constraint, failure
from tapstack_emulator.dynamodb.expressions import Condition, Operands, lookup, parse_condition
from tapstack_emulator.dynamodb.sizes import ITEM_BYTES_MAX, item_bytes, write_units
from tapstack_emulator.dynamodb.tables import RowKey, Table
from tapstack_emulator.dynamodb.updates import Update, parse_update
from tapstack_emulator.dynamodb.values import PREFIX, Item, canonical_item, invalid
from tapstack_emulator.faults.injection import cancelled

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html, read 2026-11-23.
TRANSACT_COUNT_MAX = 100
TRANSACT_BYTES_MAX = 4 * 1024 * 1024
TOKEN_LIFE_MS = 600_000  # "valid for 10 minutes after the first request that uses it is completed"

_FAILED = "The conditional request failed"
_HELD = "Transaction is ongoing for the item"
_KINDS = ("ConditionCheck", "Put", "Delete", "Update")


class Write(NamedTuple):
    """A write, read and checked but for the row it meets."""

    table: Table
    key: RowKey
    condition: Condition | None
    apply: Callable[[Item | None], Item | None]
    image_on_failure: bool
    keys: Item
    update: Update | None = None


class Done(NamedTuple):
    """What a token stands for."""

    digest: bytes
    at_ms: int
    answer: Mapping[str, object]


class Writing:
    """PutItem, UpdateItem, DeleteItem and TransactWriteItems for the class that mixes this in."""

    clock: Clock
    _held: set[tuple[str, RowKey]]
    _tokens: dict[str, Done]
    _table: Callable[[Mapping[str, Any]], Table]

    def _put_item(self, request: Mapping[str, Any]) -> dict[str, object]:
        return self._write("Put", request, {"NONE", "ALL_OLD"})

    def _delete_item(self, request: Mapping[str, Any]) -> dict[str, object]:
        return self._write("Delete", request, {"NONE", "ALL_OLD"})

    def _update_item(self, request: Mapping[str, Any]) -> dict[str, object]:
        wanted = {"NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"}
        return self._write("Update", request, wanted)

    def _write(self, kind: str, request: Mapping[str, Any], returnable: set[str]) -> dict[str, object]:
        wanted = request.get("ReturnValues", "NONE")
        if wanted not in returnable:
            raise invalid(f"Return values set to invalid value: {wanted}")
        write = self._prepared(kind, request)
        if (write.table.name, write.key) in self._held:
            raise failure("TransactionConflictException", _HELD, prefix=PREFIX)
        old = write.table.get(write.key)
        if write.condition is not None and not write.condition(old or {}):
            raise _condition_failed(old if write.image_on_failure else None)
        new = applied(write, old)
        write.table.store(write.key, new)
        answer: dict[str, object] = {}
        attributes = _returned(wanted, write.update, old, new)
        if attributes:
            answer["Attributes"] = attributes
        if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            units = write_units(_larger(old, new))
            answer["ConsumedCapacity"] = {"TableName": write.table.name, "CapacityUnits": float(units)}
        return answer

    def _prepared(self, kind: str, request: Mapping[str, Any]) -> Write:
        """Check all of a write that does not depend on the row."""
        table = self._table(request)
        operands = Operands(request)
        text = request.get("ConditionExpression")
        condition = None if text is None else parse_condition(text, operands)
        image = request.get("ReturnValuesOnConditionCheckFailure", "NONE") == "ALL_OLD"
        if kind == "Put":
            item = canonical_item(_needed(request, "Item"))
            key = table.key_of(item)
            operands.finish()
            return Write(table, key, condition, lambda _: item, image, table.key_attributes(item))
        key, attributes = table.key_from(_needed(request, "Key"))
        update = None
        if kind == "Update" and "UpdateExpression" in request:
            update = parse_update(request["UpdateExpression"], operands)
            _refuse_key_changes(table, update)
        operands.finish()
        if kind == "Update":
            return Write(table, key, condition, _upsert(update, attributes), image, attributes, update)
        if kind == "Delete":
            return Write(table, key, condition, lambda _: None, image, attributes)
        return Write(table, key, condition, lambda old: old, image, attributes)

    def _transact_write_items(self, request: Mapping[str, Any]) -> Mapping[str, object]:
        asked = _needed(request, "TransactItems", "transactItems")
        if not 1 <= len(asked) <= TRANSACT_COUNT_MAX:
            bound = "greater than or equal to 1" if not asked else "less than or equal to 100"
            raise constraint("[...]", "transactItems", f"Member must have length {bound}")
        now_ms = self.clock.now_ms()
        token = request.get("ClientRequestToken")
        digest = hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).digest()
        if token is not None and (done := self._remembered(token, digest, now_ms)) is not None:
            return done
        writes = [self._prepared(*_action(action)) for action in asked]
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            raise invalid("Transaction request cannot include multiple operations on one item")
        answer = self._commit(writes, request)
        if token is not None:
            self._tokens[token] = Done(digest, now_ms, answer)
        return answer

    def _remembered(self, token: str, digest: bytes, now_ms: int) -> Mapping[str, object] | None:
        if not 1 <= len(token) <= 36:
            bound = "greater than or equal to 1" if not token else "less than or equal to 36"
            raise constraint(token, "clientRequestToken", f"Member must have length {bound}")
        for old, done in list(self._tokens.items()):
            if now_ms - done.at_ms < TOKEN_LIFE_MS:
                break
            del self._tokens[old]
        found = self._tokens.get(token)
        if found is None:
            return None
        if found.digest != digest:
            raise failure("IdempotentParameterMismatchException", "", prefix=PREFIX)
        return found.answer

    def _commit(self, writes: Sequence[Write], request: Mapping[str, Any]) -> Mapping[str, object]:
        """Apply all of the writes or none."""
        news: list[Item | None] = []
        reasons: list[dict[str, object]] = []
        total = 0
        units: dict[str, int] = {}
        for write in writes:
            old = write.table.get(write.key)
            new, reason = self._outcome(write, old)
            news.append(new)
            reasons.append(reason)
            size = _larger(old, new)
            total += item_bytes(new) if new is not None and new is not old else item_bytes(write.keys)
            units[write.table.name] = units.get(write.table.name, 0) + write_units(size, transactional=True)
        if any(reason["Code"] != "None" for reason in reasons):
            raise cancelled(reasons)
        if total > TRANSACT_BYTES_MAX:
            raise invalid("Transaction request size exceeds the maximum of 4194304 bytes")
        for write, new in zip(writes, news, strict=True):
            if new is not write.table.get(write.key):  # a condition check leaves no new version
                write.table.store(write.key, new)
        if request.get("ReturnConsumedCapacity", "NONE") == "NONE":
            return {}
        consumed = [
            {"TableName": name, "CapacityUnits": float(count), "WriteCapacityUnits": float(count)}
            for name, count in units.items()
        ]
        return {"ConsumedCapacity": consumed}

    def _outcome(self, write: Write, old: Item | None) -> tuple[Item | None, dict[str, object]]:
        """Return the new row and why the transaction must be cancelled, if it must."""
        if (write.table.name, write.key) in self._held:
            return None, {"Code": "TransactionConflict", "Message": _HELD}
        if write.condition is not None and not write.condition(old or {}):
            reason: dict[str, object] = {"Code": "ConditionalCheckFailed", "Message": _FAILED}
            if write.image_on_failure and old is not None:
                reason["Item"] = old
            return None, reason
        try:
            return applied(write, old), {"Code": "None"}
        except AwsError as error:
            return None, {"Code": "ValidationError", "Message": error.message}


def _condition_failed(image: Item | None) -> AwsError:
    code = "ConditionalCheckFailedException"
    if image is None:
        return failure(code, _FAILED, prefix=PREFIX)
    return failure(code, _FAILED, prefix=PREFIX, Item=image)


def _action(action: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    kinds = [kind for kind in _KINDS if action.get(kind) is not None]
    if len(kinds) != 1:
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
    return kinds[0], action[kinds[0]]


def _needed(request: Mapping[str, Any], member: str, field: str = "") -> Any:
    value = request.get(member)
    if value is None:
        raise constraint(None, field or member[:1].lower() + member[1:], "Member must not be null")
    return value


def _upsert(update: Update | None, attributes: Item) -> Callable[[Item | None], Item]:
    def apply(old: Item | None) -> Item:
        before = dict(attributes) if old is None else old
        return before if update is None else update.apply(before)

    return apply


def _refuse_key_changes(table: Table, update: Update) -> None:
    for path in update.paths:
        if path[0] in table.key_names:
            raise invalid(
                f"One or more parameter values were invalid: Cannot update attribute {path[0]}."
                " This attribute is part of the key"
            )


def applied(write: Write, old: Item | None) -> Item | None:
    """Return the item as the write leaves it.

    Raises
    ------
    AwsError
        If it is larger than an item may be.
    """
    new = write.apply(old)
    if new is not None and new is not old and item_bytes(new) > ITEM_BYTES_MAX:
        what = "Item size" if write.update is None else "Item size to update"
        raise invalid(f"{what} has exceeded the maximum allowed size")
    return new


def _larger(old: Item | None, new: Item | None) -> int:
    return max(item_bytes(old or {}), item_bytes(new or {}))


def _returned(wanted: str, update: Update | None, old: Item | None, new: Item | None) -> Item | None:
    if wanted == "NONE":
        return None
    source = old if wanted.endswith("OLD") else new
    if source is None or wanted.startswith("ALL"):
        return source
    names = {str(path[0]) for path in update.paths} if update else set()
    return {name: source[name] for name in sorted(names) if lookup(source, (name,)) is not None}
