"""Categories, computed anew: what folding makes of a row, and what may be answered.

Shares no code with the product. Positions of fields are those of docs/reference/table.md. No run names as
many categories as a row holds, so each is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tapstack_simulation.checking.behaviour import Effect
from tapstack_simulation.checking.boards import TRENDS, WEIGHTS, weighed
from tapstack_simulation.checking.facts import CODES, Amounts, merge, named
from tapstack_simulation.checking.rows import WINDOWS, Change, Violation
from tapstack_simulation.checking.views import (
    NAMES,
    Answer,
    Partitions,
    alive,
    in_words,
    is_incomplete,
    spelled,
)

CATEGORIES_MAX = 128
TYPES = ("all", *(NAMES[code] for code in WEIGHTS))
LISTED = ["category", "score", "events", "counts", "value", "value_incomplete"]


def windows_of(effect: Effect) -> list[str]:
    """Return the partitions in which an effect counts, if it names a category."""
    if not any(effect.categories):
        return []
    found = [(name, effect.at_s // length_s, length_s, kept) for name, length_s, kept in WINDOWS]
    return [
        f"C#{name}#{number}"
        for name, number, length_s, kept in found
        if effect.arrived_s // length_s - kept <= number <= effect.arrived_s // length_s
    ]


def amounts_by_category(effects: Iterable[Effect]) -> Iterator[tuple[str, Amounts]]:
    """Return what effects add to categories."""
    return ((name, effect.amounts()) for effect in effects for name in effect.categories if name)


def check_categories(change: Change, effects: Iterable[Effect]) -> None:
    """Check a row of categories against the effects that were folded into it.

    Raises
    ------
    Violation
        If it is not what they make of the row before.
    """
    before, after = change.states()
    if len(after[1]) > CATEGORIES_MAX:
        raise Violation(8, f"{change.key} holds {len(after[1])} categories")
    found = list(amounts_by_category(effect for effect in effects if change.key[0] in windows_of(effect)))
    total: Amounts = {**before[0]}
    wanted: dict[str, Amounts] = {name: {**held[0]} for name, held in before[1].items()}
    for name, amounts in found:
        merge(total, named(amounts, [after[0]]))
        merge(wanted.setdefault(name, {}), named(amounts, [after[1].get(name, [{}])[0]]))
    if after != [total, {name: [amounts, 0] for name, amounts in wanted.items()}]:
        raise Violation(2, f"{change.key} holds {after}; its events make {total} and {wanted}")


class Asked(NamedTuple):
    """What is asked about categories: a window, a type, how many, when."""

    position: int
    type: str
    n: int
    now_s: int

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters."""
        return {"window": TRENDS[self.position][0], "type": self.type, "n": str(self.n)}

    @property
    def weights(self) -> Mapping[int, int]:
        """Return what an event of each type is worth."""
        return WEIGHTS if self.type == "all" else {CODES[self.type]: 1}

    @property
    def numbers(self) -> list[int]:
        """Return the sub-windows that are covered, newest first."""
        _, span, where = TRENDS[self.position]
        last = self.now_s // WINDOWS[where][1]
        return list(range(last, last - span - 1, -1))

    @property
    def covered(self) -> tuple[int, int]:
        """Return when the covered time begins and ends."""
        length_s = WINDOWS[TRENDS[self.position][2]][1]
        return self.numbers[-1] * length_s, (self.numbers[0] + 1) * length_s

    def rows(self, partitions: Partitions) -> list[tuple[int, list[Any]]]:
        """Return the rows of each sub-window."""
        name = WINDOWS[TRENDS[self.position][2]][0]
        return [(number, alive(partitions, f"C#{name}#{number}", self.now_s)) for number in self.numbers]


def categories_answer(partitions: Partitions, asked: Asked) -> Answer:
    """Return the expected list of categories once everything is folded."""
    rows = [row for _, stripes in asked.rows(partitions) for row in stripes]
    total: dict[str, Amounts] = {}
    for _, held in rows:
        for name, (amounts, _) in held.items():
            merge(total.setdefault(name, {}), amounts)
    scores = {name: weighed(_counts(amounts), asked.weights) for name, amounts in total.items()}
    ranked = sorted((name for name in total if scores[name]), key=lambda name: (-scores[name], name))
    return {
        **_head(asked),
        "events": sum(sum(_counts(whole).values()) for whole, _ in rows),
        "categories": [
            {
                "category": name,
                "score": scores[name],
                **in_words(total[name]),
                "value_incomplete": is_incomplete(total[name]),
            }
            for name in ranked[: asked.n]
        ],
        "weights": {NAMES[code]: weight for code, weight in sorted(asked.weights.items())},
        "count_error_max": 0,
        **_fresh(asked),
    }


def category_answer(partitions: Partitions, name: str, asked: Asked) -> Answer:
    """Return the expected answer about a category once everything is folded."""
    length_s = WINDOWS[TRENDS[asked.position][2]][1]
    windows: list[tuple[int, Amounts]] = []
    for number, stripes in asked.rows(partitions):
        amounts: Amounts = {}
        for _, held in stripes:
            merge(amounts, held.get(name, [{}])[0])
        windows += [(number, amounts)] if amounts else []
    whole: Amounts = {}
    for _, amounts in windows:
        merge(whole, amounts)
    return {
        "category": name,
        **_head(asked),
        **in_words(whole),
        "value_incomplete": any(is_incomplete(amounts) for _, amounts in windows),
        "windows": [
            {"start": spelled(number * length_s), **in_words(amounts)} for number, amounts in windows
        ],
        "count_error_max": 0,
        **_fresh(asked),
    }


def hold_categories(
    asked: Asked, answer: Answer, low: Mapping[str, Mapping[int, int]], high: Mapping[str, Mapping[int, int]]
) -> None:
    """Check a list while everything changes: no count is below what it vouches for, or above what there was.

    Parameters
    ----------
    asked
        The question.
    answer
        The answer.
    low, high
        What was counted of each category, by type: before the moment that the answer names, and till now.
    """
    shown = {entry["category"]: entry for entry in answer["categories"]}
    wrong = [entry for entry in answer["categories"] if list(entry) != LISTED]
    scores = [(-entry["score"], entry["category"]) for entry in answer["categories"]]
    if wrong or scores != sorted(scores) or len(scores) > asked.n or answer["count_error_max"]:
        raise Violation(11, f"categories of {asked} are shown as {answer}")
    lowest = -scores[-1][0] if len(scores) == asked.n else 0
    for name, entry in shown.items():
        counts = {CODES[kind]: count for kind, count in entry["counts"].items()}
        most, least = high.get(name, {}), low.get(name, {})
        if any(count > most.get(code, 0) for code, count in counts.items()) or any(
            counts.get(code, 0) < count for code, count in least.items()
        ):
            raise Violation(11, f"categories of {asked} say {counts} of {name}, which had {least} to {most}")
        if entry["score"] != weighed(counts, asked.weights) or entry["events"] != sum(counts.values()):
            raise Violation(11, f"categories of {asked} say {entry}")
    for name, least in low.items():
        if name not in shown and weighed(least, asked.weights) > lowest:
            raise Violation(11, f"categories of {asked} leave out {name}, which had {least}")


def as_of_s(answer: Answer) -> int:
    """Return the moment before which everything is in an answer."""
    return int(datetime.fromisoformat(answer["as_of"]).timestamp())


def _counts(amounts: Amounts) -> dict[int, int]:
    return {key: amount for key, amount in amounts.items() if isinstance(key, int)}


def _head(asked: Asked) -> Answer:
    from_s, to_s = asked.covered
    return {"window": TRENDS[asked.position][0], "from": spelled(from_s), "to": spelled(to_s)}


def _fresh(asked: Asked) -> Answer:
    return {"as_of": spelled(asked.now_s), "since": None}


def names_in(rows: Iterable[Sequence[Any]]) -> list[str]:
    """Return the categories that rows name."""
    return sorted({name for _, held in rows for name in held})
