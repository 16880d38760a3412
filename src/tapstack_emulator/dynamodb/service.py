"""An in-memory DynamoDB that speaks the service's own JSON."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from tapstack.ports import Clock
from tapstack_emulator.aws_json import constraint, decode, failure
from tapstack_emulator.clock import ManualClock
from tapstack_emulator.dynamodb.expressions import Operands
from tapstack_emulator.dynamodb.queries import Querying, Read, projection
from tapstack_emulator.dynamodb.sizes import item_bytes, read_units, write_units
from tapstack_emulator.dynamodb.tables import KeyAttribute, RowKey, Table
from tapstack_emulator.dynamodb.values import PREFIX, Item, invalid
from tapstack_emulator.dynamodb.writes import Done, Writing, applied

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/, read 2026-11-23.
BATCH_GET_COUNT_MAX = 100
BATCH_GET_BYTES_MAX = 16 * 1024 * 1024
BATCH_WRITE_COUNT_MAX = 25

Staleness = Callable[[int], int]
"""How many versions back to answer, given how many older ones are kept: ``0..older``."""

_ENCODE = msgspec.json.Encoder().encode
_DECODER = msgspec.json.Decoder[Mapping[str, Any]](dict[str, Any])
_Request = Mapping[str, Any]


def random_staleness(seed: int, rate: float = 1.0) -> Staleness:
    """Make a policy that answers with any older version, each as likely, in a share of the reads.

    Parameters
    ----------
    seed
        The same seed and the same reads give the same answers.
    rate
        Share of rows read that may be stale, 0 to 1.
    """
    drawn = random.Random(seed)  # noqa: S311 - reproducible, not secret

    def choose(older: int) -> int:
        return drawn.randint(0, older) if drawn.random() < rate else 0

    return choose


class MemoryDynamoDB(Writing, Querying):
    """DynamoDB behind `tapstack.ports.AwsApi`: real shapes in, real shapes out.

    Every call is atomic; calls from several threads take turns. There are no indexes, streams or
    PartiQL, and no throttling of its own (`tapstack_emulator.FaultyApi` throttles).

    Parameters
    ----------
    clock
        Time for tokens and expiry; a `ManualClock` unless given.
    staleness
        Asked for each row of an eventually consistent read; None answers with the newest version.
    ttl
        Asked at every call for each expired row that is still there (the row, and for how many
        seconds it has been expired) whether it is deleted now; None deletes only in `sweep`.
    versions_max
        How many versions of a row are kept for stale reads, the present one included; 1 to keep none.
    seed
        Of the versions that `call_stale` answers with.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        staleness: Staleness | None = None,
        ttl: Callable[[Item, float], bool] | None = None,
        versions_max: int = 8,
        seed: int = 0,
    ) -> None:
        self.clock: Clock = clock or ManualClock()
        self.calls: dict[str, int] = {}
        self._staleness = staleness
        self._ttl = ttl
        self._versions_max = versions_max
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._stale_rows = 0
        self._tables: dict[str, Table] = {}
        self._held: set[tuple[str, RowKey]] = set()
        self._tokens: dict[str, Done] = {}
        self._lock = threading.RLock()
        self._operations: Mapping[str, Callable[[_Request], object]] = {
            "GetItem": self._get_item,
            "PutItem": self._put_item,
            "UpdateItem": self._update_item,
            "DeleteItem": self._delete_item,
            "Query": self._query,
            "Scan": self._scan,
            "BatchGetItem": self._batch_get_item,
            "BatchWriteItem": self._batch_write_item,
            "TransactWriteItems": self._transact_write_items,
            "CreateTable": self._create_table,
            "DescribeTable": self._describe_table,
            "DeleteTable": self._delete_table,
            "ListTables": self._list_tables,
            "UpdateTimeToLive": self._update_time_to_live,
            "DescribeTimeToLive": self._describe_time_to_live,
        }

    def call(self, operation: str, body: bytes) -> bytes:
        """Answer one operation of the API.

        Raises
        ------
        AwsError
            As the service would.
        """
        with self._lock:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            perform = self._operations.get(operation)
            if perform is None:
                raise failure("UnknownOperationException", operation)
            if self._ttl is not None:
                self._expire(self._ttl)
            return _ENCODE(perform(decode(_DECODER, body)))

    def call_stale(self, operation: str, body: bytes) -> bytes | None:
        """Answer a read with older versions of its rows.

        Returns
        -------
        bytes or None
            None if the read is strongly consistent, or none of its rows has a past.
        """
        with self._lock:
            usual, self._stale_rows = self._staleness, 0
            self._staleness = lambda older: self._random.randint(1, older) if older else 0
            try:
                answer = self.call(operation, body)
            finally:
                self._staleness = usual
            return answer if self._stale_rows else None

    # What checkers and set-ups use instead of the wire.

    def create_table(self, name: str, *, ttl_attribute: str | None = None) -> None:
        """Make a table with string keys ``pk`` and ``sk``.

        Raises
        ------
        AwsError
            If the name is taken.
        """
        with self._lock:
            self._add_table(name, KeyAttribute("pk", "S"), KeyAttribute("sk", "S"))
            self._tables[name].set_ttl(ttl_attribute)

    def items(self, table: str) -> list[Item]:
        """List every item as it is now, expired ones that are still there included."""
        with self._lock:
            found = self._named(table)
            rows = (found.get(key) for key in found.keys())  # noqa: SIM118 - a method, no mapping
            return [row for row in rows if row is not None]

    def sweep(self, choose: Callable[[Item], bool] | None = None) -> int:
        """Delete expired rows, as DynamoDB does at a moment of its own; return how many.

        Parameters
        ----------
        choose
            Which of them; all unless given.
        """
        with self._lock:
            return self._expire(lambda item, _: choose is None or choose(item))

    @contextmanager
    def holding(self, table: str, keys: Iterable[Mapping[str, Any]]) -> Iterator[None]:
        """Hold items as a transaction in progress does: writes to them conflict meanwhile.

        Parameters
        ----------
        table
            Its name.
        keys
            Keys as on the wire.
        """
        found = self._named(table)
        held = {(table, found.key_from(key)[0]) for key in keys}
        self._held |= held
        try:
            yield
        finally:
            self._held -= held

    # The operations.

    def _get_item(self, request: _Request) -> dict[str, object]:
        table, operands = self._table(request), Operands(request)
        key, _ = table.key_from(request.get("Key") or {})
        project = projection(request, operands)
        operands.finish()
        item = self._reader(request)(table, key)
        answer: dict[str, object] = {} if item is None else {"Item": project(item)}
        if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            units = read_units(item_bytes(item or {}), consistent=request.get("ConsistentRead", False))
            answer["ConsumedCapacity"] = {"TableName": table.name, "CapacityUnits": units}
        return answer

    def _batch_get_item(self, request: _Request) -> dict[str, object]:
        asked = request.get("RequestItems") or {}
        count = sum(len(part["Keys"]) for part in asked.values())
        if not count:
            raise constraint("{}", "requestItems", "Member must have length greater than or equal to 1")
        if count > BATCH_GET_COUNT_MAX:
            raise invalid("Too many items requested for the BatchGetItem call")
        responses: dict[str, list[Item]] = {}
        left: dict[str, Any] = {}
        room, units = BATCH_GET_BYTES_MAX, dict.fromkeys(asked, 0.0)
        for name, part in asked.items():
            project, rows = self._rows(name, part)
            found = responses.setdefault(name, [])
            for index, item in enumerate(rows):
                size = item_bytes(item or {})
                room -= size
                if room < 0:
                    left[name] = {**part, "Keys": part["Keys"][index:]}
                    break
                units[name] += read_units(size, consistent=part.get("ConsistentRead", False))
                if item is not None:
                    found.append(project(item))
        answer: dict[str, object] = {"Responses": responses, "UnprocessedKeys": left}
        if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            answer["ConsumedCapacity"] = [{"TableName": name, "CapacityUnits": units[name]} for name in units]
        return answer

    def _rows(self, name: str, part: _Request) -> tuple[Callable[[Item], Item], Iterator[Item | None]]:
        """Check one table's part of a BatchGetItem; return its projection and its rows, key by key."""
        table, operands = self._named(name), Operands(part)
        project, read = projection(part, operands), self._reader(part)
        operands.finish()
        keys = [table.key_from(key)[0] for key in part["Keys"]]
        if len(set(keys)) < len(keys):
            raise invalid("Provided list of item keys contains duplicates")
        return project, (read(table, key) for key in keys)

    def _batch_write_item(self, request: _Request) -> dict[str, object]:
        asked = request.get("RequestItems") or {}
        flat = [(name, entry) for name, entries in asked.items() for entry in entries]
        if not 1 <= len(flat) <= BATCH_WRITE_COUNT_MAX:
            bound = "greater than or equal to 1" if not flat else "less than or equal to 25"
            raise constraint("{...}", "requestItems", f"Member must have length {bound}")
        writes = []
        for name, entry in flat:
            kind = "Put" if "PutRequest" in entry else "Delete"
            writes.append(self._prepared(kind, {"TableName": name, **entry[f"{kind}Request"]}))
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            raise invalid("Provided list of item keys contains duplicates")
        units = dict.fromkeys(asked, 0)
        for write in writes:
            new = applied(write, write.table.get(write.key))
            units[write.table.name] += write_units(item_bytes(new or {}))
        for write in writes:
            write.table.store(write.key, write.apply(None))
        answer: dict[str, object] = {"UnprocessedItems": {}}
        if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            answer["ConsumedCapacity"] = [
                {"TableName": name, "CapacityUnits": float(count)} for name, count in units.items()
            ]
        return answer

    def _create_table(self, request: _Request) -> dict[str, object]:
        name = request.get("TableName") or ""
        kinds = {
            part["AttributeName"]: part["AttributeType"] for part in request.get("AttributeDefinitions", ())
        }
        schema = {part["KeyType"]: part["AttributeName"] for part in request.get("KeySchema", ())}
        if "HASH" not in schema or not set(schema.values()) <= kinds.keys():
            raise invalid(
                "One or more parameter values were invalid: Some index key attributes are not defined in"
                f" AttributeDefinitions. Keys: {sorted(schema.values())},"
                f" AttributeDefinitions: {sorted(kinds)}"
            )
        hash_key = KeyAttribute(schema["HASH"], kinds[schema["HASH"]])
        range_key = KeyAttribute(schema["RANGE"], kinds[schema["RANGE"]]) if "RANGE" in schema else None
        self._add_table(name, hash_key, range_key)
        return {"TableDescription": self._description(self._tables[name])}

    def _add_table(self, name: str, hash_key: KeyAttribute, range_key: KeyAttribute | None) -> None:
        if name in self._tables:
            raise failure("ResourceInUseException", f"Table already exists: {name}", prefix=PREFIX)
        table = Table(name, hash_key, range_key, self._versions_max)
        table.created_s = self.clock.now_ms() / 1000
        self._tables[name] = table

    def _describe_table(self, request: _Request) -> dict[str, object]:
        return {"Table": self._description(self._table(request))}

    def _delete_table(self, request: _Request) -> dict[str, object]:
        table = self._table(request)
        del self._tables[table.name]
        return {"TableDescription": {**self._description(table), "TableStatus": "DELETING"}}

    def _list_tables(self, _: _Request) -> dict[str, object]:
        return {"TableNames": sorted(self._tables)}

    def _description(self, table: Table) -> dict[str, object]:
        keys = [part for part in (table.hash_key, table.range_key) if part is not None]
        items = self.items(table.name) if table.name in self._tables else []
        return {
            "TableName": table.name,
            "TableStatus": "ACTIVE",
            "TableArn": f"arn:aws:dynamodb:us-east-1:123456789012:table/{table.name}",
            "CreationDateTime": table.created_s,
            "ItemCount": len(items),
            "TableSizeBytes": sum(map(item_bytes, items)),
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in keys],
            "KeySchema": [
                {"AttributeName": part.name, "KeyType": kind}
                for part, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        }

    def _update_time_to_live(self, request: _Request) -> dict[str, object]:
        given = request["TimeToLiveSpecification"]
        self._table(request).set_ttl(given["AttributeName"] if given["Enabled"] else None)
        return {"TimeToLiveSpecification": given}

    def _describe_time_to_live(self, request: _Request) -> dict[str, object]:
        attribute = self._table(request).ttl_attribute
        if attribute is None:
            return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}}

    # Finding tables and rows.

    def _table(self, request: _Request) -> Table:
        name = request.get("TableName")
        if name is None:
            raise constraint(None, "tableName", "Member must not be null")
        return self._named(name)

    def _named(self, name: str) -> Table:
        table = self._tables.get(name.rpartition("/")[2])
        if table is None:
            message = "Requested resource not found"
            raise failure("ResourceNotFoundException", message, prefix=PREFIX)
        return table

    def _reader(self, request: _Request) -> Read:
        staleness = self._staleness
        if staleness is None or request.get("ConsistentRead", False):
            return lambda table, key: table.get(key)

        def read(table: Table, key: RowKey) -> Item | None:
            back = staleness(table.ages(key))
            self._stale_rows += back > 0
            return table.past(key, back)

        return read

    def _expire(self, choose: Callable[[Item, float], bool]) -> int:
        now_s = self.clock.now_ms() / 1000
        deleted = 0
        for table in self._tables.values():
            for key in table.due(now_s):
                item = table.get(key)
                if item is not None and choose(item, now_s - float(item[table.ttl_attribute or ""]["N"])):
                    table.store(key, None)
                    deleted += 1
        return deleted
