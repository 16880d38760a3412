"""What `make mutation` says of its mutants, and which it takes."""

from __future__ import annotations

from .report import TYPED, report, sampled


def test_a_mutant_that_no_test_met_counts_as_one_that_lives() -> None:
    fates = {"a": "killed", "b": "timeout", "c": "survived", "d": "no tests", "e": TYPED}
    said = list(report({"core": fates}))
    assert said[:2] == ["c: survived", "d: no tests"]
    assert said[-1] == "| core | 5 | 1 | 2 | 2 | 60.0% |"


def test_a_sample_is_the_same_in_every_run_and_nearly_so_when_a_mutant_is_added() -> None:
    names = [f"mutant-{number}" for number in range(300)]
    sample = sampled(names, 100)
    assert sample == sampled(names[::-1], 100)
    assert len(set(sample)) == 100
    assert len(set(sample) - set(sampled([*names, "another"], 100))) <= 1
