"""A table's read units: how many rows it gives just now (fault D13)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tapstack_emulator import Injection
from tapstack_emulator.faults import injection
from tapstack_simulation.kernel import Dice, Kernel

# How long unused units are kept. AWS keeps five minutes of them, which few runs would use up:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html (2026-11-27)
SAVED_S = 5
# Rows for each invocation of a role in the time that the consumer has, if it reads until it has to stop. The
# consumer's are more than an event needs, and fewer than a batch; the projector, which has more time, gets
# more than an entry touches. With less no code could move on.
ROWS_OF_AN_INVOCATION = {"consumer": (30, 200), "projector": (120, 400)}
STALE_UNITS = 0.5  # of an eventually consistent read of up to 4 KB; a consistent one takes twice as many


class ReadUnits:
    """Units that refill with time; every row is taken for a small one.

    Parameters
    ----------
    kernel
        True time.
    dice
        Draws how many there are, and which rows of a read are left.
    role
        Who reads.
    invocation_s
        How long an invocation may read.
    running
        Returns how many invocations run: the table scales with them.
    """

    def __init__(
        self, kernel: Kernel, dice: Dice, role: str, invocation_s: float, running: Callable[[], int]
    ) -> None:
        self._kernel = kernel
        self._dice = dice
        self._running = running
        self._units_per_s = STALE_UNITS * dice.random.uniform(*ROWS_OF_AN_INVOCATION[role]) / invocation_s
        self._units = SAVED_S * self._units_per_s
        self._at_us = kernel.now_us

    def limit(self, operation: str, body: bytes) -> Injection | None:
        """Return which rows of a read are left for later; None if there are units for all of them."""
        self._refill()
        asked = injection.entry_count(operation, body)
        units_a_row = STALE_UNITS * (2 if _is_consistent(body) else 1)
        given = min(asked, int(self._units / units_a_row))
        self._units -= given * units_a_row
        if given == asked:
            return None
        if not given:
            return Injection("throttle")
        return Injection("unprocessed", tuple(self._dice.random.sample(range(asked), asked - given)))

    def _refill(self) -> None:
        passed_s = (self._kernel.now_us - self._at_us) / 1_000_000
        self._at_us = self._kernel.now_us
        units_per_s = self._units_per_s * max(1, self._running())
        self._units = min(self._units + passed_s * units_per_s, SAVED_S * units_per_s)


def _is_consistent(body: bytes) -> bool:
    tables = msgspec.json.decode(body)["RequestItems"]
    return any(asked.get("ConsistentRead", False) for asked in tables.values())
