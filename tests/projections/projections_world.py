"""A journal in a table in memory, and projectors beside it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from event_strategies import NOON_S
from item_statements import statements
from tapstack.aws.dynamodb import DynamoTable
from tapstack.core.attributes.catalogue import NOTHING_SAID, AllSaid
from tapstack.core.events import TYPE_CODE
from tapstack.core.impressions import Shown
from tapstack.core.item_facts import Facts
from tapstack.core.journal import (
    JOURNAL_TTL_S,
    Effect,
    decode_watermark,
    encode_entry,
    entry_key,
    head_key,
    watermark_key,
)
from tapstack.core.rows import Derived
from tapstack.core.search_terms import Search
from tapstack.ports import AwsApi, Key, Row, RowWrite
from tapstack.projections.catalogue import PROJECTIONS
from tapstack.projections.project import Dependencies, Limits, Report, project
from tapstack_emulator import FaultPolicy, FaultyApi, ManualClock, MemoryDynamoDB

TABLE = "behaviour"
ROW_TTL_S = 60 * 86_400
VIEW = TYPE_CODE["item_view"]


def viewed(*item_ids: str, at_s: int = NOON_S, partners: Sequence[str] = (), code: int = VIEW) -> Effect:
    return Effect(item_ids=item_ids, code=code, at_s=at_s, arrived_s=at_s, viewed_with=partners)


class Hooked:
    """An API that runs something before one of its calls."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self.calls: list[str] = []
        self.before: dict[tuple[str, int], Callable[[], object]] = {}

    def call(self, operation: str, body: bytes) -> bytes:
        self.calls.append(operation)
        self.before.pop((operation, self.calls.count(operation)), lambda: None)()
        return self._api.call(operation, body)

    def call_stale(self, operation: str, body: bytes) -> bytes | None:
        return self._api.call_stale(operation, body)  # type: ignore[attr-defined]


class World:
    """The table, what stands in its journal, and a projector."""

    def __init__(
        self,
        *,
        faults: FaultPolicy | None = None,
        entries_max: int = 64,
        on: World | None = None,
        projections: Sequence[Any] = PROJECTIONS,
    ) -> None:
        self.clock = ManualClock(NOON_S * 1_000)
        self.dynamodb = MemoryDynamoDB(self.clock) if on is None else on.dynamodb
        if on is None:
            self.dynamodb.create_table(TABLE, ttl_attribute="ttl")
        self.hooked = Hooked(self.dynamodb)
        api: AwsApi = self.hooked if faults is None else FaultyApi(self.hooked, faults)
        self._dependencies = Dependencies(table=DynamoTable(api, TABLE), clock=self.clock, jitter=lambda: 0.5)
        self._limits = Limits(row_ttl_s=ROW_TTL_S, entries_max=entries_max)
        self._projections = projections
        self.table = DynamoTable(self.dynamodb, TABLE)

    def write(
        self,
        lane: int,
        *effects: Effect,
        searches: Sequence[Search] = (),
        facts: Mapping[str, Facts] | None = None,
        shown: Sequence[Shown] = (),
        arrived_s: int = 0,
        declared: AllSaid = NOTHING_SAID,
        lost: bool = False,
    ) -> None:
        """Append an entry as a consumer does; the head alone, if it is lost."""
        head = self.table.get(Key(*head_key(lane)))
        last = 0 if head is None else head.version
        writes = [RowWrite(key=Key(*head_key(lane)), version=last + 1, state=b"\x90", seen_version=last)]
        if not lost:
            arrived_s = max([arrived_s, *(each.arrived_s for each in (*effects, *searches))])
            writes.append(
                RowWrite(
                    key=Key(*entry_key(lane, last + 1)),
                    version=1,
                    state=encode_entry(
                        effects, searches, statements(facts or {}), shown, arrived_s, declared
                    ),
                    expires_at_s=arrived_s + JOURNAL_TTL_S,
                    seen_version=0,
                )
            )
        assert self.table.commit(writes) is None

    def project(self, remaining_ms: Callable[[], int] = lambda: 60_000) -> Report:
        return project(self._projections, self._dependencies, self._limits, remaining_ms)

    def bodies(self, kind: str = "IT") -> dict[tuple[str, str], Any]:
        """The bodies of the derived rows, decoded."""
        return {key: body for key, (_, body) in self.derived(kind).items()}

    def derived(self, kind: str = "IT") -> dict[tuple[str, str], tuple[Mapping[int, int], Any]]:
        """The derived rows, decoded: what each holds of the lanes, and its body."""
        found = {}
        for item in self.dynamodb.items(TABLE):
            if item["pk"]["S"][0] in kind:
                derived = msgspec.msgpack.decode(base64.b64decode(item["s"]["B"]), type=Derived[Any])
                found[item["pk"]["S"], item["sk"]["S"]] = (derived.applied, derived.body)
        return found

    def marks(self, projection: str) -> Mapping[int, int]:
        row = self.table.get(Key(*watermark_key(projection)))
        return {} if row is None else decode_watermark(row.state).marks

    def row(self, pk: str, stripe: int = 0) -> Row:
        row = self.table.get(Key(pk, f"{stripe:04d}"))
        assert row is not None
        return row


def count(body: Any) -> int:
    """How often an item was viewed."""
    return int(body[0][0][VIEW])
