"""How long an invocation of the consumer or the projector goes on trying."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tapstack.core.backoff import backoff_ms
from tapstack.errors import Unavailable
from tapstack.ports import Clock

T = TypeVar("T")


class OutOfTime(Unavailable):
    """The invocation is about to be cut off: what it did stays, and the rest is for the next one."""


ATTEMPTS_MAX = 10  # of one request; the mapping redelivers afterwards, with its own backoff
MARGIN_MS = (
    8_000  # left to answer Lambda in: a call that never connects or answers (3 s each), and two spare seconds
)

RESERVE_MS = (
    6_000  # beside the margin, once dead letters wait: the last call before they are stored may take that
)

CALM_MS = 3_000  # an invocation that takes longer is throttled; a batch of 1,000 takes 0.2 s


class RetryBudget:
    """Backs off between attempts, and gives up before the invocation would be cut off.

    Parameters
    ----------
    clock
        Time to wait in.
    jitter
        Gives random numbers, ``0 <= x < 1``.
    remaining_ms
        Returns how long the invocation may still run.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float], remaining_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._jitter = jitter
        self._remaining_ms = remaining_ms
        self._began_ms = clock.now_ms()
        self._is_calm = True
        self._margin_ms = MARGIN_MS

    def reserve(self) -> None:
        """Stop earlier from now on: there is something to store before the invocation ends."""
        self._margin_ms = MARGIN_MS + RESERVE_MS

    def release(self) -> None:
        """Use what is reserved."""
        self._margin_ms = MARGIN_MS

    def is_calm(self) -> bool:
        """Return whether there is time for work that is not needed yet; once it is over, it stays over."""
        self._is_calm = self._is_calm and self._clock.now_ms() - self._began_ms < CALM_MS
        return self._is_calm

    def check(self) -> None:
        """Refuse to begin what might not end in time.

        Raises
        ------
        Unavailable
            If the invocation is about to be cut off.
        """
        if self._remaining_ms() < self._margin_ms:
            raise OutOfTime("the invocation's time is nearly over")

    def pause(self, attempt: int, reason: Unavailable, failures: int | None = None) -> None:
        """Wait before the next attempt, the longer the more there were.

        Parameters
        ----------
        attempt
            0 after the first one.
        reason
            Why; raised again when the budget is spent.
        failures
            How many attempts in a row brought nothing before this one; all of them if not given.

        Raises
        ------
        Unavailable
            `reason`, after `ATTEMPTS_MAX` failures in a row or when time is nearly over.
        """
        if (attempt if failures is None else failures) + 1 >= ATTEMPTS_MAX:
            raise reason
        wait_ms = backoff_ms(attempt, self._jitter())
        if self._remaining_ms() - wait_ms < self._margin_ms:
            raise reason
        self._clock.sleep_ms(wait_ms)


def retried(budget: RetryBudget, act: Callable[[], T]) -> T:
    """Do what may be refused, again and again while the budget lasts.

    Raises
    ------
    Unavailable
        The last refusal, when the budget is spent.
    """
    attempt = 0
    while True:
        budget.check()
        try:
            return act()
        except Unavailable as error:
            budget.pause(attempt, error)
            attempt += 1
