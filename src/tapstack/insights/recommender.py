"""The recommender: items that go with the newest items of a history, and why.

Each item of the history votes for its partners, the newer the stronger. The best of these, the *bridges*,
vote for partners of their own: where most pairs were seen once, one hop finds few items. What nobody votes
for is ranked by popularity. It learns nothing and knows no attributes: docs/reference/recommender.md says
what it is worth, measured beside others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import NamedTuple

HISTORY_MAX = 10  # items that vote, and whose rows are read
BRIDGES_MAX = 10  # items of the second hop
DIGITS = 9  # of a score or a vote: what is equal but for the order of its arithmetic is equal to these

Partners = Mapping[str, int]  # pairs by partner


class Weights(NamedTuple):
    """What votes are worth; chosen by `benchmarks.recommender` on days that it does not report.

    Parameters
    ----------
    decay
        Each item of the history counts this much of the one after it, ``0 < decay <= 1``.
    hop
        What a bridge adds, of its own score.
    seen
        What having been looked at is worth to an item of the history itself, where those are offered again.
    """

    decay: float = 0.8
    hop: float = 0.2
    seen: float = 1.0


class Vote(NamedTuple):
    """A part of an item's score.

    Parameters
    ----------
    score
        The part, rounded.
    source
        The item of the history that it comes from; the item itself if it was seen.
    via
        The bridge whose partner the item is; None if it is the source's own.
    pairs
        How many pairs were counted of it and the bridge, or the source; 0 if it was seen.
    """

    score: float
    source: str
    via: str | None
    pairs: int


class _Voter(NamedTuple):
    source: str
    via: str | None
    weight: float  # of each pair
    partners: Partners


class Recommender:
    """Collects votes in two hops, then ranks.

    Parameters
    ----------
    history
        Different items, newest first; those beyond `HISTORY_MAX` do not vote.
    weights
        What votes are worth.
    """

    def __init__(self, history: Sequence[str], weights: Weights) -> None:
        self.history = history[:HISTORY_MAX]
        self._weights = weights
        self._voters: list[_Voter] = []
        self._seen: dict[str, float] = {}
        self._scores: dict[str, float] = {}

    def count_partners(self, partners: Mapping[str, Partners]) -> None:
        """Let each item of the history vote for its partners, given by item."""
        for rank, source in enumerate(self.history):
            self._vote(source, None, self._weights.decay**rank, partners.get(source, {}))

    def bridges(self) -> list[str]:
        """Return the items with the most votes of the first hop, those of the history left out."""
        found = self._scores.keys() - set(self.history)
        return sorted(found, key=lambda item_id: (-self.score(item_id), item_id))[:BRIDGES_MAX]

    def count_partners_of(self, bridges: Sequence[str], partners: Mapping[str, Partners]) -> None:
        """Let bridges vote for their partners, in the name of the item that voted most for the bridge."""
        # What each had before any of them votes: none strengthens another.
        # Unrounded: nine digits divided by a round number would lie between two roundings.
        voters = [(self.votes(bridge)[0].source, bridge, self._scores[bridge]) for bridge in bridges]
        for source, bridge, score in voters:
            self._vote(source, bridge, self._weights.hop * score, partners.get(bridge, {}))

    def count_seen(self) -> None:
        """Let the items of the history vote for themselves; not the newest, which is looked at right now."""
        for rank, item_id in enumerate(self.history[1:]):
            self._seen[item_id] = self._weights.seen * self._weights.decay**rank
            self._scores[item_id] = self._scores.get(item_id, 0.0) + self._seen[item_id]

    def score(self, item_id: str) -> float:
        """Return the sum of an item's votes; 0 if it has none."""
        return round(self._scores.get(item_id, 0.0), DIGITS)

    def votes(self, item_id: str) -> list[Vote]:
        """Return an item's votes, the strongest first; equals in the order in which their voters voted."""
        votes = [
            Vote(round(voter.weight * pairs, DIGITS), voter.source, voter.via, pairs)
            for voter in self._voters
            if (pairs := voter.partners.get(item_id))
        ]
        if item_id in self._seen:
            votes.append(Vote(round(self._seen[item_id], DIGITS), item_id, None, 0))
        return sorted(votes, key=lambda vote: -vote.score)

    def ranked(self, popular: Partners, without: Iterable[str] = ()) -> list[str]:
        """Rank what has votes, and behind it what is popular; equals by their ids.

        Parameters
        ----------
        popular
            Interactions by item.
        without
            Items to leave out.
        """
        return self.rank(sorted((self._scores.keys() | popular.keys()) - set(without)), popular)

    def rank(self, candidates: Sequence[str], popular: Partners) -> list[str]:
        """Rank different candidates, equals in the order in which they are given."""
        return sorted(candidates, key=lambda item_id: (-self.score(item_id), -popular.get(item_id, 0)))

    def diversified(self, ranked: Sequence[str], diversity: float, n: int) -> list[str]:
        """Return the first `n` items, each the less likely the more before it have the same source.

        Parameters
        ----------
        ranked
            Items in order.
        diversity
            How much of its score an item loses for each item before it whose strongest vote comes from the
            same item of the history, ``0 <= diversity < 1``; at 0 the order stays.
        n
            How many, ``>= 0``.
        """
        if not diversity:
            return list(ranked[:n])
        queues: dict[str, list[tuple[float, int, str]]] = {}  # of each source, the best last
        for place in reversed(range(len(ranked))):
            votes = self.votes(ranked[place])
            queue = queues.setdefault(votes[0].source if votes else "", [])
            queue.append((self.score(ranked[place]), -place, ranked[place]))
        kept = dict.fromkeys(queues, 1.0)
        chosen: list[str] = []
        while queues and len(chosen) < n:
            _, source = max(
                ((queue[-1][0] * kept[name], queue[-1][1]), name) for name, queue in queues.items()
            )
            chosen.append(queues[source].pop()[2])
            kept[source] *= 1 - diversity
            if not queues[source]:
                del queues[source]
        return chosen

    def _vote(self, source: str, via: str | None, weight: float, partners: Partners) -> None:
        # Of an item with many pairs each says less; undivided, the most viewed items decide everything.
        each = weight / sqrt(sum(partners.values()) or 1)
        self._voters.append(_Voter(source, via, each, partners))
        for item_id, pairs in partners.items():
            self._scores[item_id] = self._scores.get(item_id, 0.0) + each * pairs
