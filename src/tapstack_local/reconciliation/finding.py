"""What the checker found, figure by figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tapstack_local.reconciliation.accepted_events import TYPES
from tapstack_local.reconciliation.counters import TAKEN, Counters, Names, bounds, pooled

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
        The first few, as examples.
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
            What the figure is, in words.
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
        expected = str(low) if low == high else f"{low} to {high}"
        self.give_example(f"{where}: {actual} instead of {expected}")
        return False

    def give_example(self, text: str) -> None:
        """Keep an example, if there are few yet."""
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(text)


def compare(
    finding: Finding,
    actual: Mapping[str, Counters],
    folds: Sequence[Mapping[str, Counters]],
    names: Mapping[str, Names],
) -> None:
    """Compare counters by name.

    Parameters
    ----------
    finding
        Takes the outcome.
    actual
        What was read back.
    folds
        What was accepted; what of it is certainly not counted; what of it may not be; what may be counted
        beside it.
    names
        The currencies that full counters have by name, where there are any (`counters.certain_names`).
    """
    whole, removed, optional, doubted = folds
    nothing: Counters = {}
    for name in actual.keys() | whole.keys() | doubted.keys():
        is_, sure = actual.get(name, nothing), whole.get(name, nothing)
        parts = [part.get(name, nothing) for part in (removed, optional, doubted)]
        if is_ == sure and not parts[0] and not parts[1]:
            finding.compared += len(is_)
            continue
        if name in names:
            is_, sure, *parts = (pooled(counters, names[name]) for counters in (is_, sure, *parts))
        counts_are_right = True
        keys = {key.removeprefix(TAKEN) if isinstance(key, str) else key for key in sure | parts[2]}
        for key in sorted(is_.keys() | keys, key=lambda key: isinstance(key, str)):
            at_most = int(counts_are_right) if isinstance(key, str) else None
            counts_are_right &= finding.judge(
                f"{name} {type_name(key)}", is_.get(key, 0), *bounds(key, sure, *parts), at_most=at_most
            )


def type_name(key: int | str) -> str:
    """Return the name of a key of counters."""
    return TYPES[key] if isinstance(key, int) and key < len(TYPES) else str(key)
