"""What `make mutation` says of its mutants."""

from __future__ import annotations

from .__main__ import TYPED, report


def test_a_mutant_that_no_test_met_counts_as_one_that_lives() -> None:
    fates = {"a": "killed", "b": "timeout", "c": "survived", "d": "no tests", "e": TYPED}
    said = list(report({"core": fates}))
    assert said[:2] == ["c: survived", "d: no tests"]
    assert said[-1] == "| core | 5 | 1 | 2 | 2 | 60.0% |"
