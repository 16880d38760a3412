"""What the checker found, figure by figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tapstack_local.reconciliation.accepted_events import TYPES, Counters

EXAMPLES_MAX = 5


@dataclass(slots=True)
class Finding:
    """The outcome of one way to look at the tables.

    Parameters
    ----------
    name
        What was compared.
    compared
        How many figures.
    short, over
        By how many events in all they are too low, too high. A wrong amount of money counts as one
        event, unless the counts beside it are wrong already.
    examples
        The first few, for a person.
    """

    name: str
    compared: int = 0
    short: int = 0
    over: int = 0
    examples: list[str] = field(default_factory=list)

    def judge(self, where: str, actual: int, low: int, high: int, *, at_most: int | None = None) -> bool:
        """Compare one figure with the least and the most it may be.

        Parameters
        ----------
        where
            What the figure is, for a person.
        actual, low, high
            The figure and its bounds.
        at_most
            By how much a deviation counts at most; None for what it is.

        Returns
        -------
        bool
            Whether it is right.
        """
        self.compared += 1
        if low <= actual <= high:
            return True
        short, over = max(low - actual, 0), max(actual - high, 0)
        self.short += short if at_most is None else min(short, at_most)
        self.over += over if at_most is None else min(over, at_most)
        if len(self.examples) < EXAMPLES_MAX:
            expected = str(low) if low == high else f"{low} to {high}"
            self.examples.append(f"{where}: {actual} instead of {expected}")
        return False


def compare(
    finding: Finding,
    actual: Mapping[str, Counters],
    whole: Mapping[str, Counters],
    removed: Mapping[str, Counters],
    optional: Mapping[str, Counters],
    doubted: Mapping[str, Counters],
) -> None:
    """Compare counters by name.

    Parameters
    ----------
    finding
        Takes the outcome.
    actual
        What was read back.
    whole
        What was accepted.
    removed, optional
        What of it is not counted for sure, and perhaps.
    doubted
        What may be counted beside it.
    """
    nothing: Counters = {}
    for name in actual.keys() | whole.keys() | doubted.keys():
        is_, sure = actual.get(name, nothing), whole.get(name, nothing)
        less, perhaps, more = (part.get(name, nothing) for part in (removed, optional, doubted))
        if is_ == sure and not less and not perhaps:
            finding.compared += len(is_)
            continue
        counts_are_right = True
        for key in sorted(is_.keys() | sure.keys() | more.keys(), key=lambda key: isinstance(key, str)):
            high = sure.get(key, 0) - less.get(key, 0)
            low = high - perhaps.get(key, 0)
            at_most = int(counts_are_right) if isinstance(key, str) else None
            is_right = finding.judge(
                f"{name} {type_name(key)}", is_.get(key, 0), low, high + more.get(key, 0), at_most=at_most
            )
            counts_are_right &= is_right


def type_name(key: int | str) -> str:
    """Return the name of a key of counters."""
    return TYPES[key] if isinstance(key, int) and key < len(TYPES) else str(key)
