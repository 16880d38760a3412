"""What a route is, as data, and what it answers from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import msgspec

from tapstack.core.aggregates import WINDOWS, Window
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.events import Id
from tapstack.core.history import HistoryBounds
from tapstack.core.ranking import TRENDS, Trend, Weights
from tapstack.insights.answers import Answer
from tapstack.insights.filters import ANY_ITEM, Filter, matching
from tapstack.insights.freshness import ITEMS, LEADERBOARDS, Freshness, FreshnessCache
from tapstack.insights.history import ANY_TYPE
from tapstack.insights.parameters import Parameter
from tapstack.insights.readers import Scope
from tapstack.insights.recommendations import NOTHING, History, Shelves, history_of
from tapstack.insights.striped_rows import StripedRows
from tapstack.ports import RowReader

# No event has a longer id. So each key of a read fits DynamoDB's 2,048 bytes, at four a character (tested).
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, read 2026-11-29
ID_CHARS_MAX: int = get_args(Id)[1].max_length
METHODS = ("GET", "HEAD", "OPTIONS")  # of each route that has no body


class Asked(msgspec.Struct, kw_only=True):
    """What a route answers from: table, time, bounds, the path's id, the parameters, the body."""

    reader: RowReader
    freshness: FreshnessCache
    now_s: int
    bounds: HistoryBounds
    weights: Weights
    declared: Declared = NOTHING_DECLARED
    id: str = ""
    n: int = 0
    type: int = ANY_TYPE
    cursor: str = ""
    window: Window = WINDOWS[0]
    diversity: int = 0
    include_seen: bool = False
    include_bought: bool = False
    category: str = ANY_ITEM.category
    brand: str = ANY_ITEM.brand
    currency: str = ANY_ITEM.currency
    price_min: float = ANY_ITEM.price_min
    price_max: float = ANY_ITEM.price_max
    linked: bool = False
    days: int = 0
    body: Any = None  # of the type that the route says
    trend: Trend = TRENDS[0]
    type_weights: Weights = {}  # of one type alone; empty for all types

    def fresh(self, projection: str) -> Freshness:
        """Return how fresh a projection's rows are; to be asked before they are read, consistently."""
        return self.freshness.of(projection, self.now_s)

    def filter(self) -> Filter:
        """Return what items must be to be listed."""
        return Filter(
            category=self.category,
            brand=self.brand,
            currency=self.currency,
            price_min=self.price_min,
            price_max=self.price_max,
        )

    def choose(self) -> Callable[[Sequence[str]], Sequence[str]] | None:
        """Return what chooses the items that match; None if all do."""
        wanted = self.filter()
        return None if wanted == ANY_ITEM else lambda item_ids: matching(self.rows(), item_ids, wanted)

    def chosen_weights(self) -> Weights:
        """Return what an event of each type adds to a score, or of the one type that is asked for."""
        return self.type_weights or self.weights

    def shelves(self) -> tuple[Shelves, Freshness]:
        """Return where items and leaderboards are read, and how fresh the older of the two are."""
        items, boards = self.fresh(ITEMS), self.fresh(LEADERBOARDS)
        fresh = Freshness(min(items.as_of_s, boards.as_of_s), max(items.since_s, boards.since_s))
        return Shelves(self.rows(), self.now_s), fresh

    def rows(self) -> StripedRows:
        """Return where derived rows are read, all stripes of each partition."""
        return StripedRows(self.reader, self.freshness.progress(self.now_s).heads, self.now_s)

    def history(self, user_id: str | None, *, linked: bool) -> History:
        """Return what is remembered of a user, if there is one."""
        return NOTHING if user_id is None else history_of(self.reader, user_id, self.now_s, linked=linked)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A path that is read.

    Parameters
    ----------
    path
        Its segments; ``{id}`` stands for any.
    read
        Makes the answer; None if nothing is known.
    answer
        The answer's type; of ``str`` the text is sent as it is.
    summary
        What is answered, in a line.
    parameters
        Of the query, named as in `Asked`; each may be left out.
    subject
        What the id is an id of.
    max_age_s
        How long a reader may keep the answer, seconds; 0: not at all.
    method
        ``GET``, or ``POST`` if what is asked for is in the body.
    body
        The body's type.
    media_type
        Of the answer.
    scopes
        What a reader must be allowed to read, all of it; none: no key is asked for.
    scope_members
        Scopes that are needed only if a member of the body is not empty, each with that member.
    headers
        Further ones of the answer.
    may_be_gone
        Whether its cursor may lead to what is no longer there.
    """

    path: str
    read: Callable[[Asked], Answer | Mapping[str, Any] | str | None]
    answer: type[Answer | Mapping[str, Any] | str]
    summary: str
    parameters: tuple[Parameter, ...] = ()
    subject: str = ""
    max_age_s: int = 1
    method: str = "GET"
    body: type[msgspec.Struct] | None = None
    media_type: str = "application/json"
    scopes: tuple[Scope, ...] = ("users", "items")
    scope_members: Mapping[Scope, str] = {}
    headers: Mapping[str, str] = {}
    may_be_gone: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that the path takes."""
        return METHODS if self.method == "GET" else (self.method, "OPTIONS")

    def needed_scopes(self, body: object) -> frozenset[str]:
        """Return the scopes that a request needs."""
        members = self.scope_members
        return frozenset(
            scope for scope in self.scopes if scope not in members or getattr(body, members[scope])
        )

    @property
    def has_tag(self) -> bool:
        """Return whether answers have a tag: those that a reader may keep."""
        return self.method == "GET" and self.max_age_s > 0

    @property
    def cache_control(self) -> str:
        """Return the header of that name; no proxy may keep what is known of a user."""
        return f"private, max-age={self.max_age_s}" if self.max_age_s else "no-store"
