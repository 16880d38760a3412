"""What the API may answer about trends: worked out from the journal, and once all is quiet from the boards.

Shares no code with the product. Answers are those of docs/reference/insights-api.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tapstack_simulation.checking.boards import (
    EVICTED,
    ITEMS,
    NEWEST,
    PLACES,
    TRENDS,
    WEIGHTS,
    Series,
    bound,
    rankings,
    step,
    weighed,
)
from tapstack_simulation.checking.facts import CODES, INTEREST
from tapstack_simulation.checking.item_facts import ANY, Wanted
from tapstack_simulation.checking.journal import Journal
from tapstack_simulation.checking.recommendations import matches
from tapstack_simulation.checking.rows import EMPTY_BOARD, WINDOWS, Image, Key, Violation
from tapstack_simulation.checking.views import NAMES, Answer, Partitions, alive, spelled

FIELDS = ["window", "from", "to", "items", "weights", "count_error_max", "as_of", "since"]
TYPES = ("all", *(NAMES[code] for code in WEIGHTS))


class Asked(NamedTuple):
    """What is asked.

    Parameters
    ----------
    position
        Of the trend in `TRENDS`.
    type
        One of `TYPES`.
    n
        How many items.
    now_s
        When.
    wanted
        What items must be.
    """

    position: int
    type: str
    n: int
    now_s: int
    wanted: Wanted = ANY

    @property
    def query(self) -> dict[str, str]:
        """Return the parameters."""
        of_trend = {"window": TRENDS[self.position][0], "type": self.type, "n": str(self.n)}
        return {**of_trend, **self.wanted.query}

    @property
    def weights(self) -> Mapping[int, int]:
        """Return what an event of each type adds to a score."""
        return WEIGHTS if self.type == "all" else {CODES[self.type]: 1}

    @property
    def length_s(self) -> int:
        """Return the length of the sub-windows."""
        return WINDOWS[TRENDS[self.position][2]][1]

    def first_s(self, last: int) -> int:
        """Return the first second that is covered, by the number of the last sub-window."""
        return (last - TRENDS[self.position][1]) * self.length_s


def hold_trends(asked: Asked, answer: Answer, journal: Journal, now_ms: int) -> None:
    """Check an answer against all that was counted: no score is wrong by more than it says.

    Parameters
    ----------
    asked
        The question.
    answer
        The answer.
    journal
        What was counted, and when.
    now_ms
        When the answer came.
    """
    length_s = asked.length_s
    to_s, as_of_s = _seconds(answer["to"]), _seconds(answer["as_of"])
    last = to_s // length_s - 1
    from_s = asked.first_s(last)
    told = (list(answer), answer["window"], answer["from"], answer["weights"], answer["since"])
    if told != (FIELDS, TRENDS[asked.position][0], spelled(from_s), _named(asked.weights), None):
        raise Violation(11, f"trends of {asked} are shown as {answer}")
    # Something may have arrived meanwhile.
    is_present = asked.now_s // length_s <= last <= now_ms // 1000 // length_s and to_s % length_s == 0
    if as_of_s > asked.now_s or not is_present:
        raise Violation(11, f"trends of {asked} are shown up to {answer['to']}, as of {answer['as_of']}")
    low = journal.interest(from_s, to_s, as_of_s * 1000)
    high = journal.interest(from_s, to_s, now_ms + 1)
    shown = _shown(asked, answer)
    for item_id, counts in shown.items():
        most = high.get(item_id, Counter())
        if any(count > most[code] for code, count in counts.items()):
            raise Violation(11, f"trends of {asked} say {counts} for {item_id}, which had {most}")
    _hold_error(asked, answer, low, shown)
    if (
        len(journal.interest(0, to_s + 10**9, now_ms + 1)) <= min(PLACES.values())
        and answer["count_error_max"]
    ):
        raise Violation(11, f"trends of {asked} may be wrong by {answer['count_error_max']} of so few items")


def _shown(asked: Asked, answer: Answer) -> dict[str, dict[int, int]]:
    """Return the counts of the items that are listed, in the order that they must have."""
    entries = answer["items"]
    shown = {
        entry["item_id"]: {CODES[name]: count for name, count in entry["counts"].items()} for entry in entries
    }
    wanted = [
        {"item_id": item_id, "score": weighed(counts, asked.weights), "counts": _named(counts)}
        for item_id, counts in shown.items()
    ]
    wanted.sort(key=lambda entry: (-int(entry["score"]), entry["item_id"]))
    if entries != wanted or len(entries) > asked.n or any(entry["score"] < 1 for entry in entries):
        raise Violation(11, f"trends of {asked} are not in order, or more than {asked.n}: {entries}")
    return shown


def _hold_error(
    asked: Asked, answer: Answer, low: Mapping[str, Mapping[int, int]], shown: Mapping[str, Mapping[int, int]]
) -> None:
    entries, error = answer["items"], answer["count_error_max"]
    lowest = entries[-1]["score"] if len(entries) == asked.n else 0
    scores = {entry["item_id"]: entry["score"] for entry in entries}
    for item_id, counts in low.items():
        least = weighed(counts, asked.weights)
        if least > scores.get(item_id, lowest) + error:
            said = f"{scores[item_id]} for {item_id}" if item_id in shown else f"nothing of {item_id}"
            raise Violation(
                11,
                f"trends of {asked} say {said}, which had {least}; the lowest is {lowest}, the error {error}",
            )


def trending_answer(partitions: Partitions, asked: Asked) -> Answer:
    """Return the expected answer once everything is folded, from the boards."""
    name, span, position = TRENDS[asked.position]
    sub, length_s, _ = WINDOWS[position]
    boards = alive(partitions, f"T#{sub}", asked.now_s)
    last = max([asked.now_s // length_s, *(board[NEWEST] for board in boards)])
    counts: dict[str, dict[int, int]] = {}
    open_: dict[str, int] = {}  # by how much a score may be too low
    bounds = [bound(board, board[NEWEST] - last + span, asked.weights) for board in boards]
    for board in boards:
        for item_id, series in board[ITEMS].items():
            if not matches(partitions, item_id, asked.now_s, asked.wanted):
                continue
            found = rankings(series, board[NEWEST] - last + span)
            for code, count in found.items():
                if code in INTEREST:
                    held = counts.setdefault(item_id, {})
                    held[code] = held.get(code, 0) + count
    for item_id in counts:
        open_[item_id] = sum(
            most for board, most in zip(boards, bounds, strict=True) if item_id not in board[ITEMS]
        )
    scores = {item_id: weighed(held, asked.weights) for item_id, held in counts.items()}
    ranked = sorted((-score, item_id) for item_id, score in scores.items() if score)
    listed = [item_id for _, item_id in ranked[: asked.n]]
    lowest = scores[listed[-1]] if len(listed) == asked.n else 0
    errors = [0, sum(bounds) - lowest, *(open_[item_id] for item_id in listed)]
    errors += [scores[item_id] + open_[item_id] - lowest for _, item_id in ranked[asked.n :]]
    return {
        "window": name,
        "from": spelled((last - span) * length_s),
        "to": spelled((last + 1) * length_s),
        "items": [
            {"item_id": item_id, "score": scores[item_id], "counts": _named(counts[item_id])}
            for item_id in listed
        ],
        "weights": _named(asked.weights),
        "count_error_max": max(errors),
        "as_of": spelled(asked.now_s),
        "since": None,
    }


def check_boards(rows: Mapping[Key, Image], now_s: int) -> None:
    """Check that boards show items as their rows have them, and bound those that they have no place for.

    A board expires weeks after its last change, long before items do. So one that is missing must have had
    nothing that a trend covers now.

    Raises
    ------
    Violation
        If they differ.
    """
    for (pk, stripe), image in rows.items():
        if pk[0] != "I":
            continue
        for (name, length_s, kept), windows in zip(WINDOWS, image.state[0][1], strict=True):
            found = rows.get((f"T#{name}", stripe))
            board: Any = EMPTY_BOARD if found is None else found.state
            newest = now_s // length_s if found is None else board[NEWEST]
            oldest = max(newest, image.state[0][2] // length_s) - kept
            wanted = _series(windows, board[NEWEST], oldest)
            shown = board[ITEMS].get(pk[2:])
            if shown is None:
                _check_absent(f"{pk} of {stripe}, {name}", wanted, board)
            elif wanted != _cut(shown, board[NEWEST] - oldest):
                raise Violation(11, f"T#{name} {stripe} shows {shown} of {pk}; its row has {wanted}")


def _series(windows: Mapping[int, Mapping[Any, int]], newest: int, oldest: int) -> Series:
    series: dict[int, dict[int, int]] = {}
    for number, amounts in windows.items():
        for code in INTEREST & amounts.keys() if number >= oldest else ():
            series.setdefault(code, {})[newest - number] = amounts[code]
    return dict(series.items())


def _cut(series: Series, oldest: int) -> Series:
    cut = {
        code: {age: count for age, count in ages.items() if age <= oldest} for code, ages in series.items()
    }
    return {code: ages for code, ages in cut.items() if ages}


def _check_absent(what: str, series: Series, board: Sequence[Any]) -> None:
    for age in {age for ages in series.values() for age in ages}:
        for ranking, score in rankings(series, age).items():
            if score > step(board[EVICTED], ranking, age):
                raise Violation(11, f"{what}: has {score} by {ranking} up to age {age}, more than is said")


def _named(counts: Mapping[int, int]) -> dict[str, int]:
    return {NAMES[code]: counts[code] for code in sorted(counts)}


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
