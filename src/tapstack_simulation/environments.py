"""Execution environments of the collector's function: what each of them reads and keeps by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tapstack.collector.admission import Admission
from tapstack.collector.enrichment.consent import CATEGORIES
from tapstack.collector.enrichment.order import Enrichment
from tapstack.collector.known_sources import KnownSources
from tapstack.entrypoints.enrichment import EnrichmentSettings, enrichment_of
from tapstack.errors import Unavailable
from tapstack_simulation.guard import HASH_KEY, Guard
from tapstack_simulation.kernel import Dice, Kernel
from tapstack_simulation.observed_aws import ObservedAws

ENVIRONMENTS = 2  # at a time
UNREADABLE_MS_MAX = 8_000  # the key of pseudonyms, to an environment that begins

Enriching = Callable[[], Enrichment] | None


class Environment(NamedTuple):
    """What one of them knows: who may send, how events are enriched, and from when on it can read the key."""

    admission: Admission | None
    enrichment: Enriching
    readable_ms: int = 0


class Environments:
    """All of them; now and then one ends, and another that has read nothing yet takes its place (C8).

    Parameters
    ----------
    aws
        The services.
    guard
        Who may send, and what is made of consents and names.
    """

    def __init__(self, aws: ObservedAws, guard: Guard) -> None:
        self._aws, self._guard = aws, guard
        self._dice = Dice(aws.kernel.seed, "environments")  # apart: a seed without C8 is what it was
        self._settings = EnrichmentSettings(
            steps=frozenset(),
            consent=guard.consent,
            categories=frozenset(CATEGORIES),
            fields=guard.pseudonyms.fields,
            key="pseudonyms",
        )
        self._all = [Environment(self._admission(), self._enriching(0)) for _ in range(ENVIRONMENTS)]

    @property
    def need_key(self) -> bool:
        """Return whether something is hashed."""
        return self._settings.needs_key

    def serving(self, number: int) -> Environment:
        """Return the environment that serves a request."""
        place, now_ms = number % ENVIRONMENTS, self._aws.kernel.now_ms
        now = self._all[place]
        if self.need_key and now.readable_ms <= now_ms and self._aws.faults.decide(self._dice, "C8"):
            readable_ms = now_ms + self._dice.random.randrange(UNREADABLE_MS_MAX)
            self._all[place] = now._replace(enrichment=self._enriching(readable_ms), readable_ms=readable_ms)
        return self._all[place]

    def _admission(self) -> Admission | None:
        if not self._guard.checks_keys:
            return None
        clock = _Now(self._aws.kernel)
        return Admission(KnownSources(self._guard.read, clock), clock)

    def _enriching(self, readable_ms: int) -> Enriching:
        """Return the enrichment of an environment that cannot read the key before some time."""
        aws = self._aws

        def read_key() -> bytes:
            if aws.kernel.now_ms < readable_ms and not aws.faults.healed:
                aws.faults.count("C8")
                raise Unavailable("secretsmanager: no answer")
            return HASH_KEY

        return enrichment_of(self._settings, read_key)


class _Now:
    """The clock of an environment: that of whichever request it serves now."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def now_ms(self) -> int:
        actor = self._kernel.current
        return self._kernel.now_ms + (0 if actor is None else actor.clock_offset_ms)

    def sleep_ms(self, duration_ms: int) -> None:
        raise AssertionError(f"nothing here waits, not even {duration_ms} ms")
