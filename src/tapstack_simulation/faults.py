"""The faults by name, how often a run draws each, and what really happened.

The names are used wherever faults are injected or counted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tapstack_simulation.kernel import Dice, Kernel

FAULTS: Mapping[str, str] = {
    "C1": "PutRecords: entries refused, throttled, 500, timeout before or after the records were stored",
    "C2": "the collector dies before or after PutRecords or its answer; the client hangs up",
    "C3": "a client is offline for days, resends, has a wrong clock, several tabs, a lost counter",
    "C4": "a poison record: not JSON, wrong schema, empty, aggregated, near 1 MiB, more than 6 MB of them",
    "C5": "a hot key: every entry of it is refused for a while",
    "C6": "Kinesis takes no records for a while, longer than the collector waits",
    "C7": "no bucket takes objects for a while, the spill bucket among them",
    "C8": "another environment of the collector begins, and cannot read the key of pseudonyms for a while",
    "S1": "the stream stores the entries of one PutRecords in another order",
    "S2": "a record stands on the stream twice, adjacent or days apart",
    "S3": "split, merge, UpdateShardCount, mode switch; children read before their parents",
    "S4": "records spread over shards without regard to their key (AUTO distribution)",
    "S5": "retention ends while the mapping stalls: the gap must show",
    "E1": "an invocation dies before or after a call, or is cut off by its timeout",
    "E2": "the answer of a successful invocation is lost",
    "E3": "a zombie: the invocation goes on while its batch is delivered again",
    "E4": "an acknowledged batch is delivered once more",
    "E5": "a retry holds other records than before",
    "E6": "a failed batch is bisected",
    "E7": "a partial answer, at any position",
    "E8": "an answer with a bad or unknown identifier",
    "E9": "null, {} and the like instead of an empty list of failures",
    "E10": "invocations are throttled",
    "E11": "the mapping is disabled and enabled",
    "E12": "the mapping is created anew at TRIM_HORIZON, AT_TIMESTAMP or LATEST",
    "E13": "two mappings read the stream at once",
    "E14": "ParallelizationFactor changes",
    "E15": "the mapping gives records up; to a destination that may fail itself",
    "E16": "expired iterators, empty pages, throttled reads",
    "D1": "DynamoDB throttles, before or inside a transaction, or some statements of a batch",
    "D2": "a server error, with and without the write applied",
    "D3": "a timeout, with the write applied before, later, or never",
    "D4": "another transaction holds rows",
    "D5": "rows changed since they were read",
    "D6": "a transaction is cancelled for several reasons at once",
    "D7": "UnprocessedKeys",
    "D8": "stale reads, as old as the table remembers",
    "D9": "a row near 400 KB",
    "D10": "TTL deletes expired rows at any moment",
    "D11": "deletion of a user races a retry",
    "D12": "the same request arrives again after more than ten minutes",
    "D13": "the table has few read units, to the end: reads are served in part, or not at all",
    "P1": "the projector is invoked twice, or beside another invocation",
    "P2": "the projector is invoked late",
    "P3": "a later release of the projector runs, is taken back for a while, and comes again",
    "W1": "the drainer is invoked twice, or beside another run",
    "W2": "the drainer is invoked late",
    "O1": "deployment in the middle of a batch, with another number of lanes",
    "O2": "failed batches and quarantined records are sent again, twice",
    "O3": "the same while the mapping runs",
    "O4": "everything retained is replayed",
    "O5": "the tables are rebuilt from the archive",
    "O6": "permissions or keys are lost for a while",
    "O7": "clocks of machines jump",
    "R1": "the insights API reads during all of it",
}

UNSUPPORTED: Mapping[str, str] = {
    "D11": "there is no erasure of a user yet: nothing in the product deletes a row",
    "O5": "nothing reads the raw archive back yet",
}


class CallFault(NamedTuple):
    """A fault of one call: its name, and how it is carried out."""

    name: str
    kind: str


# role -> operation ("" is any other) -> (name, kind, share of the name's rate)
_Menu = tuple[tuple[str, str, float], ...]
_TABLE: _Menu = (
    ("D1", "throttle", 0.5),
    ("D1", "throttle_api", 0.5),
    ("D2", "internal_error", 0.5),
    ("D3", "lost_request", 0.4),
    ("E1", "crash_before", 0.3),
    ("E1", "crash_after", 0.5),
    ("E1", "delay", 0.2),
)
_READ: _Menu = (*_TABLE, ("D7", "unprocessed", 1.0), ("D8", "stale_read", 1.0))
_WRITE: _Menu = (
    *_TABLE,
    ("D2", "internal_error_applied", 0.5),
    ("D3", "lost_response", 0.6),
    ("D3", "late_effect", 0.4),
    ("D12", "repeat", 1.0),
)
_TRANSACT: _Menu = (
    *_WRITE,
    ("D1", "throttle_transaction", 0.5),
    ("D4", "transaction_conflict", 1.0),
    ("D6", "mixed_reasons", 1.0),
)
_BUCKET: _Menu = (
    ("D1", "throttle", 1.0),
    ("D2", "internal_error", 0.5),
    ("D2", "internal_error_applied", 0.5),
    ("D3", "lost_request", 0.5),
    ("D3", "lost_response", 0.5),
    ("E1", "crash_before", 0.5),
    ("E1", "crash_after", 0.5),
)
_PUT: _Menu = (
    ("C1", "partial_put", 0.3),
    ("C1", "throttle", 0.1),
    ("C1", "throttle_api", 0.1),
    ("C1", "internal_error", 0.1),
    ("C1", "internal_error_applied", 0.1),
    ("C1", "lost_request", 0.1),
    ("C1", "lost_response", 0.2),
    ("C1", "late_effect", 0.1),
    ("C2", "crash_before", 0.5),
    ("C2", "crash_after", 0.5),
)
_FETCH: _Menu = (("E16", "throttle", 0.3), ("E16", "internal_error", 0.2))
_PAGE: _Menu = (*_FETCH, ("E16", "expired_iterator", 0.3), ("E16", "empty_page", 0.3))
MENUS: Mapping[tuple[str, str], _Menu] = {
    ("consumer", "BatchGetItem"): _READ,
    ("consumer", "Query"): (*_TABLE, ("D8", "stale_read", 1.0)),
    ("consumer", "TransactWriteItems"): _TRANSACT,
    ("projector", "BatchGetItem"): _READ,
    ("projector", "Query"): (*_TABLE, ("D8", "stale_read", 1.0)),
    ("projector", "PutItem"): _WRITE,
    ("projector", "BatchExecuteStatement"): (*_WRITE, ("D1", "unprocessed", 1.0)),
    ("bucket", "PutObject"): _BUCKET,
    ("collector", "PutRecords"): _PUT,
    ("drainer", "PutRecords"): _PUT,
    ("drainer", "ListObjectsV2"): _BUCKET,
    ("drainer", "GetObject"): _BUCKET,
    ("drainer", "DeleteObject"): _BUCKET,
    ("mapping", "GetRecords"): _PAGE,
    ("mapping", "GetShardIterator"): _FETCH,
    ("mapping", "ListShards"): _FETCH,
    ("reader", "Query"): (("R1", "stale_read", 0.6), ("R1", "throttle", 0.2), ("R1", "lost_request", 0.2)),
}

# How likely each fault is where it may happen, if the run draws it at all: (low, high).
RATES: Mapping[str, tuple[float, float]] = {
    "C1": (0.02, 0.4), "C2": (0.02, 0.25), "C3": (0.1, 0.6), "C4": (0.02, 0.2),
    "C5": (0.05, 0.3), "S1": (1, 1), "S2": (0.02, 0.3), "S3": (1, 1), "S4": (1, 1), "S5": (1, 1),
    "E1": (0.01, 0.12), "E2": (0.03, 0.3), "E3": (0.05, 0.4), "E4": (0.03, 0.25), "E5": (1, 1), "E6": (1, 1),
    "E7": (0.03, 0.2), "E8": (0.02, 0.15), "E9": (0.1, 1), "E10": (0.03, 0.3), "E11": (1, 1), "E12": (1, 1),
    "E13": (1, 1), "E14": (1, 1), "E15": (1, 1), "E16": (0.02, 0.2), "D1": (0.01, 0.2), "D2": (0.01, 0.12),
    "D3": (0.01, 0.12), "D4": (0.01, 0.2), "D5": (1, 1), "D6": (0.01, 0.15), "D7": (0.02, 0.3),
    "D8": (0.05, 0.9), "D9": (1, 1), "D10": (0.02, 0.5), "D12": (0.01, 0.1), "O1": (1, 1), "O2": (1, 1),
    "O3": (1, 1), "O4": (1, 1), "O6": (1, 1), "O7": (0.05, 0.5), "R1": (0.1, 0.5),
    "D13": (1, 1), "P1": (0.05, 0.5), "P2": (0.05, 0.5), "P3": (0.01, 0.1),
    "C6": (1, 1), "C7": (1, 1), "C8": (0.02, 0.3), "W1": (0.05, 0.5), "W2": (0.05, 0.5),
}  # fmt: skip
RARE: Mapping[str, float] = {
    "D9": 0.02,
    "S5": 0.15,
    "E15": 0.25,
    "S4": 0.2,
    "C5": 0.35,
    "D13": 0.15,
}  # else RUN_SHARE
APART = frozenset({"C8"})  # drawn by dice of their own, so that a seed has of the others what it had without
RUN_SHARE = {"calm": 0.0, "swarm": 0.5, "storm": 1.0}


class Swarm(msgspec.Struct, frozen=True):
    """The faults a run draws, with their rates; those not named never happen."""

    rates: dict[str, float]

    def __contains__(self, name: str) -> bool:
        return name in self.rates


# What a run is about that has rows expire: time, deletions, and readers who still see what was deleted.
EXPIRY = {"C3": 0.2, "D8": 0.6, "D10": 0.3}


def draw_swarm(rng: random.Random, apart: random.Random, profile: str, habit: str = "") -> Swarm:
    """Choose the subset and the weights of a run; those of `APART` by the second dice."""
    share = RUN_SHARE[profile]
    rates: dict[str, float] = {}
    for name, (low, high) in RATES.items():
        dice = apart if name in APART else rng
        chosen, level = dice.random(), dice.random()
        if chosen < min(share, RARE.get(name, 1.0) if profile == "swarm" else 1.0):
            rates[name] = low + (high - low) * level * level
    if habit == "seldom" and rates:
        rates |= {name: rate for name, rate in EXPIRY.items() if name in RATES}
    return Swarm(rates)


class FaultSchedule:
    """Decides at each occasion whether a fault happens, and keeps what did.

    Parameters
    ----------
    kernel
        Names the moment.
    swarm
        The run's faults.
    allow
        If given, only these decisions happen: how a schedule is shrunk.
    """

    def __init__(self, kernel: Kernel, swarm: Swarm, allow: frozenset[str] | None) -> None:
        self.counts: Counter[str] = Counter()
        self.decisions: list[str] = []
        self.healed = False
        self._kernel = kernel
        self._swarm = swarm
        self._allow = allow
        self._menus = {place: _weighted(menu, swarm) for place, menu in MENUS.items()}

    def count(self, name: str) -> None:
        """Note that a fault really happened."""
        self.counts[name] += 1
        self._kernel.trace(name)

    def draws(self, name: str) -> bool:
        """Return whether the run draws this fault, now or before it healed."""
        return name in self._swarm

    def enabled(self, name: str) -> bool:
        """Return whether the run draws this fault, and is not healed."""
        return name in self._swarm and not self.healed

    def decide(self, actor: Dice, name: str, rate: float | None = None, *, note: str = "") -> bool:
        """Draw whether a fault happens here; the caller counts it once it has."""
        actor.drawn += 1
        usual = self._swarm.rates.get(name)
        drawn = actor.random.random()
        if usual is None or self.healed or drawn >= (usual if rate is None else rate):
            return False
        return self._admit(f"{actor.name}#{actor.drawn}:{name}{note}")

    def of_call(self, actor: Dice, role: str, operation: str) -> CallFault | None:
        """Draw the fault of a call, if any."""
        actor.drawn += 1
        drawn = actor.random.random()
        if self.healed:
            return None
        for limit, fault in self._menus.get((role, operation), ()):
            if drawn < limit:
                key = f"{actor.name}#{actor.drawn}:{fault.name}:{fault.kind}"
                return fault if self._admit(key) else None
        return None

    def _admit(self, key: str) -> bool:
        if self._allow is not None and key not in self._allow:
            return False
        self.decisions.append(key)
        return True


def _weighted(menu: _Menu, swarm: Swarm) -> tuple[tuple[float, CallFault], ...]:
    limit, weighted = 0.0, []
    for name, kind, share in menu:
        rate = swarm.rates.get(name, 0.0) * share
        if rate:
            limit += rate
            weighted.append((limit, CallFault(name, kind)))
    if limit > 0.9:  # some calls must succeed
        weighted = [(edge * 0.9 / limit, fault) for edge, fault in weighted]
    return tuple(weighted)
