"""Many seeds on several processes, added up."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from types import FrameType
from typing import NoReturn

import msgspec
from msgspec.structs import replace

from tapstack_simulation.faults import FAULTS, UNSUPPORTED
from tapstack_simulation.plan import Plan
from tapstack_simulation.run import Outcome, simulate

BLOCK_SEEDS = 4  # simulated by a process at a time: some hundreds of milliseconds
PROGRESS_EVERY_S = 0.5
FAILURES_KEPT_MAX = 20


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A run in which an invariant broke.

    Parameters
    ----------
    violation
        The invariant, in words.
    command
        What runs it again.
    schedule
        Every fault that was decided, by name and place.
    """

    seed: int
    violation: str
    command: str
    schedule: list[str]


class CampaignResult(msgspec.Struct, kw_only=True):
    """What a campaign did.

    Parameters
    ----------
    seeds
        Runs.
    violations
        Runs in which an invariant broke.
    events
        Events that clients made.
    faults
        How often each fault really happened.
    unreached
        Supported faults that never happened.
    wall_s
        How long it took.
    unsupported
        Faults whose feature does not exist, and why.
    failures
        The failed runs, the first few of them by seed.
    unmatched
        Devices and decisions that the template names and no run had.
    records, commits, invocations
        Records on the stream, transactions that took effect, invocations of the consumer.
    full_transactions
        Transactions of exactly as many rows as one may have: a count that is off by one shows in these alone.
    user_rows_beyond_2kb
        Share of written user rows larger than 2 KB.
    """

    seeds: int = 0
    violations: int = 0
    events: int = 0
    faults: dict[str, int] = {}
    unreached: list[str] = []
    wall_s: float = 0.0
    unsupported: dict[str, str] = msgspec.field(default_factory=lambda: dict(UNSUPPORTED))
    failures: list[Failure] = []
    unmatched: list[str] = []
    records: int = 0
    commits: int = 0
    full_transactions: int = 0
    invocations: int = 0
    user_rows_beyond_2kb: float = 0.0

    def json(self) -> str:
        """Write it as one line."""
        return msgspec.json.encode(replace(self, wall_s=round(self.wall_s, 2))).decode()


def run_simulations(
    seeds: int,
    *,
    first_seed: int = 0,
    jobs: int = 1,
    profile: str = "swarm",
    progress: Callable[[CampaignResult], None] | None = None,
    template: Plan | None = None,
) -> CampaignResult:
    """Simulate many seeds.

    Parameters
    ----------
    seeds
        How many.
    first_seed
        Where to begin.
    jobs
        Processes.
    profile
        See `tapstack_simulation.plan.Plan`.
    progress
        Called with what is known so far: at once, and then about twice a second.
    template
        What every plan takes away, if anything; its seed and profile are not used.
    """
    began_s = time.monotonic()
    base = template or Plan(seed=0)
    plans = [replace(base, seed=seed, profile=profile) for seed in range(first_seed, first_seed + seeds)]
    result = CampaignResult(unmatched=named(base))
    sizes = [0, 0]
    failures: list[Failure] = []
    if progress is not None:
        progress(result)
    for outcomes in _blocks(plans, jobs):
        for outcome in outcomes:
            _add(result, outcome, sizes)
            result.unmatched = unmatched(result.unmatched, outcome)
            if outcome.violation is not None:
                failures.append(_failure(plans[outcome.seed - first_seed], outcome, outcome.violation))
        # Which process finished first is not to be seen.
        failures.sort(key=lambda failure: failure.seed)
        result.violations, result.failures = len(failures), failures[:FAILURES_KEPT_MAX]
        result.faults = {name: result.faults[name] for name in FAULTS if name in result.faults}
        result.wall_s = time.monotonic() - began_s
        result.unreached = unreached(result.faults)
        result.user_rows_beyond_2kb = sizes[1] / max(1, sizes[0])
        if progress is not None:
            progress(result)
    return result


def unreached(faults: dict[str, int]) -> list[str]:
    """List the supported faults that never happened."""
    return [name for name in FAULTS if name not in UNSUPPORTED and not faults.get(name)]


def named(plan: Plan) -> list[str]:
    """List the devices and decisions that a plan names."""
    return [*(f"device {number}" for number in plan.devices or ()), *sorted(plan.only or ())]


def unmatched(names: list[str], outcome: Outcome) -> list[str]:
    """Return which of the names a run did not have."""
    if not names:
        return names
    had = {*outcome.decisions, *(f"device {number}" for number in outcome.devices)}
    return [name for name in names if name not in had]


def _failure(plan: Plan, outcome: Outcome, violation: str) -> Failure:
    return Failure(
        seed=plan.seed, violation=violation, command=plan.command(), schedule=list(outcome.decisions)
    )


def _blocks(plans: list[Plan], jobs: int) -> Iterator[list[Outcome]]:
    """Run plans and yield their outcomes as they come; nothing, now and then, while none does."""
    if jobs == 1:
        yield from ([simulate(plan)] for plan in plans)
        return
    size = min(BLOCK_SEEDS, -(-len(plans) // jobs))
    blocks = (plans[start : start + size] for start in range(0, len(plans), size))
    # Not forked: the child must not depend on what this process has loaded or is holding.
    context = multiprocessing.get_context("spawn")
    before = signal.signal(signal.SIGTERM, _end)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker) as pool:
        try:
            running = {pool.submit(_simulate_block, block) for block in islice(blocks, 2 * jobs)}
            while running:
                done, running = wait(running, PROGRESS_EVERY_S, FIRST_COMPLETED)
                running |= {pool.submit(_simulate_block, block) for block in islice(blocks, len(done))}
                yield [outcome for future in done for outcome in future.result()]
        except BaseException:  # Ctrl-C above all: without this the pool would finish its blocks first
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.terminate()
                worker.join()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End as an exception does, so that the workers end too."""
    sys.exit(128 + number)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    gc.freeze()  # what is imported lives to the end: a twelfth of the time


def _simulate_block(plans: list[Plan]) -> list[Outcome]:
    return [simulate(plan) for plan in plans]


def _add(result: CampaignResult, outcome: Outcome, sizes: list[int]) -> None:
    result.seeds += 1
    result.events += outcome.events
    result.records += outcome.records
    result.commits += outcome.commits
    result.full_transactions += outcome.full_transactions
    result.invocations += outcome.invocations
    for name, count in outcome.faults.items():
        result.faults[name] = result.faults.get(name, 0) + count
    sizes[0] += outcome.user_rows
    sizes[1] += outcome.user_rows_large
