"""What a run promises, and the records that stand on its stream."""

from __future__ import annotations

import msgspec

from tapstack_simulation.checking.facts import Fact


class Promises(msgspec.Struct, frozen=True, kw_only=True):
    """What the run is configured with, as far as the invariants speak of it.

    Parameters
    ----------
    age_max_s
        How old an event may be on arrival and still be counted if it is not known.
    row_ttl_s
        How long a row lives after it changed.
    retention_s
        How long the stream keeps a record.
    """

    age_max_s: int
    row_ttl_s: int
    retention_s: int


class Stored:
    """A record of the stream.

    Parameters
    ----------
    fact
        The event; None if it is poison.
    data
        The payload.
    arrived_s
        When it arrived.
    age_s
        How old its event was then.
    counted_ms
        The moment its event is counted at by its account, Unix milliseconds.
    """

    __slots__ = ("age_s", "arrived_s", "counted_ms", "data", "fact", "late", "quarantined", "skipped")

    def __init__(
        self, fact: Fact | None, data: bytes, arrived_s: int, age_s: int = 0, counted_ms: int = 0
    ) -> None:
        self.fact = fact
        self.age_s = age_s
        self.counted_ms = counted_ms
        self.data = data
        self.arrived_s = arrived_s
        self.late: set[int] = set()
        self.quarantined = False
        self.skipped = ""

    @property
    def key(self) -> str:
        """Return the partition key under which it may be put again."""
        return "redriven" if self.fact is None else self.fact.pk[2:]
