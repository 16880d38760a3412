"""The designs that failed on paper fail here too: not without faults, and by those they are named for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mutants.failing_designs import COUNTED_TWICE, FAILED_DESIGNS, LOST, REDRIVEN, Mutant

ROOT = Path(__file__).parents[2]
CALM_SEEDS = 8  # `make mutants` takes more
# One of these has to be left when the schedule is shrunk.
NAMED_FOR = {
    "naive_add_per_event": {"E1", "E2", "E3"},
    "high_water_mark_per_row": {"S4"},
    "high_water_mark_stale_read": {"D8"},
    "high_water_mark_child_first": {"S3"},
    "high_water_mark_redriven": {"E15"},
    "high_water_mark_put_anew": {"O2", "O3"},
    "high_water_mark_factor_2": {"E14"},
}


def test_each_design_is_said_to_lose_or_to_count_twice() -> None:
    assert NAMED_FOR.keys() == {design.name for design in FAILED_DESIGNS}
    assert all(design.invariants in {COUNTED_TWICE, LOST} for design in FAILED_DESIGNS)
    assert all(NAMED_FOR[design.name] <= set(design.faults) for design in FAILED_DESIGNS)


@pytest.mark.slow
def test_a_record_that_counts_again_once_it_is_redriven_dies_by_that_alone() -> None:
    result = simulated(REDRIVEN)
    assert (result["invariant"], result["calm_seeds"]) == (10, CALM_SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("design", FAILED_DESIGNS, ids=[design.name for design in FAILED_DESIGNS])
def test_a_design_that_failed_on_paper_holds_without_faults_and_fails_by_its_own(design: Mutant) -> None:
    result = simulated(design)
    assert result["killed_by"] is not None, result
    assert result["calm_seeds"] == CALM_SEEDS
    assert result["invariant"] in design.invariants
    assert NAMED_FOR[design.name] & set(result["faults"])


def simulated(mutant: Mutant) -> dict[str, Any]:
    options = ["--one", mutant.name, "--calm-seeds", str(CALM_SEEDS)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutants", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src"},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result
