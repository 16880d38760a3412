"""Seeds: those that once found something first, then a few hundred others in blocks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tapstack_simulation import Outcome, Plan, simulate
from tapstack_simulation.faults import FAULTS, UNSUPPORTED

BLOCK = 15
FOUND = [
    line.split(maxsplit=2)
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def hold(plan: Plan) -> Outcome:
    outcome = simulate(plan)
    assert outcome.violation is None, f"{outcome.violation}\n{plan.command()}"
    return outcome


@pytest.mark.parametrize(("profile", "seed", "what"), FOUND, ids=[f"{p}-{s}" for p, s, _ in FOUND])
def test_what_was_found_once_stays_repaired(profile: str, seed: str, what: str) -> None:
    hold(Plan(seed=int(seed), profile=profile))


@pytest.mark.parametrize("block", range(8))
def test_nothing_is_lost_and_nothing_counts_twice(block: int) -> None:
    outcomes = [hold(Plan(seed=seed)) for seed in range(block * BLOCK, (block + 1) * BLOCK)]
    assert sum(outcome.events for outcome in outcomes) >= 80 * BLOCK
    assert sum(sum(outcome.faults.values()) for outcome in outcomes) >= 10 * BLOCK


@pytest.mark.parametrize("block", range(2))
def test_nothing_is_lost_when_nearly_everything_fails_at_once(block: int) -> None:
    reached: set[str] = set()
    for seed in range(block * 6, block * 6 + 6):
        reached |= hold(Plan(seed=seed, profile="storm")).faults.keys()
    assert reached <= FAULTS.keys() - UNSUPPORTED.keys()
    assert len(reached) > 25


def test_without_faults_there_are_none() -> None:
    for seed in range(5):
        faults = hold(Plan(seed=seed, profile="calm")).faults
        assert faults.keys() <= {"D5", "E5", "E6"}, faults  # parallel commits meet without anybody's help


def test_the_same_seed_is_the_same_run() -> None:
    first, second, other = simulate(Plan(seed=1)), simulate(Plan(seed=1)), simulate(Plan(seed=2))
    assert first == second
    assert first.trace != other.trace


def test_a_run_depends_on_no_hash() -> None:
    program = "from tapstack_simulation import *; print([simulate(Plan(seed=s)).trace for s in range(4)])"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "12345")
    }
    assert said == {str([simulate(Plan(seed=seed)).trace for seed in range(4)])}
