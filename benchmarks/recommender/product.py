"""The product as a model: its own fold and projections make the rows, its own view reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.recommender.protocol import N
from benchmarks.recommender.sessions import Session

from tapstack.core.events import CountedItem, Event
from tapstack.core.fold import fold_event
from tapstack.core.journal import Effect, Entry
from tapstack.core.rows import UserState, encode_derived, stripe_sort_key
from tapstack.insights.recommendations import WEIGHTS, History, Shelves, Wish, recommend
from tapstack.insights.recommender import Weights
from tapstack.insights.striped_rows import StripedRows
from tapstack.ports import Key, Row
from tapstack.projections._projection import Projection
from tapstack.projections.catalogue import PROJECTIONS

STRIPE = stripe_sort_key(0)


class Product:
    """Tapstack's recommender, over rows that its consumer and projector would have written.

    Parameters
    ----------
    weights
        What votes are worth.
    """

    def __init__(self, weights: Weights = WEIGHTS) -> None:
        self._rows = Rows()
        self._weights = weights
        self._now_s = 0

    def learn(self, sessions: Sequence[Session], now_s: int) -> None:
        self._rows.learn(sessions)
        self._now_s = now_s

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        history = History(list(dict.fromkeys(reversed(items))))
        shelves = Shelves(StripedRows(self._rows, lanes=[0], now_s=self._now_s), self._now_s)
        _, found = recommend(shelves, history, Wish(n=N, include_seen=repeats), self._weights)
        return [item.item_id for item in found]


class Newest(Product):
    """What the route also-viewed says of the newest item alone."""

    def __init__(self) -> None:
        super().__init__(Weights(hop=0.0))

    def recommend(self, items: Sequence[str], *, repeats: bool) -> list[str]:
        found = super().recommend(items[-1:], repeats=repeats)
        return found if repeats else [item for item in found if item not in items]


class Rows:
    """`tapstack.ports.RowReader` over derived rows, folded as the projector folds them."""

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}
        self._entries = 0

    def learn(self, sessions: Sequence[Session]) -> None:
        """Count the events of visits, and fold what they add, all at once."""
        effects = [effect for session in sessions for effect in _effects(session)]
        if not effects:
            return
        self._entries += 1
        entry = Entry(self._entries, max(effect.arrived_s for effect in effects), effects)
        for projection in PROJECTIONS:
            self._fold(projection, entry)

    def _fold(self, projection: Projection[Any, Any], entry: Entry) -> None:
        for partition, change in projection.changes([entry]).items():
            sources = {
                pk: projection.read_source(self._states[pk])
                for pk in projection.sources(change)
                if pk in self._states
            }
            state = self._states.get(partition)
            body = projection.rows.new() if state is None else projection.rows.body(state)
            projection.fold(body, change, sources)
            self._states[partition] = encode_derived({}, body)

    def get(self, key: Key) -> Row | None:
        state = self._states.get(key.pk) if key.sk == STRIPE else None
        return None if state is None else Row(key=key, version=1, state=state)

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        row = self.get(Key(pk, STRIPE))
        return [] if row is None else [row]

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        return [row for row in self.query(pk) if row.key.sk.startswith(sk_prefix)]

    def read_range(self, pk: str, first: str, last: str, limit: int) -> Sequence[Row]:
        return [row for row in self.query(pk) if first <= row.key.sk <= last][:limit]

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        found = {key: self.get(key) for key in keys}
        return {key: row for key, row in found.items() if row is not None}


def _effects(session: Session) -> list[Effect]:
    user = UserState()
    effects: list[Effect] = []
    for number, (at_s, item_id) in enumerate(session.steps):
        effects += fold_event(user, _event(session, number, at_s, item_id), at_s, at_s)
    return effects


def _event(session: Session, number: int, at_s: int, item_id: str) -> Event:
    moment = datetime.fromtimestamp(at_s, tz=UTC)
    return Event(
        event_id=f"{session.name}-{number}",
        event_type=session.kind,  # type: ignore[arg-type] # one of the two
        occurred_at=moment,
        session_id=session.name,
        anonymous_id=session.name,
        items=(CountedItem(item_id=item_id),),
        received_at=moment,
    )
