"""Makes a failing run small: drops devices, events and faults for as long as the same invariant breaks."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from tapstack_simulation.plan import Plan
from tapstack_simulation.run import Outcome, simulate

RUNS_MAX = 250

Simulate = Callable[[Plan], Outcome]


class Shrunk(msgspec.Struct, frozen=True, kw_only=True):
    """A small run that fails as the large one did."""

    plan: Plan
    outcome: Outcome
    runs: int


class _Shrinker:
    def __init__(self, plan: Plan, outcome: Outcome, run: Simulate, runs_max: int) -> None:
        self.plan = plan
        self.outcome = outcome
        self.runs = 0
        self._run = run
        self._runs_max = runs_max
        self._kind = _kind(outcome)

    def try_plan(self, plan: Plan) -> bool:
        """Take a smaller plan if it fails in the same way."""
        if self.runs >= self._runs_max:
            return False
        self.runs += 1
        outcome = self._run(plan)
        if _kind(outcome) != self._kind:
            return False
        self.plan, self.outcome = plan, outcome
        return True

    def shrink_decisions(self) -> None:
        """Drop ever smaller groups of decisions."""
        size = max(1, len(self.outcome.decisions) // 2)
        while True:
            start, dropped = 0, False
            while start < len(self.outcome.decisions):
                decisions = self.outcome.decisions
                kept = frozenset(decisions[:start] + decisions[start + size :])
                if self.try_plan(replace(self.plan, only=kept)):
                    dropped = True
                else:
                    start += size
            if size == 1 and (not dropped or self.runs >= self._runs_max):
                return
            size = max(1, size // 2)

    def shrink_devices(self) -> None:
        """Drop devices, one at a time, and then events."""
        devices = self.plan.devices or tuple(self.outcome.devices)
        for device in devices:
            fewer = tuple(other for other in self.plan.devices or devices if other != device)
            if fewer:
                self.try_plan(replace(self.plan, devices=fewer))
        events = self.plan.events_max or 32
        while events > 1 and self.try_plan(replace(self.plan, events_max=events // 2)):
            events //= 2


def _kind(outcome: Outcome) -> str | None:
    return None if outcome.violation is None else outcome.violation.partition(":")[0]


def shrink(plan: Plan, outcome: Outcome, *, run: Simulate = simulate, runs_max: int = RUNS_MAX) -> Shrunk:
    """Make a failing run small.

    Parameters
    ----------
    plan
        A plan that fails.
    outcome
        How it failed.
    run
        Runs a plan.
    runs_max
        How many runs that may take.
    """
    shrinker = _Shrinker(plan, outcome, run, runs_max)
    shrinker.try_plan(replace(plan, only=frozenset(outcome.decisions)))
    shrinker.shrink_decisions()
    shrinker.shrink_devices()
    shrinker.shrink_decisions()
    return Shrunk(plan=shrinker.plan, outcome=shrinker.outcome, runs=shrinker.runs)
