"""Exhaustive small scope: two users, three events, every point before and after every effect, two zombies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import greenlet
import msgspec
import pytest

from tapstack.aws.dynamodb import DynamoTable
from tapstack.consumer.consume import Dependencies, Limits, consume
from tapstack.consumer.journal_lag import JournalLag
from tapstack.consumer.records import StreamRecord
from tapstack.core.journal import DERIVED_TTL_MIN_S
from tapstack.dead_letters import decode
from tapstack.projections import project as projection
from tapstack.projections._projection import Projection
from tapstack.projections.catalogue import PROJECTIONS
from tapstack.projections.items import Items
from tapstack.projections.leaderboards import Leaderboards
from tapstack_emulator import Crash
from tapstack_simulation.checking.checker import Checker
from tapstack_simulation.checking.facts import Name, native_name, opaque_name
from tapstack_simulation.checking.stored import Promises
from tapstack_simulation.faults import FaultSchedule, Swarm
from tapstack_simulation.kernel import START_US, Kernel
from tapstack_simulation.observed_aws import STREAM, TABLE, ObservedAws

DAY_S = 86_400
NOW_S = START_US // 1_000_000
AGE_MAX_S, TTL_S = 14 * DAY_S, 30 * DAY_S
POISON = b"not an event"
CLIENT = "019b76da-a800-7c10-9500-fb0de834a1bc"


def event(user: str, name: str, kind: str = "item_view", item: str = "p", at: str = "2025-12-31") -> bytes:
    body = {
        "event_type": kind,
        "user_id": user,
        "event_id": name,
        "items": [{"item_id": item, "price": 2.5}],
        "occurred_at": f"{at}T12:00:00.000000Z",
        "received_at": "2026-01-01T00:00:00.000000Z",
        "clock_skew_ms": 0,
        "schema": "clickstream/1",
    }
    return msgspec.json.encode(body)


def numbered(user: str, n: int) -> bytes:
    body = msgspec.json.decode(event(user, ""))
    del body["event_id"]
    return msgspec.json.encode({**body, "client_id": CLIENT, "n": n})


def long(user: str, name: str, kind: str = "item_list_view", items: int = 90) -> bytes:
    """An event of many items, in one transaction."""
    body = msgspec.json.decode(event(user, name, kind))
    return msgspec.json.encode({**body, "items": [{"item_id": f"p{number}"} for number in range(items)]})


def user_of(data: bytes) -> str:
    return "a" if data == POISON else str(msgspec.json.decode(data)["user_id"])


def name_of(event: dict[str, Any]) -> Name:
    return native_name(CLIENT, event["n"]) if "n" in event else opaque_name(event["event_id"])


# What the stream holds; with the verdicts that a first delivery gives.
SCENARIOS = {
    "two users, one item": [event("a", "1"), event("b", "2"), event("a", "3", "purchase")],
    "one user, three items": [
        event("a", "1", item="p"),
        event("a", "2", item="q"),
        event("a", "3", item="r"),
    ],
    "a duplicate in the batch": [event("a", "1"), event("b", "2"), event("a", "1")],
    "one too late": [event("a", "1"), event("a", "2", at="2025-11-01"), event("b", "3")],
    "one poison": [event("a", "1"), POISON, event("b", "3")],
    "numbered, out of order, one again": [numbered("a", 1), numbered("a", 0), numbered("a", 1)],
    "one of many items": [event("a", "1"), long("a", "2")],
    "two that fill pages of history": [long("a", "1", "share", 36), long("a", "2", "share", 16)],
}


class Puppet:
    """An invocation that goes on to the next point when told to; a point is before or after an effect.

    The consumer's, or the projector's if there are projections.
    """

    def __init__(self, scope: Scope, projections: Sequence[Projection[Any, Any]] = ()) -> None:
        self._act = partial(scope.project, projections) if projections else scope.deliver
        self.ended = False
        self.passed = 0
        self._scope = scope
        self._dying = False
        self._green = greenlet.greenlet(self._run)

    def go(self, points: int) -> None:
        """Pass so many points, or end before."""
        for _ in range(points):
            if self.ended:
                return
            self._green.switch()
            self.passed += not self.ended

    def finish(self) -> None:
        while not self.ended:
            self.go(1)

    def die(self) -> None:
        self._dying = True
        while not self.ended:
            self._green.switch()

    def _point(self) -> None:
        greenlet.getcurrent().parent.switch()
        if self._dying:
            raise Crash("died")

    def call(self, operation: str, body: bytes) -> bytes:
        self._point()
        try:
            return self._scope.aws.table_api.call(operation, body)
        finally:
            if not self._dying:
                self._point()

    def put(self, key: str, body: bytes) -> None:
        self._point()
        for letter in decode(body):
            self._scope.checker.kept(key.partition("/")[0], letter.coordinates, letter.data)
        self._point()

    def _run(self) -> None:
        try:
            self._point()
            self._act(self)
        except Crash:
            pass
        finally:
            self.ended = True


class Scope:
    """A stream of three records, a table, and any number of invocations."""

    def __init__(self, records: list[bytes]) -> None:
        kernel = Kernel(0)
        self.checker = Checker(Promises(age_max_s=AGE_MAX_S, row_ttl_s=TTL_S, retention_s=7 * DAY_S))
        self.checker.expect_poison(POISON)
        self.aws = ObservedAws(kernel, FaultSchedule(kernel, Swarm({}), None), self.checker, 1)
        for data in records:
            if data != POISON:
                self._announce(msgspec.json.decode(data))
            self.aws.put_directly(user_of(data), data)
        self.batch = [
            StreamRecord(
                shard_id="shardId-000000000000",
                sequence_number=record.sequence_number,
                data=record.data,
                arrived_at_s=NOW_S,
            )
            for record in self.aws.kinesis.records(STREAM)
        ]

        self._lag = JournalLag()
        self.aws.batches[""] = [(record.shard_id, record.sequence_number) for record in self.batch]

    def _announce(self, event: dict[str, Any]) -> None:
        said = {
            key: value
            for key, value in event.items()
            if key not in {"received_at", "clock_skew_ms", "schema"}
        }
        self.checker.collected.said(f"U#{event['user_id']}", name_of(event), msgspec.json.encode(said))

    def deliver(self, puppet: Puppet) -> None:
        world = Dependencies(
            table=DynamoTable(puppet, TABLE),
            lag=self._lag,
            quarantine=puppet,
            late=puppet,
            clock=Still(),
            jitter=lambda: 0.0,
        )
        limits = Limits(lanes=2, row_ttl_s=TTL_S, age_max_s=AGE_MAX_S)
        report = consume(self.batch, world, limits, lambda: 60_000)
        assert report.resume_from is None, report.reason
        self.checker.responded(self.batch[0].shard_id, [record.sequence_number for record in self.batch])

    def project(self, projections: Sequence[Projection[Any, Any]], puppet: Puppet) -> None:
        dependencies = projection.Dependencies(
            table=DynamoTable(puppet, TABLE), clock=Still(), jitter=lambda: 0.0
        )
        limits = projection.Limits(row_ttl_s=DERIVED_TTL_MIN_S)
        report = projection.project(projections, dependencies, limits, lambda: 60_000)
        assert report.entries_left == 0

    def check(self) -> None:
        Puppet(self, PROJECTIONS).finish()
        assert self.checker.journal.is_folded()
        self.checker.finish(self.aws.dynamodb.items(TABLE), {})
        before = dict(self.checker.rows)
        Puppet(self).finish()
        Puppet(self, PROJECTIONS).finish()
        assert self.checker.rows == before, "one more delivery changed the tables"


class Still:
    def now_ms(self) -> int:
        return NOW_S * 1000

    def sleep_ms(self, duration_ms: int) -> None: ...


def points_of(records: list[bytes]) -> int:
    puppet = Puppet(Scope(records))
    puppet.finish()
    return puppet.passed


def points_of_projecting(
    records: list[bytes], projections: Sequence[Projection[Any, Any]] = PROJECTIONS
) -> int:
    scope = Scope(records)
    Puppet(scope).finish()
    puppet = Puppet(scope, projections)
    puppet.finish()
    return puppet.passed


def stops(count: int) -> range:
    """Return where to stop among so many points: before each effect, and at the end.

    After an effect and before the next one nothing happens that others could see.
    """
    return range(0, count + 2, 2)


Schedule = Callable[[Scope], None]


def two_zombies(records: list[bytes]) -> Iterator[Schedule]:
    """Stop two invocations anywhere, deliver once more, then let the zombies end in either order."""
    count = points_of(records)
    for first, second, swapped in itertools.product(range(count + 1), range(count + 1), (False, True)):

        def run(scope: Scope, first: int = first, second: int = second, swapped: bool = swapped) -> None:
            zombies = [Puppet(scope), Puppet(scope)]
            zombies[0].go(first)
            zombies[1].go(second)
            Puppet(scope).finish()
            for zombie in reversed(zombies) if swapped else zombies:
                zombie.finish()

        yield run


def two_crashes(records: list[bytes]) -> Iterator[Schedule]:
    """Let two invocations die anywhere, one after the other, then deliver once more."""
    count = points_of(records)
    for first, second in itertools.product(range(count + 1), range(count + 1)):

        def run(scope: Scope, first: int = first, second: int = second) -> None:
            for points in (first, second):
                puppet = Puppet(scope)
                puppet.go(points)
                puppet.die()
            Puppet(scope).finish()

        yield run


def interleaved(records: list[bytes]) -> Iterator[Schedule]:
    """Let two invocations take turns in every way that changes hands at most three times."""
    count = points_of(records)
    for cuts in itertools.product(range(0, count + 1, 1), range(1, count + 1, 2), range(1, count + 1, 2)):

        def run(scope: Scope, cuts: tuple[int, ...] = cuts) -> None:
            puppets = [Puppet(scope), Puppet(scope)]
            for turn, points in enumerate(cuts):
                puppets[turn % 2].go(points)
            for puppet in puppets:
                puppet.finish()

        yield run


def two_who_project(records: list[bytes]) -> Iterator[Schedule]:
    """Let two projections stop anywhere, or one die there, and end them in either order."""
    count = points_of_projecting(records)
    for first, second, dies in itertools.product(stops(count), stops(count), (False, True)):

        def run(scope: Scope, first: int = first, second: int = second, dies: bool = dies) -> None:
            Puppet(scope).finish()
            puppets = [Puppet(scope, PROJECTIONS), Puppet(scope, PROJECTIONS)]
            puppets[0].go(first)
            puppets[1].go(second)
            if dies:
                puppets[0].die()
            for puppet in reversed(puppets):
                puppet.finish()

        yield run


def projecting_meanwhile(records: list[bytes]) -> Iterator[Schedule]:
    """Stop an invocation and a projection anywhere, deliver and project once more, then end both."""
    consuming, projecting = points_of(records), points_of_projecting(records)
    for first, second in itertools.product(range(consuming + 1), stops(projecting)):

        def run(scope: Scope, first: int = first, second: int = second) -> None:
            consumer, projector = Puppet(scope), Puppet(scope, PROJECTIONS)
            consumer.go(first)
            projector.go(second)
            for puppet in (Puppet(scope), Puppet(scope, PROJECTIONS), projector, consumer):
                puppet.finish()

        yield run


BOARDS = (Items(), Leaderboards())


def boards_meanwhile(records: list[bytes]) -> Iterator[Schedule]:
    """Stop a projection of items and boards anywhere, count more, stop another one anywhere; rows are there.

    Then the first one dies, or it ends before the other one, or after it: it knows less, and must not undo
    what the other one wrote.
    """
    count = points_of_projecting(records, BOARDS) - 4  # two watermarks have begun
    for first, second, end in itertools.product(stops(count), stops(count), ("dies", "first", "last")):

        def run(scope: Scope, first: int = first, second: int = second, end: str = end) -> None:
            whole = scope.batch
            puppets = [Puppet(scope, BOARDS), Puppet(scope, BOARDS)]
            for known, puppet, points in (
                (1, Puppet(scope, BOARDS), 99),
                (2, puppets[0], first),
                (3, puppets[1], second),
            ):
                scope.batch = whole[:known]
                Puppet(scope).finish()
                puppet.go(points)
            if end == "dies":
                puppets[0].die()
            for puppet in puppets if end == "first" else reversed(puppets):
                puppet.finish()

        yield run


PROJECTED = ("two users, one item", "one user, three items")


@pytest.mark.parametrize("schedules", [two_who_project, projecting_meanwhile, boards_meanwhile])
@pytest.mark.parametrize("scenario", PROJECTED)
def test_no_point_of_a_projection_folds_twice_or_never(
    scenario: str, schedules: Callable[[list[bytes]], Iterator[Schedule]]
) -> None:
    count = 0
    for schedule in schedules(SCENARIOS[scenario]):
        scope = Scope(SCENARIOS[scenario])
        schedule(scope)
        scope.check()
        count += 1
    assert count > 100


@pytest.mark.parametrize("schedules", [two_zombies, two_crashes, interleaved])
@pytest.mark.parametrize("records", SCENARIOS.values(), ids=SCENARIOS)
def test_no_point_to_die_or_to_linger_at_counts_twice_or_loses(
    records: list[bytes], schedules: Callable[[list[bytes]], Iterator[Schedule]]
) -> None:
    count = 0
    for schedule in schedules(records):
        scope = Scope(records)
        schedule(scope)
        scope.check()
        count += 1
    assert count > 30


def test_the_scenarios_have_every_verdict() -> None:
    seen = set()
    for records in SCENARIOS.values():
        scope = Scope(records)
        Puppet(scope).finish()
        for record in scope.checker.records.values():
            if record.fact is None:
                seen.add("quarantined")
            elif record.is_late:
                seen.add("late")
            else:
                seen.add("duplicate" if len(record.fact.arrivals_s) > 1 else "new")
    assert seen == {"new", "duplicate", "late", "quarantined"}
