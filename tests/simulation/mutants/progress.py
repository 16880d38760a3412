"""Mutants by which a shard stands still on a table with few read units; each has to, by these alone."""

from __future__ import annotations

from .mutant import ROW_CACHE, Mutant
from .patching import Edit

PATIENCE = "tapstack.retry_budget"


def _slowed(name: str, guard: str, module: str, old: str, new: str) -> Mutant:
    return Mutant(name, guard, (Edit(module, old, new),), faults=("D13",))


PROGRESS = (
    _slowed(
        "reads_ahead_for_ever",
        "what the next commit needs is read first when reads are slow",
        PATIENCE,
        "        return self._is_calm\n",
        "        return True\n",
    ),
    _slowed(
        "served_in_part_is_a_failure",
        "a read that is served in part is an advance",
        ROW_CACHE,
        "            failures = 0  # a table",
        "            failures += bool(left)  # a throttled",
    ),
)
