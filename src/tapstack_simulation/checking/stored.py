"""What a run promises, and the records that stand on its stream."""

from __future__ import annotations

import msgspec

from tapstack_simulation.checking.facts import Fact
from tapstack_simulation.checking.pseudonyms import Pseudonyms


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
    clients, gaps, hot_ids
        How much a user's row remembers, before ids go to pages.
    search_users_min
        How many different users there must have been before a search term is stored as it is.
    history_interactions, history_days
        Which of a user's interactions are kept: so many of the newest, none older than that.
    history_page
        How many wait for a page.
    source
        What each event carries as its source; None if write keys are not checked.
    pseudonyms
        Which fields are stored as pseudonyms.
    """

    age_max_s: int
    row_ttl_s: int
    retention_s: int
    clients: int = 16
    gaps: int = 64
    hot_ids: int = 64
    search_users_min: int = 5
    history_interactions: int = 500
    history_days: int = 90
    history_page: int = 16
    source: str | None = None
    pseudonyms: Pseudonyms = Pseudonyms()

    def age_s(self, arrived_s: int, born_s: int, received_s: int) -> int:
        """Return how old an event is on arrival: while it was spilled it does not age, within bounds."""
        waited_s = max(0, arrived_s - received_s)
        waited_max_s = max(0, self.row_ttl_s - self.age_max_s - 8 * 86_400)
        return max(waited_s, arrived_s - born_s - min(waited_s, waited_max_s))


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
        When its event is counted by its account, Unix milliseconds.
    received_s
        When the collector had it.
    """

    __slots__ = (
        "age_s", "arrived_s", "counted_ms", "data", "fact", "is_late", "quarantined", "received_s", "skipped",
    )  # fmt: skip

    def __init__(
        self,
        fact: Fact | None,
        data: bytes,
        arrived_s: int,
        age_s: int = 0,
        counted_ms: int = 0,
        received_s: int = 0,
    ) -> None:
        self.received_s = received_s
        self.fact = fact
        self.age_s = age_s
        self.counted_ms = counted_ms
        self.data = data
        self.arrived_s = arrived_s
        self.is_late = False
        self.quarantined = False
        self.skipped = ""

    @property
    def key(self) -> str:
        """Return the partition key under which it may be put again."""
        return "redriven" if self.fact is None else self.fact.pk[2:]
