"""The protocol: every beginning of a visit predicts its next item, by models that know earlier visits only.

*new*: the next item is not in the visit yet, and what is in it is left out of the answer. *all*: it may be in
the visit (repeats). Either way the item has been seen in training; answers are 20 different items in order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from benchmarks.recommender.sessions import DataSet, Session

N = 20
RESAMPLES = 1_000
MODES = ("new", "all")


class Model(Protocol):
    """Something that recommends."""

    def learn(self, sessions: Sequence[Session], now_s: int) -> None:
        """Take in visits that began before `now_s`, in their order: with each call the further ones."""
        ...

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        """Return up to `N` items to follow those, the newest of which is the last.

        Parameters
        ----------
        items
            Of a visit, in order.
        repeats
            Whether they may be among the answer.
        """
        ...


class Score(NamedTuple):
    """What a visit's predictions came to: how many, how many hit, the sum of reciprocal ranks."""

    predictions: int
    hits: int
    reciprocal: float


class Result(NamedTuple):
    """Recall@20 and MRR@20 of a model in a mode, with the visits they come from."""

    model: str
    mode: str
    by_visit: list[Score]

    @property
    def predictions(self) -> int:
        """How many predictions there were."""
        return sum(score.predictions for score in self.by_visit)

    @property
    def recall(self) -> float:
        """The share of predictions that hit."""
        return sum(score.hits for score in self.by_visit) / self.predictions

    @property
    def mrr(self) -> float:
        """The mean of the reciprocal ranks of those that hit; of the others 0."""
        return sum(score.reciprocal for score in self.by_visit) / self.predictions

    def interval(self, of: Callable[[Sequence[Score]], float]) -> tuple[float, float]:
        """Return the middle 95 % of a figure over visits drawn again and again (bootstrap)."""
        dice = random.Random(1)
        drawn = sorted(of(dice.choices(self.by_visit, k=len(self.by_visit))) for _ in range(RESAMPLES))
        return drawn[RESAMPLES // 40], drawn[-RESAMPLES // 40]


def recall(scores: Sequence[Score]) -> float:
    """Return the share of predictions that hit."""
    return sum(score.hits for score in scores) / max(1, sum(score.predictions for score in scores))


def mrr(scores: Sequence[Score]) -> float:
    """Return the mean reciprocal rank."""
    return sum(score.reciprocal for score in scores) / max(1, sum(score.predictions for score in scores))


def paired(ours: Result, peer: Result) -> tuple[float, float, float]:
    """Return by how much our recall is higher, and the bootstrap interval over the same visits."""
    pairs = list(zip(ours.by_visit, peer.by_visit, strict=True))
    dice = random.Random(1)

    def gap(chosen: Sequence[tuple[Score, Score]]) -> float:
        return recall([own for own, _ in chosen]) - recall([other for _, other in chosen])

    drawn = sorted(gap(dice.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    return gap(pairs), drawn[RESAMPLES // 40], drawn[-RESAMPLES // 40]


def evaluate(
    name: str, model: Model, data: DataSet, period_s: tuple[int, int], modes: Sequence[str] = MODES
) -> list[Result]:
    """Test a new model on a period; a result for each mode."""
    results = {mode: Result(name, mode, []) for mode in modes}
    known: set[str] = set()
    taught = 0
    for begin_s, end_s in _rounds(data, period_s):
        upto = taught
        while upto < len(data.sessions) and data.sessions[upto].start_s < begin_s:
            known.update(data.sessions[upto].items)
            upto += 1
        model.learn(data.sessions[taught:upto], begin_s)
        taught = upto
        for session in data.sessions[upto:]:
            if session.start_s >= end_s:
                break
            for mode in modes:
                items = session.items[: data.predictions_max + 1]
                score = _score(model, items, known, repeats=mode == "all")
                if score.predictions:
                    results[mode].by_visit.append(score)
    return list(results.values())


def _rounds(data: DataSet, period_s: tuple[int, int]) -> Iterator[tuple[int, int]]:
    step_s = data.refit_s or period_s[1] - period_s[0]
    for begin_s in range(*period_s, step_s):
        yield begin_s, min(begin_s + step_s, period_s[1])


def _score(model: Model, items: Sequence[str], known: set[str], *, repeats: bool) -> Score:
    count, hits, reciprocal = 0, 0, 0.0
    for length in range(1, len(items)):
        target, given = items[length], items[:length]
        if target not in known or (not repeats and target in given):
            continue
        count += 1
        answer = model.recommend(given, repeats=repeats)
        if target in answer[:N]:
            hits += 1
            reciprocal += 1 / (1 + answer.index(target))
    return Score(count, hits, reciprocal)
