"""What the recommender answers: rows read in three batches at most, and each score with its reasons.

The first batch is the user's row, perhaps with its visitors'; the second the items of the history; the
third the bridges and the leaderboard of the last days. Each costs a read unit for each row of up to 4 KB
(rows of users half of one).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec

from tapstack.core.currencies import Currency
from tapstack.core.events import TYPE_CODE, Id
from tapstack.core.history import newest_first
from tapstack.core.ranking import INTERESTED, TRENDS
from tapstack.core.ranking import rank as ranked_trend
from tapstack.core.rows import (
    BOARD_ROWS,
    ITEM_ROWS,
    UserState,
    anonymous_key,
    board_partition,
    decode_user,
    item_partition,
    known_user_key,
)
from tapstack.insights.answers import Reason, Recommendation, Recommendations
from tapstack.insights.filters import ANY_ITEM, Filter, matching
from tapstack.insights.freshness import Freshness
from tapstack.insights.parameters import NUMBER_MAX
from tapstack.insights.person import own, visitors_of
from tapstack.insights.recommender import Partners, Recommender, Vote, Weights
from tapstack.insights.striped_rows import StripedRows
from tapstack.insights.views import alive, describe_freshness
from tapstack.ports import Key, RowReader

WEEK = TRENDS[-1]  # in which popular items are
POPULAR_MAX = 1_000  # more than a leaderboard has places
SESSION_ITEMS_MAX = 100  # more are of no use: the newest ten vote, and all of them are left out of the answer
CANDIDATES_MAX = 500
FILTERED_MAX = 200  # of the items in order, the first that are looked at for those that match a filter
READ_MAX = 100  # rows of a batch: keys of a call, where there is one stripe
REASONS_MAX = 3  # of an item, the strongest
WEIGHTS = Weights()


_NAME = Annotated[str, msgspec.Meta(max_length=256)]
_PRICE = Annotated[float, msgspec.Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]
_ITEM_IDS = Annotated[list[Id], msgspec.Meta(max_length=SESSION_ITEMS_MAX)]


class History(NamedTuple):
    """What somebody looked at, put into carts, bought.

    Parameters
    ----------
    items
        Different items, newest first.
    bought
        Those of them, and earlier ones, that were bought.
    """

    items: Sequence[str]
    bought: frozenset[str] = frozenset()

    def after(self, session: Sequence[str]) -> History:
        """Return it with a session in front.

        Parameters
        ----------
        session
            Items in their order, the newest last.
        """
        return History(list(dict.fromkeys([*reversed(session), *self.items])), self.bought)


NOTHING = History(())


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of recommendations are asked for.

    Parameters
    ----------
    n
        How many at most.
    diversity
        What an item loses for each one before it with the same source, ``0 <= diversity < 1``.
    include_seen, include_bought
        Whether items of the history, and those bought, may be recommended. The newest never is.
    exclude
        Items that may not be.
    wanted
        What an item must be.
    """

    n: int
    diversity: float = 0.0
    include_seen: bool = False
    include_bought: bool = False
    exclude: Sequence[str] = ()
    wanted: Filter = ANY_ITEM


class SessionItems(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session to recommend items for.

    Parameters
    ----------
    items
        What was looked at, in its order: the newest last. Empty for popular items.
    user_id
        Whose session it is, or the ``anonymous_id``: what else is known of the user counts after the session,
        and what the user bought is not recommended.
    linked
        Whether what visitors did counts as the user's that were this user and no other.
    n
        How many items at most.
    diversity
        How many percent of its score an item loses for each one before it that is recommended for the same
        item of the session.
    include_seen
        Whether items of the session and of the user's history may be recommended; the newest never is.
    include_bought
        Whether items that the user bought may be recommended.
    exclude
        Items that may not be recommended.
    category, brand, currency
        What an item must be, as the newest event says that says it.
    price_min, price_max
        Bounds of its last price, in `currency`.
    """

    items: _ITEM_IDS
    user_id: Id | None = None
    linked: bool = False
    n: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    diversity: Annotated[int, msgspec.Meta(ge=0, le=90)] = 0
    include_seen: bool = False
    include_bought: bool = False
    exclude: Annotated[list[Id], msgspec.Meta(max_length=CANDIDATES_MAX)] = []
    category: _NAME = ""
    brand: _NAME = ""
    currency: Currency | None = None
    price_min: _PRICE | None = None
    price_max: _PRICE | None = None


class ItemsToRank(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Items to put in order for a session, a user, or both.

    Parameters
    ----------
    items
        The items. One that is named twice is answered once.
    session
        What was looked at, in its order: the newest last.
    user_id
        A user, or the ``anonymous_id`` of a visitor.
    linked
        Whether what visitors did counts as the user's that were this user and no other.
    category, brand, currency
        What an item must be, as the newest event says that says it; others are left out.
    price_min, price_max
        Bounds of its last price, in `currency`.
    """

    items: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=CANDIDATES_MAX)]
    session: _ITEM_IDS = []
    user_id: Id | None = None
    linked: bool = False
    category: _NAME = ""
    brand: _NAME = ""
    currency: Currency | None = None
    price_min: _PRICE | None = None
    price_max: _PRICE | None = None


class Shelves:
    """Items and leaderboards, all stripes of each.

    Parameters
    ----------
    rows
        Where they are read.
    now_s
        Unix seconds.
    """

    def __init__(self, rows: StripedRows, now_s: int) -> None:
        self._rows = rows
        self._now_s = now_s

    def partners(self, item_ids: Sequence[str]) -> dict[str, Partners]:
        """Read the partners of items, viewed or bought; an item that is not known is left out."""
        return _partners(item_ids, self._rows.states(map(item_partition, item_ids)))

    def partners_and_popularity(self, item_ids: Sequence[str]) -> tuple[dict[str, Partners], Partners]:
        """Read the partners of items, and how many interactions the most popular items had."""
        leaderboard = board_partition(WEEK.window)
        states = self._rows.states([*map(item_partition, item_ids), leaderboard])
        boards = [BOARD_ROWS.body(state) for state in states.get(leaderboard, ())]
        popular = ranked_trend(boards, WEEK, self._now_s, dict.fromkeys(INTERESTED, 1), POPULAR_MAX).items
        return _partners(item_ids, states), {item.item_id: item.score for item in popular}

    def matching(self, ranked: Sequence[str], wanted: Filter, n: int) -> list[str]:
        """Return the first `n` items that match, or fewer, perhaps more; rows are read until then."""
        if wanted == ANY_ITEM:
            return list(ranked)
        found: list[str] = []
        for start in range(0, len(ranked), READ_MAX):
            if len(found) >= n:
                break
            found += matching(self._rows, ranked[start : start + READ_MAX], wanted)
        return found


def _partners(item_ids: Sequence[str], states: Mapping[str, Sequence[bytes]]) -> dict[str, Partners]:
    """Add up the partners of each item that has rows, those viewed and those bought with it."""
    found: dict[str, Partners] = {}
    for item_id in item_ids:
        if stripes := states.get(item_partition(item_id)):
            items = [ITEM_ROWS.body(state) for state in stripes]
            found[item_id] = _total(
                counts for item in items for counts in (item.viewed_with, item.bought_with)
            )
    return found


def _total(maps: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counts in maps:
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
    return total


def history_of(reader: RowReader, user_id: str, now_s: int, *, linked: bool = False) -> History:
    """Return what is remembered of a user, or else of the anonymous visitor of that id.

    Parameters
    ----------
    reader, user_id, now_s
        The table; a ``user_id`` or an ``anonymous_id``; Unix seconds.
    linked
        Whether to add what visitors did that were this user and no other.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    keys = [Key(*known_user_key(user_id)), Key(*anonymous_key(user_id))]
    rows = reader.read_all(keys)
    for row in alive([rows[key] for key in keys if key in rows], now_s):
        is_person = linked and row.key == keys[0]
        visitors = own(visitors_of(reader, user_id, now_s)) if is_person else []
        return _history([decode_user(row.state), *visitors])
    return NOTHING


def _history(parts: Sequence[UserState]) -> History:
    recent = sorted([entry for part in parts for entry in part.recent], key=newest_first)
    touched = [entry for entry in recent if entry.type_code in INTERESTED]
    bought = [entry.item_id for entry in touched if entry.type_code == TYPE_CODE["purchase"]]
    bought += [item for part in parts for session in part.sessions.newest for item in session.bought]
    return History(list(dict.fromkeys(entry.item_id for entry in touched)), frozenset(bought))


def recommendations_view(shelves: Shelves, fresh: Freshness, history: History, wish: Wish) -> Recommendations:
    """Return what `recommend` recommends."""
    known, found = recommend(shelves, history, wish)
    return _answer(known, found, fresh)


def ranking_view(
    shelves: Shelves, fresh: Freshness, history: History, candidates: Sequence[str], wanted: Filter = ANY_ITEM
) -> Recommendations:
    """Return the order of `rank`, of the items that match."""
    distinct = list(dict.fromkeys(candidates))
    known, found = rank(shelves, history, shelves.matching(distinct, wanted, len(distinct)))
    return _answer(known, found, fresh)


def _answer(known: list[str], found: list[Recommendation], fresh: Freshness) -> Recommendations:
    """Name a recommendation by its items in their order: the same list has the same id, whoever it is for."""
    listed = msgspec.msgpack.encode([item.item_id for item in found])
    name = hashlib.blake2b(listed, digest_size=12, person=b"recommendation").hexdigest()
    return Recommendations(recommendation_id=name, based_on=known, items=found, **describe_freshness(fresh))


def recommend(
    shelves: Shelves, history: History, wish: Wish, weights: Weights = WEIGHTS
) -> tuple[list[str], list[Recommendation]]:
    """Recommend items by a history; without one, the popular ones.

    Parameters
    ----------
    shelves
        Where items are read.
    history
        Of a user, of a session, or of both.
    wish
        What is asked for.
    weights
        What votes are worth.

    Returns
    -------
    tuple
        Those of the history's newest items that are known, on which all is based. And what is recommended.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    recommender, known, popular = _voted(shelves, history.items, weights)
    if wish.include_seen:
        recommender.count_seen()
    without = {*wish.exclude, *(history.items[:1] if wish.include_seen else history.items)}
    if not wish.include_bought:
        without |= history.bought
    ranked = recommender.ranked(popular, without)
    if wish.wanted != ANY_ITEM:
        # With diversity any that matches may come to be among the first.
        needed = FILTERED_MAX if wish.diversity else wish.n
        ranked = shelves.matching(ranked[:FILTERED_MAX], wish.wanted, needed)
    chosen = recommender.diversified(ranked, wish.diversity, wish.n)
    return known, [_described(item_id, recommender, popular) for item_id in chosen]


def rank(
    shelves: Shelves, history: History, candidates: Sequence[str], weights: Weights = WEIGHTS
) -> tuple[list[str], list[Recommendation]]:
    """Put different candidates in order; see `recommend`. Those of equal score stay in theirs."""
    recommender, known, popular = _voted(shelves, history.items, weights)
    recommender.count_seen()
    ranked = recommender.rank(candidates, popular)
    return known, [_described(item_id, recommender, popular) for item_id in ranked]


def _voted(
    shelves: Shelves, history: Sequence[str], weights: Weights
) -> tuple[Recommender, list[str], Partners]:
    recommender = Recommender(history, weights)
    partners = shelves.partners(recommender.history)
    recommender.count_partners(partners)
    bridges = recommender.bridges()
    theirs, popular = shelves.partners_and_popularity(bridges)
    recommender.count_partners_of(bridges, theirs)
    return recommender, list(partners), popular


def _described(item_id: str, recommender: Recommender, popular: Partners) -> Recommendation:
    why = [_reason(vote) for vote in recommender.votes(item_id)[:REASONS_MAX]]
    if not why and item_id in popular:
        why = [Reason(reason="popular", item_id=None, via=None, count=popular[item_id], score=0.0)]
    return Recommendation(item_id=item_id, score=recommender.score(item_id), why=why)


def _reason(vote: Vote) -> Reason:
    return Reason(
        reason="pairs" if vote.pairs else "seen",
        item_id=vote.source,
        via=vote.via,
        count=vote.pairs,
        score=vote.score,
    )
