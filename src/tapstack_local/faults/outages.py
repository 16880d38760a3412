"""Outages: many calls in a row fail, so that retries do not help."""

from __future__ import annotations

import random

from tapstack_emulator.faults.policy import Call, Fault, FaultPolicy, Injection

CALLS_MIN, CALLS_MAX = 10, 60  # of an outage; a request tries five times


class Outages:
    """A `tapstack_emulator.FaultPolicy` whose calls now and then fail in a row.

    Parameters
    ----------
    policy
        What happens otherwise.
    fault
        How a call fails in an outage.
    rate
        The probability that a call begins one.
    seed
        The same seed and the same calls give the same outages.

    Attributes
    ----------
    is_forced : bool
        Whether every call fails just now.
    """

    def __init__(self, policy: FaultPolicy, fault: Fault, rate: float, seed: str) -> None:
        self._policy = policy
        self._fault = fault
        self._rate = rate
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._left = 0
        self.is_forced = False

    def choose(self, call: Call) -> Injection:
        """Return what happens to a call."""
        if self.is_forced:
            return Injection(self._fault)
        if not self._left and self._random.random() < self._rate:
            self._left = self._random.randint(CALLS_MIN, CALLS_MAX)
        if not self._left:
            return self._policy.choose(call)
        self._left -= 1
        return Injection(self._fault)
