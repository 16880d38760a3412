"""An in-memory DynamoDB that speaks the service's own JSON."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from tapstack.ports import Clock
from tapstack_emulator.aws_json import failure
from tapstack_emulator.aws_request import DYNAMODB, Wire, decode
from tapstack_emulator.clock import ManualClock
from tapstack_emulator.dynamodb import wire
from tapstack_emulator.dynamodb.reads import Reading, Staleness
from tapstack_emulator.dynamodb.sizes import item_bytes
from tapstack_emulator.dynamodb.tables import NOTHING, KeyAttribute, RowKey, Table
from tapstack_emulator.dynamodb.values import PREFIX, Item, invalid
from tapstack_emulator.dynamodb.writes import Done, Writing

__all__ = ["MemoryDynamoDB", "Staleness", "random_staleness"]

_ENCODE = msgspec.json.Encoder().encode
_NO_THROUGHPUT = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
TABLES_COUNT_MAX = 100  # of one page: API_ListTables, read 2026-11-29
_Operation = tuple[msgspec.json.Decoder[Any], Callable[[Any], object]]


def random_staleness(seed: int, rate: float = 1.0) -> Staleness:
    """Return a policy that answers with any older version, each as likely, in a share of the reads.

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


class MemoryDynamoDB(Writing, Reading):
    """DynamoDB behind `tapstack.ports.AwsApi`: real shapes in, real shapes out.

    Every call is atomic; calls from several threads take turns. What is left out of the API is refused,
    never ignored (docs/emulator.md lists what there is); nothing is throttled (`tapstack_emulator.FaultyApi`
    throttles).

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
    region, account
        Appear in ARNs.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        staleness: Staleness | None = None,
        ttl: Callable[[Item, float], bool] | None = None,
        versions_max: int = 8,
        seed: int = 0,
        region: str = "us-east-1",
        account: str = "123456789012",
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
        self._prefix = f"arn:aws:dynamodb:{region}:{account}:table/"
        self._operations = self._table()

    def call(self, operation: str, body: bytes) -> bytes:
        """Answer one operation of the API.

        Raises
        ------
        AwsError
            As the service would.
        """
        with self._lock:
            self.calls[operation] = self.calls.get(operation, 0) + 1
            known = self._operations.get(operation)
            if known is None:
                message = f"The operation {operation} is not implemented by tapstack_emulator"
                raise failure("UnknownOperationException", message, prefix="com.amazon.coral.service#")
            if self._ttl is not None:
                self._expire(self._ttl)
            decoder, perform = known
            return _ENCODE(perform(decode(decoder, body, DYNAMODB)))

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
        """Create a table with string keys ``pk`` and ``sk``.

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

    def item(self, table: str, key: Mapping[str, Any]) -> Item | None:
        """Return an item as it is now; its key is spelled as on the wire."""
        with self._lock:
            found = self._named(table)
            return found.get(found.key_from(key)[0])

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

    # The operations on tables; those on items are mixed in.

    def _table(self) -> Mapping[str, _Operation]:
        operations: dict[str, tuple[type[Wire], Callable[[Any], object]]] = {
            "GetItem": (wire.GetItem, self._get_item),
            "PutItem": (wire.PutItem, self._put_item),
            "DeleteItem": (wire.DeleteItem, self._delete_item),
            "Query": (wire.Query, self._query),
            "BatchGetItem": (wire.BatchGetItem, self._batch_get_item),
            "BatchWriteItem": (wire.BatchWriteItem, self._batch_write_item),
            "BatchExecuteStatement": (wire.BatchExecuteStatement, self._batch_execute_statement),
            "TransactWriteItems": (wire.TransactWriteItems, self._transact_write_items),
            "CreateTable": (wire.CreateTable, self._create_table),
            "DescribeTable": (wire.OfTable, self._describe_table),
            "DeleteTable": (wire.OfTable, self._delete_table),
            "ListTables": (wire.ListTables, self._list_tables),
            "UpdateTimeToLive": (wire.UpdateTimeToLive, self._update_time_to_live),
            "DescribeTimeToLive": (wire.OfTable, self._describe_time_to_live),
        }
        return {name: (msgspec.json.Decoder(kind), perform) for name, (kind, perform) in operations.items()}

    def _create_table(self, request: wire.CreateTable) -> dict[str, object]:
        kinds = {part.attribute_name: part.attribute_type for part in request.attribute_definitions}
        names = [part.attribute_name for part in request.key_schema]
        if [part.key_type for part in request.key_schema] not in (["HASH"], ["HASH", "RANGE"]):
            raise invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
        if kinds.keys() != set(names) or len(set(names)) < len(names):
            raise invalid(
                "One or more parameter values were invalid: Number of attributes in KeySchema does not"
                " exactly match number of attributes defined in AttributeDefinitions"
            )
        table = self._add_table(request.table_name, *(KeyAttribute(name, kinds[name]) for name in names))
        table.throughput = _throughput(request)
        return {"TableDescription": self._description(table)}

    def _add_table(self, name: str, hash_key: KeyAttribute, range_key: KeyAttribute | None = None) -> Table:
        if name in self._tables:
            raise failure("ResourceInUseException", f"Table already exists: {name}", prefix=PREFIX)
        table = self._tables[name] = Table(name, hash_key, range_key, self._versions_max)
        table.created_s = self.clock.now_ms() / 1000
        return table

    def _describe_table(self, request: wire.OfTable) -> dict[str, object]:
        return {"Table": self._description(self._named(request.table_name))}

    def _delete_table(self, request: wire.OfTable) -> dict[str, object]:
        table = self._named(request.table_name)
        described = {**self._description(table), "TableStatus": "DELETING"}
        del self._tables[table.name]
        return {"TableDescription": described}

    def _list_tables(self, request: wire.ListTables) -> dict[str, object]:
        limit = request.limit or TABLES_COUNT_MAX
        names = sorted(name for name in self._tables if name > (request.exclusive_start_table_name or ""))
        answer: dict[str, object] = {"TableNames": names[:limit]}
        if len(names) > limit:
            answer["LastEvaluatedTableName"] = names[limit - 1]
        return answer

    def _description(self, table: Table) -> dict[str, object]:
        keys = [part for part in (table.hash_key, table.range_key) if part is not None]
        items = self.items(table.name)
        on_demand = table.throughput is None
        return {
            "TableName": table.name,
            "TableStatus": "ACTIVE",
            "TableArn": self._prefix + table.name,
            "CreationDateTime": table.created_s,
            "ItemCount": len(items),
            "TableSizeBytes": sum(map(item_bytes, items)),
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST" if on_demand else "PROVISIONED"},
            "ProvisionedThroughput": table.throughput or _NO_THROUGHPUT,
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in keys],
            "KeySchema": [
                {"AttributeName": part.name, "KeyType": kind}
                for part, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        }

    def _update_time_to_live(self, request: wire.UpdateTimeToLive) -> dict[str, object]:
        given = request.time_to_live_specification
        self._named(request.table_name).set_ttl(given.attribute_name if given.enabled else None)
        return {"TimeToLiveSpecification": given}

    def _describe_time_to_live(self, request: wire.OfTable) -> dict[str, object]:
        attribute = self._named(request.table_name).ttl_attribute
        if attribute is None:
            return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}}

    def _named(self, name: str) -> Table:
        """Find a table by its name or its ARN."""
        table = self._tables.get(name.removeprefix(self._prefix))
        if table is None:
            message = "Requested resource not found"
            raise failure("ResourceNotFoundException", message, prefix=PREFIX)
        return table

    def _expire(self, choose: Callable[[Item, float], bool]) -> int:
        now_s = self.clock.now_ms() / 1000
        deleted = 0
        for table in self._tables.values():
            for key in table.due(now_s):
                item = table.get(key)
                if item is not None and choose(item, now_s - float(item[table.ttl_attribute or ""]["N"])):
                    table.store(key, NOTHING)
                    deleted += 1
        return deleted


def _throughput(request: wire.CreateTable) -> dict[str, int] | None:
    """Return the units a table is described with; None for one that is paid for by request."""
    given = request.provisioned_throughput
    if request.billing_mode == "PAY_PER_REQUEST":
        if given is not None:
            raise invalid(
                "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits"
                " can be specified when BillingMode is PAY_PER_REQUEST"
            )
        return None
    if given is None:
        raise invalid(
            "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be"
            " specified when BillingMode is PROVISIONED"
        )
    return {
        "ReadCapacityUnits": given.read_capacity_units,
        "WriteCapacityUnits": given.write_capacity_units,
    }
