"""What is said of mutants, and which are sampled; mutmut, which makes them, is not imported for that."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

TYPED = "caught by type check"
LIVING = {"survived", "no tests", "suspicious", "not checked", "skipped", "check was interrupted by user"}


def sampled(found: list[str], count: int) -> list[str]:
    """Return `count` of the names, by their hashes: one more mutant elsewhere changes the choice by one."""
    return sorted(found, key=lambda name: hashlib.sha256(name.encode()).digest())[:count]


def report(fates_by_part: dict[str, dict[str, str]]) -> Iterator[str]:
    """Return the survivors, and a table of the parts, a line each."""
    for found in fates_by_part.values():
        yield from (f"{name}: {fate}" for name, fate in found.items() if fate in LIVING)
    yield "| Part | Mutants | Killed by mypy | by tests | Survive | Score |"
    yield "|---|---|---|---|---|---|"
    for part, found in fates_by_part.items():
        fate_count = Counter(found.values())
        total, typed = fate_count.total(), fate_count[TYPED]
        living = sum(fate_count[fate] for fate in LIVING)
        tested = total - typed - living
        yield f"| {part} | {total:,} | {typed:,} | {tested:,} | {living:,} | {1 - living / total:.1%} |"
