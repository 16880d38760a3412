"""Writes: one item, batches, and transactions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tapstack.ports import AwsError, Clock
from tapstack_emulator.aws_json import failure
from tapstack_emulator.dynamodb import wire
from tapstack_emulator.dynamodb.expressions import Condition, Operands, parse_condition
from tapstack_emulator.dynamodb.reads import wanted
from tapstack_emulator.dynamodb.sizes import ITEM_BYTES_MAX, item_bytes, write_units
from tapstack_emulator.dynamodb.tables import NOTHING, RowKey, Stored, Table
from tapstack_emulator.dynamodb.values import PREFIX, Item, canonical, canonical_item, invalid
from tapstack_emulator.faults.injection import cancelled
from tapstack_emulator.partiql import Statement, parse_statement

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/, read 2026-11-23.
BATCH_WRITE_COUNT_MAX = 25
TRANSACT_BYTES_MAX = 4 * 1024 * 1024
TOKEN_LIFE_MS = 600_000  # "valid for 10 minutes after the first request that uses it is completed"

# API_BatchStatementError, read 2026-11-30: what an operation of its own would answer, by a name of its own.
_STATEMENT_CODES = {"ValidationException": "ValidationError", "ResourceNotFoundException": "ResourceNotFound"}
_CHECK_FAILED = "ConditionalCheckFailed"
_FAILED = "The conditional request failed"
_HELD = "Transaction is ongoing for the item"


class Write(NamedTuple):
    """A write, read and checked but for the row it meets.

    Parameters
    ----------
    table, key, attributes
        The row, and its key as an item.
    item
        What the row becomes; None deletes it.
    size_bytes
        Of the item, or of the key if there is none.
    condition
        What must hold of the row as it is; None if nothing must.
    image_on_failure
        Whether a failed condition answers the row.
    checks_only
        Whether the row stays as it is.
    """

    table: Table
    key: RowKey
    attributes: Item
    item: Item | None
    size_bytes: int
    condition: Condition | None = None
    image_on_failure: bool = False
    checks_only: bool = False

    @property
    def version(self) -> Stored:
        """Return what the row becomes."""
        return NOTHING if self.item is None else Stored(self.item, self.size_bytes)

    def allows(self, old: Item | None) -> bool:
        """Return whether the condition holds of the row as it is."""
        return self.condition is None or self.condition(old or {})

    def refusal_image(self, old: Item | None) -> Item | None:
        """Return the row to be answered when the condition failed."""
        return old if self.image_on_failure else None


class Done(NamedTuple):
    """What a token stands for."""

    digest: bytes
    at_ms: int
    answer: Mapping[str, object]


class Writing:
    """The writing operations, for the class that mixes this in."""

    clock: Clock
    _held: set[tuple[str, RowKey]]
    _tokens: dict[str, Done]
    _named: Callable[[str], Table]

    def _put_item(self, request: wire.PutItem) -> dict[str, object]:
        return self._write(self._put(request), request)

    def _delete_item(self, request: wire.DeleteItem) -> dict[str, object]:
        return self._write(self._delete(request), request)

    def _write(self, write: Write, request: wire.PutItem | wire.DeleteItem) -> dict[str, object]:
        returned = request.return_values or "NONE"
        if returned not in {"NONE", "ALL_OLD"}:
            raise invalid("Return values set to invalid value")
        if (write.table.name, write.key) in self._held:
            raise failure("TransactionConflictException", _HELD, prefix=PREFIX)
        old, old_bytes = write.table.past(write.key)
        if not write.allows(old):
            image = write.refusal_image(old)
            more: dict[str, object] = {} if image is None else {"Item": image}
            raise failure("ConditionalCheckFailedException", _FAILED, prefix=PREFIX, members=more)
        write.table.store(write.key, write.version)
        answer: dict[str, object] = {}
        if returned == "ALL_OLD" and old is not None:
            answer["Attributes"] = old
        if wanted(request.return_consumed_capacity):
            units = float(write_units(max(old_bytes, write.version.size_bytes)))
            answer["ConsumedCapacity"] = {"TableName": write.table.name, "CapacityUnits": units}
        return answer

    # Checking what does not depend on the row.

    def _put(self, request: wire.Put) -> Write:
        table = self._named(request.table_name)
        condition = _condition(request)
        write = _put_of(table, request.item)
        return write._replace(condition=condition, image_on_failure=_image(request))

    def _delete(self, request: wire.Delete | wire.ConditionCheck) -> Write:
        table = self._named(request.table_name)
        condition = _condition(request)
        key, attributes = table.key_from(request.key)
        return Write(table, key, attributes, None, item_bytes(attributes), condition, _image(request))

    def _action(self, action: wire.TransactWriteItem) -> Write:
        match action.put, action.delete, action.condition_check:
            case wire.Put() as put, None, None:
                return self._put(put)
            case None, wire.Delete() as delete, None:
                return self._delete(delete)
            case None, None, wire.ConditionCheck() as check:
                return self._delete(check)._replace(checks_only=True)
        raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")

    # Many items.

    def _batch_write_item(self, request: wire.BatchWriteItem) -> dict[str, object]:
        asked = request.request_items
        writes = [self._batched(name, entry) for name, entries in asked.items() for entry in entries]
        if len(writes) > BATCH_WRITE_COUNT_MAX:
            raise invalid("Too many items requested for the BatchWriteItem call")
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            raise invalid("Provided list of item keys contains duplicates")
        units = dict.fromkeys(asked, 0.0)
        for write in writes:
            units[write.table.name] += write_units(write.version.size_bytes)
            write.table.store(write.key, write.version)
        answer: dict[str, object] = {"UnprocessedItems": {}}
        if wanted(request.return_consumed_capacity):
            answer["ConsumedCapacity"] = [{"TableName": name, "CapacityUnits": units[name]} for name in units]
        return answer

    def _batched(self, table_name: str, entry: wire.WriteRequest) -> Write:
        table = self._named(table_name)
        match entry.put_request, entry.delete_request:
            case wire.PutRequest() as put, None:
                return _put_of(table, put.item)
            case None, wire.DeleteRequest() as delete:
                key, attributes = table.key_from(delete.key)
                return Write(table, key, attributes, None, item_bytes(attributes))
        raise invalid("Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest")

    def _batch_execute_statement(self, request: wire.BatchExecuteStatement) -> dict[str, object]:
        units: dict[str, float] = {}
        answer: dict[str, object] = {"Responses": [self._run(each, units) for each in request.statements]}
        if wanted(request.return_consumed_capacity):
            answer["ConsumedCapacity"] = [{"TableName": name, "CapacityUnits": units[name]} for name in units]
        return answer

    def _run(self, asked: wire.BatchStatementRequest, units: dict[str, float]) -> dict[str, object]:
        """Run one statement; whether it could is part of the answer, and no concern of the others."""
        try:
            statement = _statement(asked)
            table = self._named(statement.shape.table_name)
            key, attributes = _key_of(table, statement)
            old, old_bytes = table.past(key)
            refusal = self._refusal(statement, (table.name, key), old)
            if refusal is None:
                item = {**(old or attributes), **statement.written}
                size_bytes = item_bytes(item)
                if size_bytes > ITEM_BYTES_MAX:
                    raise invalid("Item size has exceeded the maximum allowed size")
        except AwsError as error:
            return {"Error": {"Code": _STATEMENT_CODES.get(error.code, error.code), "Message": str(error)}}
        if refusal is not None:
            if refusal["Code"] == _CHECK_FAILED and old is not None and _image(asked):
                refusal["Item"] = old
            return {"Error": refusal, "TableName": table.name}
        table.store(key, Stored(item, size_bytes))
        units[table.name] = units.get(table.name, 0.0) + write_units(max(old_bytes, size_bytes))
        return {"TableName": table.name}

    def _refusal(
        self, statement: Statement, place: tuple[str, RowKey], old: Item | None
    ) -> dict[str, object] | None:
        """Return why a statement must not be run on the row as it is; None if it may."""
        if place in self._held:
            return {"Code": "TransactionConflict", "Message": _HELD}
        if not statement.shape.compared:
            if old is None:
                return None
            return {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
        if old is not None and statement.compared.items() <= old.items():
            return None
        return {"Code": _CHECK_FAILED, "Message": _FAILED}

    def _transact_write_items(self, request: wire.TransactWriteItems) -> Mapping[str, object]:
        token, now_ms = request.client_request_token, self.clock.now_ms()
        digest = b"" if token is None else _digest(request)
        if token is not None and (done := self._remembered(token, digest, now_ms)) is not None:
            return done
        writes = [self._action(action) for action in request.transact_items]
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            raise invalid("Transaction request cannot include multiple operations on one item")
        units = self._commit(writes)
        answer: dict[str, object] = {}
        if wanted(request.return_consumed_capacity):
            answer["ConsumedCapacity"] = [
                {"TableName": name, "CapacityUnits": count, "WriteCapacityUnits": count}
                for name, count in units.items()
            ]
        if token is not None:
            self._tokens[token] = Done(digest, now_ms, answer)
        return answer

    def _remembered(self, token: str, digest: bytes, now_ms: int) -> Mapping[str, object] | None:
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

    def _commit(self, writes: Sequence[Write]) -> dict[str, float]:
        """Apply all of the writes or none; return the units of each table."""
        reasons: list[dict[str, object]] = []
        total = 0
        units: dict[str, float] = {}
        for write in writes:
            old, old_bytes = write.table.past(write.key)
            reasons.append(self._reason(write, old))
            total += write.size_bytes
            charged = write_units(max(old_bytes, write.version.size_bytes), transactional=True)
            units[write.table.name] = units.get(write.table.name, 0.0) + charged
        if any(reason["Code"] != "None" for reason in reasons):
            raise cancelled(reasons)
        if total > TRANSACT_BYTES_MAX:
            raise invalid("Transaction request size exceeds the maximum of 4194304 bytes")
        for write in writes:
            if not write.checks_only:
                write.table.store(write.key, write.version)
        return units

    def _reason(self, write: Write, old: Item | None) -> dict[str, object]:
        """Return why the transaction must be cancelled; code ``None`` if it need not be."""
        if (write.table.name, write.key) in self._held:
            return {"Code": "TransactionConflict", "Message": _HELD}
        if write.allows(old):
            return {"Code": "None"}
        reason: dict[str, object] = {"Code": "ConditionalCheckFailed", "Message": _FAILED}
        image = write.refusal_image(old)
        return reason if image is None else {**reason, "Item": image}


def _statement(asked: wire.BatchStatementRequest) -> Statement:
    try:
        return parse_statement(asked.statement, [canonical(each) for each in asked.parameters or ()])
    except ValueError as error:
        raise invalid(str(error)) from None


def _key_of(table: Table, statement: Statement) -> tuple[RowKey, Item]:
    """Return the key of the row that a statement writes."""
    missing = set(table.key_names) - statement.named.keys()
    if missing and statement.shape.compared:
        raise invalid("Where clause does not contain a mandatory equality on all key attributes")
    if statement.shape.compared and statement.written.keys() & set(table.key_names):
        raise invalid("Cannot update attribute. This attribute is part of the key")
    key = table.key_of(statement.named)
    return key, table.key_attributes(statement.named)


def _put_of(table: Table, given: Mapping[str, object]) -> Write:
    item = canonical_item(given)
    key = table.key_of(item)
    size_bytes = item_bytes(item)
    if size_bytes > ITEM_BYTES_MAX:
        raise invalid("Item size has exceeded the maximum allowed size")
    return Write(table, key, table.key_attributes(item), item, size_bytes)


def _condition(request: wire.Conditional) -> Condition | None:
    operands = Operands(request)
    text = request.condition_expression
    condition = None if text is None else parse_condition(text, operands)
    operands.finish()
    return condition


def _image(request: wire.Conditional | wire.BatchStatementRequest) -> bool:
    return request.return_values_on_condition_check_failure == "ALL_OLD"


def _digest(request: wire.TransactWriteItems) -> bytes:
    return hashlib.sha256(msgspec.json.encode(request.transact_items, order="deterministic")).digest()
