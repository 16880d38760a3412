"""What should be in the tables: a plain fold of the distinct events that were accepted.

Written from docs/reference/table.md and not from the code that fills the tables, with which it shares
nothing: what both got wrong alike, no checker would notice.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from math import floor
from operator import or_
from typing import Any, NamedTuple, TypeVar

from tapstack_local.reconciliation.counters import NO_CURRENCY, Counters, add, signed
from tapstack_local.reconciliation.impressions import Showing, add_showings, showings_of
from tapstack_local.reconciliation.interactions import Interactions, add_interactions, hashed
from tapstack_local.reconciliation.intervals import Numbers
from tapstack_local.reconciliation.searches import DAY_S, Searches, term_of
from tapstack_local.reconciliation.words import (
    Days,
    Said,
    Words,
    add_said,
    category_of,
    numbers_of,
    where,
    words_of,
)

TYPES = (
    "page_view", "item_view", "item_click", "item_list_view", "search", "cart_add", "cart_remove",
    "cart_view", "wishlist_add", "checkout_start", "purchase", "refund", "rate", "share", "identify",
    "custom",
)  # fmt: skip
CODES = {name: code for code, name in enumerate(TYPES)}
AMOUNT_MAX = 1e12
ID_BYTES_MAX = 256  # of an item in a list of a user
LINKED_BYTES_MAX = 1_000  # of an id that a pointer names
WINDOW_LENGTHS_S = (300, 3_600, 86_400)

Name = TypeVar("Name")
Identity = tuple[str, str, int | str]  # the user's row, then a client and its number, or "" and an id


class Effect(NamedTuple):
    """The effect of an event.

    Parameters
    ----------
    user
        The user's partition key.
    identity
        The event's.
    at_s
        Its own time, Unix seconds; when it was received, if its clock was ahead.
    client_ms
        Its time by the client's own clock, Unix milliseconds; 0 if the client said none.
    delta
        What it adds to the user's counters; negative amounts under keys of their own (`counters.signed`).
    items
        What it adds to the counters of items, one entry for each mention.
    term
        What it searches for.
    interactions
        What it adds to the user's history, as hashes.
    visitor
        The visitor that it says the user was; empty if it says nothing.
    numbers
        What it says of items in numbers, one entry for each mention.
    words
        What it says they are.
    shown
        What it says of lists, recommendations and the shop.
    categories
        Of each of `items`; empty if it names none.
    """

    user: str
    identity: Identity
    at_s: int
    client_ms: int
    delta: Counters
    items: list[tuple[str, Counters]]
    term: str = ""
    interactions: tuple[int, ...] = ()
    visitor: str = ""
    numbers: tuple[tuple[str, Counters], ...] = ()
    words: tuple[Words, ...] = ()
    shown: tuple[Showing, ...] = ()
    categories: tuple[str, ...] = ()


class Fold:
    """Sums of effects: counters of users, of items, of items in windows; searches and histories."""

    def __init__(self) -> None:
        self.users: dict[str, Counters] = {}
        self.items: dict[str, Counters] = {}
        self.windows: tuple[dict[str, dict[int, Counters]], ...] = ({}, {}, {})
        self.searches = Searches()
        self.histories: Interactions = {}
        self.links: Counter[tuple[str, str]] = Counter()
        self.numbers: dict[str, Counters] = {}
        self.said: Said = {}
        self.showings: dict[str, Counters] = {}
        self.categories: Days = {}

    def add(self, effect: Effect) -> None:
        """Add an effect."""
        add(self.users.setdefault(effect.user, {}), effect.delta)
        self.searches.add(effect.term, effect.user, effect.at_s)
        add_showings(self.showings, effect.shown, effect.at_s)
        if effect.visitor:
            self.links[effect.user, effect.visitor] += 1
        if effect.interactions:
            add_interactions(self.histories, effect.user, effect.interactions)
        for item_id, said in effect.numbers:
            add(self.numbers.setdefault(item_id, {}), said)
        add_said(self.said, effect.words, effect.at_s)
        for (_, delta), category in zip(effect.items, effect.categories, strict=False):
            for name in (category, "") if category else ():
                add(self.categories.setdefault(where(name, effect.at_s // DAY_S), {}), delta)
        for item_id, delta in effect.items:
            add(self.items.setdefault(item_id, {}), delta)
            for length_s, counted in zip(WINDOW_LENGTHS_S, self.windows, strict=True):
                numbers = counted.setdefault(item_id, {})
                add(numbers.setdefault(effect.at_s // length_s, {}), delta)

    def add_any(self, copies: Sequence[Effect]) -> None:
        """Add the most that any copy of an event adds to each figure: only one counts, whichever it is."""
        if len(copies) == 1:  # as nearly always, and a tenth of the time
            self.add(*copies)
            return
        folds = [Fold() for _ in copies]
        for fold, copy in zip(folds, copies, strict=True):
            fold.add(copy)
        _add_most(self.users, [fold.users for fold in folds])
        _add_most(self.items, [fold.items for fold in folds])
        _add_most(self.numbers, [fold.numbers for fold in folds])
        _add_most(self.categories, [fold.categories for fold in folds])
        for copy in copies:
            add_said(self.said, copy.words, copy.at_s)
        for position, counted in enumerate(self.windows):
            windows = [fold.windows[position] for fold in folds]
            for item_id in {item_id for items in windows for item_id in items}:
                _add_most(counted.setdefault(item_id, {}), [items.get(item_id, {}) for items in windows])
        for term, user, day in {(copy.term, copy.user, copy.at_s // DAY_S) for copy in copies}:
            self.searches.add(term, user, day * DAY_S)
        _add_most(self.showings, [fold.showings for fold in folds])
        self.links.update({(copy.user, copy.visitor) for copy in copies if copy.visitor})
        for user in {copy.user for copy in copies}:
            interactions = [Counter(fold.histories.get(user, ())) for fold in folds]
            add_interactions(self.histories, user, reduce(or_, interactions).elements())


def _add_most(into: dict[Name, Counters], parts: Sequence[Mapping[Name, Counters]]) -> None:
    """Add counters by name, of each figure the most that a part has."""
    for name in {name for part in parts for name in part}:
        most = reduce(or_, (Counter(part.get(name, {})) for part in parts))
        add(into.setdefault(name, {}), most)


class AcceptedEvents:
    """Everything that was accepted, folded as it comes.

    Parameters
    ----------
    now_s
        Returns the time: an event whose clock is ahead counts in the windows of its arrival.

    Attributes
    ----------
    accepted_count : int
        Events that the collector answered ``ok`` or ``duplicate`` for.
    distinct_count : int
        Distinct ones among them.
    refused : Counter[bytes]
        Events that it refused, as they were sent.
    by_user : dict[str, list[Mapping[str, Any]]] or None
        The distinct events, if they are to be kept whole.
    """

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self.accepted_count = 0
        self.distinct_count = 0
        self.fold = Fold()
        self.clients: dict[tuple[str, str], Numbers] = {}
        self.ids: dict[str, dict[int, tuple[str, int]]] = {}  # user -> digest -> name, client_ms
        self.refused: Counter[bytes] = Counter()
        self._doubted: dict[Identity, list[Effect]] = {}
        self.by_user: dict[str, list[Mapping[str, Any]]] | None = None

    def accept(self, event: Mapping[str, Any]) -> None:
        """Record an event that the collector answered for; it has an ``occurred_at``."""
        self.accepted_count += 1
        identity = identity_of(event)
        if self.knows(identity):
            return
        self.distinct_count += 1
        user, client, n = identity
        effect = self._effect(event)
        if isinstance(n, int):
            self.clients.setdefault((user, client), Numbers()).add(n)
        else:
            self.ids.setdefault(user, {})[digest(n)] = (n, effect.client_ms)
        self.fold.add(effect)
        if self.by_user is not None:
            self.by_user.setdefault(user, []).append(event)

    def doubt(self, event: Mapping[str, Any]) -> None:
        """Record a copy of an event that was sent and never answered.

        The copies of an event whose time the collector filled in have different times.
        """
        copies = self._doubted.setdefault(identity_of(event), [])
        if (effect := self._effect(event)) not in copies:
            copies.append(effect)

    def _effect(self, event: Mapping[str, Any]) -> Effect:
        effect = effect_of(event)
        return effect._replace(at_s=min(effect.at_s, floor(self._now_s())))

    def refuse(self, data: bytes) -> None:
        """Record what the collector refused for good, as it was sent."""
        self.refused[data] += 1

    def knows(self, identity: Identity) -> bool:
        """Return whether an event was accepted."""
        user, client, n = identity
        if isinstance(n, int):
            return n in self.clients.get((user, client), ())
        return digest(n) in self.ids.get(user, ())

    def doubted(self) -> dict[Identity, list[Effect]]:
        """Return the events that may be counted or not: of each, the copies that differ."""
        return {identity: copies for identity, copies in self._doubted.items() if not self.knows(identity)}


def identity_of(event: Mapping[str, Any]) -> Identity:
    """Name an event."""
    user = user_key(event)
    if "client_id" in event:
        return user, event["client_id"], event["n"]
    return user, "", event["event_id"]


def user_key(event: Mapping[str, Any]) -> str:
    """Return the partition key of the event's user."""
    user_id = event.get("user_id")
    return f"A#{event['anonymous_id']}" if user_id is None else f"U#{user_id}"


def digest(name: str) -> int:
    """Return the digest of an id, as rows hold it."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def number_digest(client_id: str, n: int) -> int:
    """Return the digest of a numbered event, for which a row's intervals have no room."""
    name = f"{client_id}:{n}".encode()
    hashed = hashlib.blake2b(name, digest_size=8, salt=bytes(2), person=b"native")
    return int.from_bytes(hashed.digest(), "big", signed=True)


def effect_of(event: Mapping[str, Any]) -> Effect:
    """Return the effect of an event."""
    identity = identity_of(event)
    moment = datetime.fromisoformat(event["occurred_at"])
    at_s = floor(moment.timestamp())
    at_ms = at_s * 1_000 + moment.microsecond // 1_000  # in the history it stands where its clock says
    if "received_at" in event:
        at_s = min(at_s, floor(datetime.fromisoformat(event["received_at"]).timestamp()))
    client_ms = max(round(moment.timestamp() * 1_000) - (event.get("clock_skew_ms") or 0), 1)
    if "received_at" in event and "clock_skew_ms" not in event:
        client_ms = 0  # the stream's copy of an event whose time the collector filled in
    items = [(item["item_id"], signed(_item_delta(event, item))) for item in event.get("items", ())]
    delta = signed(_user_delta(event))
    mentioned = event.get("items", ())
    numbers = [(item["item_id"], signed(found)) for item in mentioned if (found := numbers_of(event, item))]
    return Effect(
        identity[0],
        identity,
        at_s,
        client_ms,
        delta,
        items,
        term_of(event),
        _interactions(event, at_ms),
        _visitor(event),
        tuple(numbers),
        tuple(word for item in mentioned for word in words_of(event, item)),
        showings_of(event, CODES),
        tuple(category_of(item) for item in mentioned),
    )


def _visitor(event: Mapping[str, Any]) -> str:
    user, visitor = event.get("user_id"), event.get("anonymous_id")
    if user is None or visitor is None or max(len(user.encode()), len(visitor.encode())) > LINKED_BYTES_MAX:
        return ""
    return str(visitor)


def _interactions(event: Mapping[str, Any], at_ms: int) -> tuple[int, ...]:
    kind = event["event_type"]
    items = () if kind == "item_list_view" else event.get("items", ())
    names = [item["item_id"] for item in items if len(item["item_id"].encode()) <= ID_BYTES_MAX]
    return tuple(hashed(at_ms, CODES[kind], name) for name in names)


def _item_delta(event: Mapping[str, Any], item: Mapping[str, Any]) -> Counters:
    delta: Counters = {CODES[event["event_type"]]: 1}
    if event["event_type"] == "purchase" and item.get("price") is not None:
        delta[_currency(event, item)] = _cost(item)
    return delta


def _user_delta(event: Mapping[str, Any]) -> Counters:
    delta: Counters = {CODES[event["event_type"]]: 1}
    if event["event_type"] != "purchase":
        return delta
    if event.get("value") is not None:
        delta[event.get("currency") or NO_CURRENCY] = _millionths(event["value"])
        return delta
    for item in event.get("items", ()):
        if item.get("price") is not None:
            add(delta, {_currency(event, item): _cost(item)})
    return delta


def _currency(event: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    return str(item.get("currency") or event.get("currency") or NO_CURRENCY)


def _cost(item: Mapping[str, Any]) -> int:
    quantity = item.get("quantity")
    price: float = item["price"]
    return _millionths(price) * (1 if quantity is None else int(quantity))


def _millionths(amount: float) -> int:
    if abs(amount) > AMOUNT_MAX:
        raise OverflowError("the collector accepts no such amount")
    return round(Decimal(repr(amount)) * 1_000_000)
