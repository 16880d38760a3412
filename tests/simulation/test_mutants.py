"""The catalogue of mutants fits the product as it stands; `make mutants` kills them."""

from __future__ import annotations

import builtins
import dis
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest
from mutants.catalogue import FAILED_DESIGNS, MUTANTS, Mutant
from mutants.patching import edited

ROOT = Path(__file__).parents[2]


def test_there_are_enough_of_them_and_no_two_are_alike() -> None:
    assert len(MUTANTS) >= 25
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len(FAILED_DESIGNS) == 7


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_mutant_fits_the_product(mutant: Mutant) -> None:
    sources: dict[str, str] = {}
    for edit in mutant.edits:
        spec = importlib.util.find_spec(edit.module)
        assert spec is not None
        assert spec.origin is not None
        source = sources.get(edit.module) or Path(spec.origin).read_text()
        sources[edit.module] = edited(edit, source)
    for module, source in sources.items():
        code = compile(source, module, "exec")
        known = {*vars(builtins), *vars(importlib.import_module(module)), *code.co_names}
        assert names_looked_up(code) <= known, "it must die for what it does"


def names_looked_up(code: CodeType) -> set[str]:
    """Return the names that functions look up in the module, and further in."""
    names: set[str] = set()
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            names |= {each.argval for each in dis.get_instructions(inner) if each.opname == "LOAD_GLOBAL"}
            names |= names_looked_up(inner)
    return names


@pytest.mark.parametrize("name", ["no_version_condition", "empty_success", "acknowledges_before_kinesis"])
def test_a_mutant_is_killed(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutants", "--only", name, "--json", "--jobs", "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout) == {"mutants": 1, "killed": 1, "surviving": []}, done.stderr
