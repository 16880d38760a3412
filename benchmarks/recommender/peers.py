"""Other recommenders: popularity, the nearest neighbours of `implicit`, and two from their papers."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from heapq import nlargest
from math import exp, log, sqrt
from typing import Any

from benchmarks.recommender.protocol import Model, N
from benchmarks.recommender.sessions import DAY_S, Session


def best(scores: Mapping[str, float], items: Sequence[str], *, repeats: bool) -> list[str]:
    """Return the items with the highest scores, equals by their ids; never the newest of the visit."""
    without = {items[-1]} if repeats else set(items)
    ranked = sorted(((-score, item) for item, score in scores.items() if item not in without))
    return [item for _, item in ranked[:N]]


class Popular:
    """What most visits of the last days had; days 0: ever."""

    def __init__(self, days: int) -> None:
        self._days = days
        self._sessions: list[Session] = []
        self._ranked: list[str] = []

    def learn(self, sessions: Sequence[Session], now_s: int) -> None:
        self._sessions += sessions
        since_s = now_s - self._days * DAY_S if self._days else 0
        counts = Counter(
            item for session in self._sessions if session.start_s >= since_s for item in set(session.items)
        )
        self._ranked = sorted(counts, key=lambda item: (-counts[item], item))

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        without = {items[-1]} if repeats else set(items)
        return [item for item in self._ranked[: N + len(without)] if item not in without][:N]


class Repeats(Popular):
    """What the visit had, newest first, and then what is popular."""

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        rest = super().recommend(items, repeats=repeats)
        if not repeats:
            return rest
        own = [item for item in dict.fromkeys(reversed(items)) if item != items[-1]]
        return [*own, *(item for item in rest if item not in own)][:N]


class Filled:
    """A peer with popular items of the last week behind its own, as ours has them.

    Parameters
    ----------
    peer
        The model.
    """

    def __init__(self, peer: Model) -> None:
        self._peer, self._popular = peer, Popular(7)

    def learn(self, sessions: Sequence[Session], now_s: int) -> None:
        self._peer.learn(sessions, now_s)
        self._popular.learn(sessions, now_s)

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        found = self._peer.recommend(items, repeats=repeats)
        if len(found) >= N:
            return found
        return list(dict.fromkeys([*found, *self._popular.recommend(items, repeats=repeats)]))[:N]


class Implicit:
    """A nearest-neighbour model of the package `implicit`, visits being its users.

    Parameters
    ----------
    kind
        Its class: ``CosineRecommender``, ``TFIDFRecommender``, ``BM25Recommender``, ``ItemItemRecommender``.
    neighbours
        Items kept for each item.
    decay
        Each item of a visit counts this much of the one after it.
    """

    def __init__(self, kind: str, neighbours: int, decay: float) -> None:
        self._kind, self._neighbours, self._decay = kind, neighbours, decay
        self._sessions: list[list[str]] = []
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._model: Any = None

    def learn(self, sessions: Sequence[Session], now_s: int) -> None:
        import implicit.nearest_neighbours
        import numpy as np
        from scipy.sparse import csr_matrix

        for session in sessions:
            self._sessions.append(list(dict.fromkeys(session.items)))
            for item in self._sessions[-1]:
                if item not in self._numbers:
                    self._numbers[item] = len(self._names)
                    self._names.append(item)
        rows = [row for row, items in enumerate(self._sessions) for _ in items]
        columns = [self._numbers[item] for items in self._sessions for item in items]
        shape = (len(self._sessions), len(self._names))
        visits = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
        self._model = getattr(implicit.nearest_neighbours, self._kind)(K=self._neighbours, num_threads=1)
        with warnings.catch_warnings():  # of its own conversions
            warnings.simplefilter("ignore")
            self._model.fit(visits, show_progress=False)

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        import numpy as np
        from scipy.sparse import csr_matrix

        weights = _decayed(items, self._decay)
        known = [(self._numbers[item], weight) for item, weight in weights.items() if item in self._numbers]
        if not known:
            return []
        columns = np.array([number for number, _ in known])
        values = np.array([weight for _, weight in known])
        visit = csr_matrix((values, (np.zeros(len(known), int), columns)), shape=(1, len(self._names)))
        numbers, scores = self._model.recommend(
            0, visit, N=N + len(known), filter_already_liked_items=not repeats, recalculate_user=False
        )
        found = {
            self._names[number]: float(score)
            for number, score in zip(numbers, scores, strict=True)
            if score > 0
        }
        return best(found, items, repeats=repeats)


def _decayed(items: Sequence[str], decay: float) -> dict[str, float]:
    newest_first = list(dict.fromkeys(reversed(items)))
    return {item: decay**rank for rank, item in enumerate(newest_first)}


class Neighbours:
    """What V-SKNN and STAN share: the visits of each item."""

    def __init__(self) -> None:
        self._visits: list[list[str]] = []
        self._places: list[dict[str, int]] = []  # of each item, the last
        self._times: list[int] = []
        self._of: defaultdict[str, list[int]] = defaultdict(list)
        self._now_s = 0

    def learn(self, sessions: Sequence[Session], now_s: int) -> None:
        self._now_s = now_s
        for session in sessions:
            number = len(self._visits)
            self._visits.append(session.items)
            self._places.append({item: place for place, item in enumerate(session.items)})
            self._times.append(session.steps[-1][0])
            for item in set(session.items):
                self._of[item].append(number)

    def _similar(self, weights: Mapping[str, float]) -> dict[int, float]:
        """Return how like each earlier visit is: the cosine of weighted items and items."""
        products: defaultdict[int, float] = defaultdict(float)
        for item, weight in weights.items():
            for number in self._of.get(item, ()):
                products[number] += weight
        length = sqrt(sum(weight * weight for weight in weights.values()))
        return {
            number: product / (length * sqrt(len(self._places[number])))
            for number, product in products.items()
        }


class Vsknn(Neighbours):
    """V-SKNN: Ludewig and Jannach, Evaluation of Session-based Recommendation Algorithms, UMUAI 28 (2018).

    The newest item counts 1 and earlier ones less, linearly; so do neighbours, by the place of the newest
    item that both visits have. Rare items count more (idf).

    Parameters
    ----------
    neighbours
        Visits that vote.
    sample
        The newest visits with an item in common, from which they are taken.
    """

    def __init__(self, neighbours: int, sample: int) -> None:
        super().__init__()
        self._neighbours, self._sample = neighbours, sample

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        weights = {item: place / len(items) for place, item in enumerate(items, 1)}
        similar = self._similar(weights)
        newest = nlargest(self._sample, similar, key=lambda number: (self._times[number], number))
        nearest = nlargest(self._neighbours, [(similar[number], number) for number in newest])
        scores: defaultdict[str, float] = defaultdict(float)
        for similarity, number in nearest:
            places = self._places[number]
            back = next(back for back, item in enumerate(reversed(items)) if item in places)
            match = 1 - 0.1 * back if back < 10 else 0.0
            for item in places:
                idf = log(len(self._visits) / len(self._of[item]))
                scores[item] += similarity * match * (1 + idf)
        return best(scores, items, repeats=repeats)


class Stan(Neighbours):
    """STAN: Garg et al., Sequence and Time Aware Neighborhood for Session-based Recommendations, SIGIR 2019.

    Parameters
    ----------
    neighbours
        Visits that vote.
    position
        Items back in the visit at which one counts 1/e of the newest; the paper's 1/lambda 1.
    days
        Days back at which a visit counts 1/e; the paper's 1/lambda 2.
    distance
        Places between a common item and another at which that counts 1/e; the paper's 1/lambda 3.
    """

    def __init__(self, neighbours: int, position: float, days: float, distance: float) -> None:
        super().__init__()
        self._neighbours, self._position, self._days, self._distance = neighbours, position, days, distance

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        weights = {item: exp((place - len(items)) / self._position) for place, item in enumerate(items, 1)}
        nearest = nlargest(
            self._neighbours,
            [
                (likeness * exp((self._times[number] - self._now_s) / DAY_S / self._days), number)
                for number, likeness in self._similar(weights).items()
            ],
        )
        scores: defaultdict[str, float] = defaultdict(float)
        for similarity, number in nearest:
            places = self._places[number]
            common = next(item for item in reversed(items) if item in places)
            for item, place in places.items():
                scores[item] += similarity * exp(-abs(place - places[common]) / self._distance)
        return best(scores, items, repeats=repeats)
