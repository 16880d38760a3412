"""One run: a seed's pipeline, faults until everybody is done, then healing, and the last checks."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from tapstack.consumer.consume import Limits
from tapstack.core.history import HistoryBounds
from tapstack.core.journal import DERIVED_TTL_MIN_S
from tapstack.core.memory import Bounds
from tapstack.dead_letters import LATE, QUARANTINE, read_all
from tapstack.projections.project import Limits as ProjectionLimits
from tapstack.retry_budget import MARGIN_MS, RESERVE_MS
from tapstack_simulation.checking.checker import Checker
from tapstack_simulation.checking.rows import Violation
from tapstack_simulation.checking.stored import Promises, Stored
from tapstack_simulation.clients import Clients, Device
from tapstack_simulation.collectors import Collectors
from tapstack_simulation.drainers import Drainers
from tapstack_simulation.event_schemas import with_schemas
from tapstack_simulation.faults import FaultSchedule, draw_swarm
from tapstack_simulation.functions import DECLARED, SEARCH_USERS_MIN, Functions
from tapstack_simulation.guard import SOURCE, Guard
from tapstack_simulation.intruders import Intruder
from tapstack_simulation.kernel import STEPS_MAX, Dice, Kernel, Stuck
from tapstack_simulation.observed_aws import RETENTION_H, TABLE, ObservedAws
from tapstack_simulation.operators.clocks import is_expired
from tapstack_simulation.operators.mappings import Mappings
from tapstack_simulation.operators.redrive import REDRIVE_MAX_S
from tapstack_simulation.operators.schedule import Operators
from tapstack_simulation.plan import (
    AGE_MAX_S,
    CROWD_SHARE,
    DAY_S,
    ROW_TTL_S,
    Plan,
    Shape,
    draw_shape,
    with_history,
)
from tapstack_simulation.projectors import Projectors
from tapstack_simulation.readers import Readers

CHAOS_US = 2 * 3_600_000_000
HEALING_US = 3 * 3_600_000_000
REDRIVEN_MAX = 40  # records at the end, twice each


class Outcome(msgspec.Struct, kw_only=True):
    """What a run did.

    Parameters
    ----------
    violation
        The invariant that broke, in words; None if all hold.
    decisions
        Every fault that was decided, by name and place: the schedule.
    devices
        The devices there were, by number.
    full_transactions
        Transactions of exactly as many rows as one may have.
    user_rows, user_rows_large
        User rows written, and those of them beyond 2 KB.
    """

    seed: int
    trace: str
    violation: str | None = None
    events: int = 0
    records: int = 0
    invocations: int = 0
    commits: int = 0
    steps: int = 0
    full_transactions: int = 0
    user_rows: int = 0
    user_rows_large: int = 0
    faults: dict[str, int] = {}
    decisions: list[str] = []
    devices: list[int] = []


def simulate(plan: Plan, log: list[str] | None = None) -> Outcome:
    """Run one seed.

    Parameters
    ----------
    plan
        What to run.
    log
        Filled with the trace, line by line, if given.
    """
    simulation = _Simulation(plan, log)
    violation = None
    try:
        simulation.run()
    except Violation as error:
        violation = str(error)
    except Stuck as error:
        violation = f"stuck: {error}"
    except Exception as error:  # noqa: BLE001 - whatever breaks is a finding, with its seed
        frame = traceback.extract_tb(error.__traceback__)[-1]
        violation = f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
    outcome = simulation.outcome(violation)
    simulation.kernel.close()
    return outcome


class _Simulation:
    def __init__(self, plan: Plan, log: list[str] | None) -> None:
        rng = _drawn(plan, "shape")
        self.plan = plan
        self.shape = shape = _shape(plan, rng)
        self.kernel = Kernel(plan.seed)
        self.kernel.log = log
        swarm = draw_swarm(rng, _drawn(plan, "swarm"), plan.profile, shape.habit)
        self.faults = FaultSchedule(self.kernel, swarm, plan.only)
        self.guard = Guard(self.kernel, rotates=not self.faults.draws("O7"))
        self.checker = Checker(_promises(shape, self.guard))
        self.aws = ObservedAws(self.kernel, self.faults, self.checker, shape.shards)
        self.functions = Functions(self.aws, _limits(plan, shape), shape.timeout_ms)
        projections = ProjectionLimits(
            row_ttl_s=max(ROW_TTL_S, DERIVED_TTL_MIN_S), entries_max=shape.entries_max
        )
        self.projectors = Projectors(self.aws, projections, shape.timeout_ms)
        self.collectors = Collectors(self.aws, shape.schemas, self.guard)
        self.drainers = Drainers(self.aws)
        self.clients = Clients(self.kernel, self.faults, self.collectors, shape.items)
        self.mappings = Mappings(self.aws, self.functions, shape)
        self.operators = Operators(
            self.aws, self.functions, self.projectors, self.collectors, self.mappings, shape
        )
        self.readers = Readers(self.aws, shape.users, shape.items, _history(shape))
        self._populate(rng)
        self.intruder = Intruder(self.kernel, self.collectors)

    def _populate(self, rng: random.Random) -> None:
        self.mappings.create()
        share = -(-self.shape.events // self.shape.devices)
        for number in range(self.shape.devices):
            user = f"user{rng.randrange(self.shape.users)}"
            is_known = self.shape.users == 1 or rng.random() < 0.7
            native = rng.random() < self.shape.native_share
            events = share if self.plan.events_max is None else min(share, self.plan.events_max)
            device = Device(
                name=f"d{number}",
                user={"user_id": user} if is_known else {"anonymous_id": user},
                native=native,
                events_left=events,
                pace_us=self.shape.pace_us,
                habit=self.shape.habit,
            )
            if self.plan.devices is None or number in self.plan.devices:
                self.clients.add(device)
        if self.faults.enabled("D9") and self.clients.devices:
            self.aws.plant_large_row()
        invocation_s = (self.shape.timeout_ms - MARGIN_MS - RESERVE_MS) / 1_000
        self.aws.limit_reads(invocation_s, self._running_count)
        self.operators.start()
        self.readers.start()

    def _running_count(self) -> int:
        return len(self.functions.running) + len(self.projectors.running)

    def run(self) -> None:
        """Run everything; raises `Violation` or `Stuck`."""
        self.kernel.run_until(self._is_chaos_over, limit_us=CHAOS_US, steps_max=STEPS_MAX)
        self._heal()
        lost = self._replay_what_was_skipped()
        self.checker.finish(self.aws.dynamodb.items(TABLE), lost)
        self._replay_all()
        self._redrive_all()
        self._read_all()
        for prefix, bucket in ((QUARANTINE, self.aws.quarantine), (LATE, self.aws.late)):
            self.checker.reread(prefix, {letter.coordinates for letter in read_all(bucket, prefix)})

    def _is_chaos_over(self) -> bool:
        done = all(device.finished for device in self.clients.devices)
        return done and self.intruder.is_done and self.operators.finished == self.operators.started

    def _heal(self) -> None:
        self.faults.healed = self.guard.is_readable = True
        self.readers.stop = self.clients.flush = True
        self.operators.heal()
        if all(mapping.state.status == "Deleted" for mapping in self.mappings.all):
            self.mappings.create()
        self._until(self._is_quiet, "the stream is not read to its end")

    def _is_quiet(self) -> bool:
        return (
            self._is_chaos_over()
            and not self.aws.ghosts
            and not self.functions.running
            and not self.collectors.running
            and self.drainers.is_idle
            and self.projectors.is_idle
            and all(mapping.is_idle for mapping in self.mappings.all)
        )

    def _until(self, finished: Callable[[], bool], complaint: str) -> None:
        if not self.kernel.run_until(finished, limit_us=HEALING_US, steps_max=STEPS_MAX):
            raise Stuck(complaint)

    def _replay_what_was_skipped(self) -> dict[tuple[str, str], None]:
        """Replay if an operator knows of records that were skipped; return what retention took."""
        if self.mappings.must_replay:
            self._replay()
        return {key: None for key in self.checker.undone() if is_expired(self.aws, key)}

    def _replay(self) -> None:
        for mapping in self.mappings.all:
            if mapping.state.status != "Deleted":
                mapping.delete()
        self.mappings.create()
        self._until(self._is_quiet, "a replay does not come to its end")

    def _replay_all(self) -> None:
        """Check that delivering everything again changes nothing (invariant 6)."""
        self._must_change_nothing(6, "replaying everything", self._replay)

    def _redrive_all(self) -> None:
        """Check that records put on the stream again, twice each, change nothing (invariant 10)."""
        if not self.faults.draws("O2"):
            return
        try:
            self._must_change_nothing(10, "redriving", self._redrive)
        except Violation as violation:
            if violation.invariant == 10:
                raise
            raise Violation(10, f"redriving broke {violation}") from violation

    def _redrive(self) -> None:
        dice = Dice(self.kernel.seed, "redrive")
        if dice.random.random() < 0.5:  # until everything is too old to be counted if no row knew it
            self.aws.pass_time((AGE_MAX_S + DAY_S // 2) * 1_000_000)
        for record in self._redrivable(dice):
            for _ in range(2):
                self.aws.put_directly(record.key, record.data)
        self._until(self._is_quiet, "a redrive does not come to its end")

    def _redrivable(self, dice: Dice) -> list[Stored]:
        """Draw from what is counted or a dead letter, and young enough to be judged by its row."""
        oldest_s = self.kernel.now_ms // 1000 - REDRIVE_MAX_S
        checker = self.checker
        found = [
            record
            for key, record in checker.records.items()
            if record.arrived_s >= oldest_s and checker.is_done(*key)
        ]
        return dice.random.sample(found, min(len(found), REDRIVEN_MAX))

    def _must_change_nothing(self, invariant: int, what: str, act: Callable[[], None]) -> None:
        checker = self.checker
        rows, applied, late = dict(checker.rows), dict(checker.applied), checker.late_events()
        act()
        # What was LATE to a row that TTL has deleted since is NEW to the one begun anew, and counts once.
        newly = [part for part in checker.applied if part not in applied]
        unexplained = [
            part for part in newly if part not in late or (part[0], "-") not in checker.deleted_rows
        ]
        if unexplained or (not newly and checker.rows != rows):
            raise Violation(invariant, f"{what} changed the tables: {unexplained[:3]}")

    def _read_all(self) -> None:
        finished: list[bool] = []

        def read(actor: object) -> None:  # noqa: ARG001 - the shape of an actor
            self.readers.check_all()
            finished.append(True)

        self.kernel.spawn("final", read)
        self._until(lambda: bool(finished), "reading does not come to its end")

    def outcome(self, violation: str | None) -> Outcome:
        """Sum up."""
        sizes = self.checker.user_row_bytes
        if self.checker.large_rows:
            self.faults.counts["D9"] += self.checker.large_rows
        return Outcome(
            seed=self.plan.seed,
            trace=self.kernel.trace_hash(),
            violation=violation,
            events=self.clients.made,
            records=len(self.checker.records),
            invocations=self.functions.invocations,
            commits=self.checker.commits,
            steps=self.kernel.steps,
            full_transactions=self.checker.full_transactions,
            user_rows=len(sizes),
            user_rows_large=sum(size > 2_048 for size in sizes),
            faults=dict(sorted(self.faults.counts.items())),
            decisions=self.faults.decisions,
            devices=[int(device.name[1:]) for device in self.clients.devices],
        )


def _drawn(plan: Plan, what: str) -> random.Random:
    """Return dice of their own for one thing, so that one more draw changes nothing else of a seed."""
    return random.Random(f"{plan.seed}/{what}")  # noqa: S311 - reproducible, not secret


def _shape(plan: Plan, rng: random.Random) -> Shape:
    shape = draw_shape(rng, is_crowd=_drawn(plan, "crowd").random() < CROWD_SHARE)
    return with_schemas(with_history(shape, _drawn(plan, "history")), _drawn(plan, "schemas"))


def _promises(shape: Shape, guard: Guard) -> Promises:
    return Promises(
        age_max_s=AGE_MAX_S,
        row_ttl_s=ROW_TTL_S,
        retention_s=RETENTION_H * 3600,
        clients=shape.clients,
        gaps=shape.gaps,
        hot_ids=shape.hot_ids,
        search_users_min=SEARCH_USERS_MIN,
        history_interactions=shape.history_interactions,
        history_days=shape.history_days,
        history_page=shape.history_page,
        source=SOURCE if guard.checks_keys else None,
        pseudonyms=guard.pseudonyms,
    )


def _limits(plan: Plan, shape: Shape) -> Limits:
    return Limits(
        lanes=shape.lanes,
        row_ttl_s=ROW_TTL_S,
        age_max_s=AGE_MAX_S,
        bounds=_bounds(shape),
        history=_history(shape),
        declared=_drawn(plan, "attributes").choice(DECLARED),
    )


def _history(shape: Shape) -> HistoryBounds:
    return HistoryBounds(
        interactions=shape.history_interactions, days=shape.history_days, page=shape.history_page
    )


def _bounds(shape: Shape) -> Bounds:
    return Bounds(
        keep_days=ROW_TTL_S // 86_400 - 2, clients=shape.clients, gaps=shape.gaps, hot_ids=shape.hot_ids
    )
