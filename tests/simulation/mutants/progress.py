"""Mutants by which a shard stands still on a table with few read units; each has to, by these alone."""

from __future__ import annotations

from .mutant import Mutant
from .patching import Edit

PROGRESS = (
    Mutant(
        "reads_ahead_for_ever",
        "what the next commit needs is read first when reads are slow",
        (Edit("tapstack.retry_budget", "        return self._is_calm\n", "        return True\n"),),
        faults=("D13",),
    ),
)
