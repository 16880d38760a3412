"""Actions on time: days pass, retention ends, clocks of machines are wrong."""

from __future__ import annotations

from tapstack_simulation.collectors import Collectors
from tapstack_simulation.functions import Functions
from tapstack_simulation.kernel import DAY_US, Actor
from tapstack_simulation.observed_aws import RETENTION_H, ObservedAws
from tapstack_simulation.operators.mappings import Mappings
from tapstack_simulation.plan import Shape
from tapstack_simulation.projectors import Projectors

ENTRY_DAYS = 30  # how long the journal keeps an entry


class Clocks:
    """Actions on time.

    Parameters
    ----------
    aws, functions, projectors, collectors, mappings
        Whose time it is.
    shape
        The run's sizes.
    """

    def __init__(
        self,
        aws: ObservedAws,
        functions: Functions,
        projectors: Projectors,
        collectors: Collectors,
        mappings: Mappings,
        shape: Shape,
    ) -> None:
        self._aws, self._functions, self._collectors = aws, functions, collectors
        self._projectors = projectors
        self._mappings, self._shape = mappings, shape

    def skip_days(self, actor: Actor) -> None:
        """Let days pass, without expiring a record that is still needed (C3)."""
        days = actor.random.choice((0.1, 1.0, 3.0, 8.0, 20.0, 31.0, 40.0))
        if self._shape.habit == "seldom":
            days = max(days, 31.0)
        for _ in range(20):
            if days <= self._days_left():
                break
            self._aws.kernel.sleep(actor.random.randrange(2_000_000))
        else:
            days = min(days, self._days_left())
        if days > 0:
            self._pass_days(days)
            self._aws.faults.count("C3")

    def _days_left(self) -> float:
        """Return how many days may pass before a record or an entry that is still needed expires."""
        checker, days = self._aws.checker, self._days_left_of_entries()
        if waiting := checker.undone():
            oldest_s = min(checker.records[key].arrived_s for key in waiting)
            days = min(days, RETENTION_H / 24 - 1 - self._days_since(oldest_s))
        return days

    def _days_left_of_entries(self) -> float:
        """Return how many days may pass before an entry expires that is not folded."""
        unfolded_s = self._aws.checker.journal.oldest_unfolded_s()
        if unfolded_s is None:
            return 60.0
        return ENTRY_DAYS - 1 - self._days_since(unfolded_s)  # alarms rang for weeks by then

    def _days_since(self, time_s: int) -> float:
        return (self._aws.kernel.now_ms / 1000 - time_s) / 86_400

    def _pass_days(self, days: float) -> None:
        """Let days pass; nothing that is running survives them."""
        self._functions.end_all()
        self._projectors.end_all()
        self._collectors.end_all()
        self._aws.pass_time(int(days * DAY_US))

    def stall(self, actor: Actor) -> None:
        """Stop every mapping until the waiting records have expired (S5), if no entry does before."""
        for mapping in self._mappings.all:
            mapping.disable()
        self._aws.kernel.sleep(actor.random.randrange(4_000_000))
        days = RETENTION_H / 24 + 1
        if days <= self._days_left_of_entries():
            self._pass_days(days)
        if any(is_expired(self._aws, key) for key in self._aws.checker.undone()):
            self._aws.faults.count("S5")
        for mapping in self._mappings.all:
            mapping.enable()

    def jump(self, actor: Actor) -> None:
        """Set the clocks of all collectors, or of all functions, to another time (O7)."""
        offset_ms = actor.random.choice((-3_600_000, -5_000, 5_000, 7_200_000))
        if actor.random.random() < 0.5:
            self._collectors.clock_offset_ms = offset_ms
            running = self._collectors.running
        else:
            self._functions.clock_offset_ms = self._projectors.clock_offset_ms = offset_ms
            running = self._functions.running | self._projectors.running
        for other in running.values():
            other.clock_offset_ms = offset_ms
        self._aws.faults.count("O7")

    def heal(self) -> None:
        """Set the clocks of everything that starts from now on to the true time."""
        for part in (self._collectors, self._functions, self._projectors):
            part.clock_offset_ms = 0


def is_expired(aws: ObservedAws, key: tuple[str, str]) -> bool:
    """Return whether retention has ended for a record."""
    arrived_s = aws.checker.records[key].arrived_s
    return arrived_s < aws.kernel.now_ms // 1000 - RETENTION_H * 3600 + 1
