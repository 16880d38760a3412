"""A consumer on a table and buckets in memory, and what its rows must hold in the end.

`expected` folds the distinct events by brute force: it shares the events' types with the product and
nothing else.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from event_strategies import NOON_S, stream_event_dict
from tapstack.aws.dynamodb import DynamoTable
from tapstack.consumer.consume import Dependencies, Limits, Report, consume
from tapstack.consumer.journal_lag import JournalLag
from tapstack.consumer.records import StreamRecord
from tapstack.core.events import EVENT_TYPES, Event, decode_event
from tapstack.core.history import HISTORY_PREFIX
from tapstack.core.links import USER_PREFIX, VISITOR_PREFIX
from tapstack.core.memory import PAGE_PREFIX
from tapstack.core.ranking import BOARD_PLACES
from tapstack.core.rows import BOARD_ROWS, ITEM_ROWS, decode_user
from tapstack.dead_letters import LATE, QUARANTINE, DeadLetter, read_all
from tapstack.ports import AwsApi
from tapstack.projections import project as projection
from tapstack.projections.catalogue import projections_of
from tapstack_emulator import Crash, FaultPolicy, FaultyApi, ManualClock, MemoryBucket, MemoryDynamoDB

TABLE = "behaviour"
DAY_S = 86_400
LIMITS = Limits(lanes=3, row_ttl_s=30 * DAY_S, age_max_s=20 * DAY_S)
SHARD = "shardId-000000000000"
BESIDE = (PAGE_PREFIX, HISTORY_PREFIX, VISITOR_PREFIX, USER_PREFIX)  # sort keys of rows beside a user's
INTERESTING = {"item_view", "item_click", "cart_add", "wishlist_add", "purchase", "share"}


def record(number: int, data: bytes | Event | dict[str, Any], arrived_at_s: int = NOON_S) -> StreamRecord:
    """The record with sequence number `number`."""
    if isinstance(data, dict):
        data = msgspec.json.encode(stream_event_dict(**data))
    elif isinstance(data, Event):
        data = msgspec.json.encode(data)
    return StreamRecord(
        shard_id=SHARD, sequence_number=f"4959{number:052d}", data=data, arrived_at_s=arrived_at_s
    )


def view(number: int, **changes: Any) -> StreamRecord:
    """The record of an event a minute before noon, an `item_view` if nothing else is said."""
    event = {"event_id": f"e-{number}", "occurred_at": "2026-03-10T11:59:00Z", **changes}
    return record(number, event)


NATIVE = {"client_id": "01890a5d-ac96-774b-bcce-b302099a8057", "n": 5}
VIEWS = [view(n, user_id=f"user-{n % 7}", items=[{"item_id": f"i{n % 11}"}]) for n in range(30)]


class Watched:
    """DynamoDB that checks every transaction against AWS's limits, and can be interrupted."""

    def __init__(self, api: AwsApi) -> None:
        self._api = api
        self.transactions: list[list[tuple[str, str]]] = []
        self.reads: list[list[tuple[str, str]]] = []
        self.state_bytes: list[int] = []
        self.before_transaction: dict[int, Callable[[], object]] = {}

    def call(self, operation: str, body: bytes) -> bytes:
        if operation == "BatchGetItem":
            keys = msgspec.json.decode(body)["RequestItems"][TABLE]["Keys"]
            self.reads.append([(key["pk"]["S"], key["sk"]["S"]) for key in keys])
        if operation == "TransactWriteItems":
            items = [entry["Put"]["Item"] for entry in msgspec.json.decode(body)["TransactItems"]]
            keys = [(item["pk"]["S"], item["sk"]["S"]) for item in items]
            assert 1 <= len(keys) <= 100
            assert len(set(keys)) == len(keys)
            assert len(body) < 4 * 1024 * 1024
            self.transactions.append(keys)
            self.state_bytes.append(sum(len(base64.b64decode(item["s"]["B"])) for item in items))
            self.before_transaction.pop(len(self.transactions), lambda: None)()
        return self._api.call(operation, body)

    def call_stale(self, operation: str, body: bytes) -> bytes | None:
        return self._api.call_stale(operation, body)  # type: ignore[attr-defined]


class Pipeline:
    """Everything around `consume`; fresh for each example."""

    def __init__(
        self,
        *,
        faults: FaultPolicy | None = None,
        bucket_faults: FaultPolicy | None = None,
        limits: Limits = LIMITS,
        seed: int = 0,
        on_table_of: Pipeline | None = None,
    ) -> None:
        self.clock = ManualClock(NOON_S * 1_000)
        if on_table_of is None:
            self.dynamodb = MemoryDynamoDB(self.clock, seed=seed)
            self.dynamodb.create_table(TABLE, ttl_attribute="ttl")
        else:
            self.dynamodb = on_table_of.dynamodb
        self.watched = Watched(self.dynamodb)
        self.quarantine = MemoryBucket(bucket_faults)
        self.late = MemoryBucket(bucket_faults)
        api: AwsApi = self.watched if faults is None else FaultyApi(self.watched, faults, seed=seed)
        self.limits = limits
        self.world = Dependencies(
            table=DynamoTable(api, TABLE),
            lag=JournalLag(),
            quarantine=self.quarantine,
            late=self.late,
            clock=self.clock,
            jitter=lambda: 0.5,
        )

    def run(
        self, records: Sequence[StreamRecord], remaining_ms: Callable[[], int] = lambda: 60_000
    ) -> Report:
        return consume(records, self.world, self.limits, remaining_ms)

    def letters(self, prefix: str) -> list[DeadLetter]:
        """The dead letters of a bucket, each once, read without its faults."""
        bucket = MemoryBucket()
        bucket.objects = {LATE: self.late, QUARANTINE: self.quarantine}[prefix].objects
        return list(read_all(bucket, prefix))

    def project(self) -> None:
        """Fold the journal into the derived rows, without faults."""
        dependencies = projection.Dependencies(
            table=DynamoTable(self.dynamodb, TABLE), clock=self.clock, jitter=lambda: 0.5
        )
        limits = projection.Limits(row_ttl_s=self.limits.row_ttl_s)
        projections = projections_of(self.limits.declared.definitions)
        report = projection.project(projections, dependencies, limits, lambda: 60_000)
        assert report.entries_left == 0

    def rows(self) -> dict[tuple[str, str], Any]:
        """The state of every user's row and derived row, the journal being folded; not of those beside."""
        self.project()
        return {
            (item["pk"]["S"], item["sk"]["S"]): _decoded(item["pk"]["S"], item["s"]["B"])
            for item in self.dynamodb.items(TABLE)
            if item["pk"]["S"][0] in "UAIT" and not item["sk"]["S"].startswith(BESIDE)
        }


def _decoded(pk: str, state: str) -> Any:
    data = msgspec.convert(state, bytes)
    if pk[0] in "UA":
        return decode_user(data)
    return ITEM_ROWS.body(data) if pk[0] == "I" else BOARD_ROWS.body(data)


def counts(pipeline: Pipeline) -> dict[str, Counter[tuple[str, str]]]:
    """What the rows count, stripes added: by user and type, by item and type, by board and item."""
    found: dict[str, Counter[tuple[str, str]]] = {"users": Counter(), "items": Counter(), "boards": Counter()}
    for (pk, _), state in pipeline.rows().items():
        if pk[0] in "UA":
            found["users"].update(
                {(pk, EVENT_TYPES[k]): n for k, n in state.counters.items() if isinstance(k, int)}
            )
        elif pk[0] == "I":
            lifetime = state.counters.lifetime
            found["items"].update(
                {(pk, EVENT_TYPES[k]): n for k, n in lifetime.items() if isinstance(k, int)}
            )
        else:
            counts = {
                item_id: sum(n for ages in series.values() for n in ages.values())
                for item_id, series in state.items.items()
            }
            found["boards"].update({(pk, item_id): n for item_id, n in counts.items()})
    return found


def expected(records: Iterable[StreamRecord]) -> dict[str, Counter[tuple[str, str]]]:
    """Fold the distinct events of records that arrive at noon, none of them old."""
    found: dict[str, Counter[tuple[str, str]]] = {"users": Counter(), "items": Counter(), "boards": Counter()}
    seen = set()
    for each in records:
        event = decode_event(each.data)
        owner = f"A#{event.anonymous_id}" if event.user_id is None else f"U#{event.user_id}"
        name = (owner, event.event_id) if event.client_id is None else (owner, event.client_id, event.n)
        if name in seen:
            continue
        seen.add(name)
        found["users"][owner, event.event_type] += 1
        at_s = min(int(event.occurred_at.timestamp()), NOON_S)
        for item in event.items:
            found["items"][f"I#{item.item_id}", event.event_type] += 1
            if event.event_type in INTERESTING:
                for window, length_s, kept in (("5m", 300, 12), ("1h", 3_600, 24), ("1d", 86_400, 7)):
                    if at_s // length_s >= NOON_S // length_s - kept:
                        found["boards"][f"T#{window}", item.item_id] += 1
    return found


def counted(pipeline: Pipeline, records: Sequence[StreamRecord]) -> None:
    """Check that the rows count what `expected` does."""
    found, truth = counts(pipeline), expected(records)
    sizes = Counter(board for board, _ in truth["boards"])
    if any(size > BOARD_PLACES for size in sizes.values()):  # which of the equal ones stay is not our matter
        assert found.pop("boards") <= truth.pop("boards")
    assert found == truth


def drain(pipeline: Pipeline, records: Sequence[StreamRecord], runs_max: int = 200) -> Report:
    """Redeliver from where the consumer says until it is done, as the event source mapping does."""
    left = list(records)
    for _ in range(runs_max):
        try:
            report = pipeline.run(left)
        except Crash:
            continue
        if report.resume_from is None:
            return report
        numbers = [each.sequence_number for each in left]
        left = left[numbers.index(report.resume_from) :]
    raise AssertionError("never done")
