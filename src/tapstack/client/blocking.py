"""The client for code that blocks."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar, Unpack

from tapstack.client import calls
from tapstack.client.calls import Filters
from tapstack.client.sending import Sender
from tapstack.insights.answers import (
    Categories,
    Category,
    Changes,
    Conversion,
    DeclaredAttributes,
    Features,
    Item,
    ListImpressions,
    Partners,
    Recommendations,
    RecommendationShown,
    SearchTerms,
    Status,
    Trending,
    User,
    UserHistory,
    UserSessions,
)

A = TypeVar("A")
TIMEOUT_S = 2.0  # as long as the API itself goes on asking the table
RETRIES = 2


class Insights:
    """Reads from the insights API; threads may share it.

    Every method raises `Refused` if the request is wrong or its key lacks a scope, and `Unavailable` if no
    attempt was answered.

    Parameters
    ----------
    url
        Where the load balancer is, such as ``http://events.internal``.
    key
        A reader's key; None if the stack asks for none.
    timeout_s
        For each wait on the network, and at most between two attempts, seconds; above 0.
    retries
        Further attempts after a failure of the network, 502, 503 or 504; ``>= 0``.

    Raises
    ------
    ValueError
        If `url` is not an address, or another argument is not what it must be.
    ModuleNotFoundError
        If urllib3 is not installed; ``pip install 'tapstack[client]'``.
    """

    def __init__(
        self, url: str, *, key: str | None = None, timeout_s: float = TIMEOUT_S, retries: int = RETRIES
    ) -> None:
        self._sender = Sender(url, key, timeout_s, retries)
        self._send = self._sender.send

    def user(self, user_id: str, *, linked: bool = False) -> User | None:
        """Return a user, or the anonymous visitor of that id; None if neither has been seen.

        With `linked`, what its own visitors did is added: docs/reference/insights-api.md has the rule.
        """
        return self._send(calls.user(user_id, linked=linked))

    def sessions(self, user_id: str, *, linked: bool = False) -> UserSessions | None:
        """Return the visits of a user; see `user`."""
        return self._send(calls.sessions(user_id, linked=linked))

    def history(
        self,
        user_id: str,
        *,
        event_type: str | None = None,
        n: int | None = None,
        cursor: str | None = None,
        linked: bool = False,
    ) -> UserHistory | None:
        """Return a part of a user's interactions, newest first; None if the user has not been seen.

        Parameters
        ----------
        user_id
            A ``user_id`` or an ``anonymous_id``.
        event_type
            Of the interactions, such as ``purchase``; any if not given.
        n
            ``1..100``; 20 if not given.
        cursor
            ``next_cursor`` of the answer before, to go on there.
        linked
            Whether to add those of the user's own visitors; see `user`.
        """
        return self._send(calls.history(user_id, event_type, n, cursor, linked=linked))

    def item(self, item_id: str) -> Item | None:
        """Return an item's counts; None if it has not been seen."""
        return self._send(calls.item(item_id))

    def also_viewed(self, item_id: str, n: int | None = None) -> Partners | None:
        """Return up to `n` items (1 to 100, else 20) viewed next to an item; None if it has not been seen."""
        return self._send(calls.partners(item_id, "also-viewed", n))

    def also_bought(self, item_id: str, n: int | None = None) -> Partners | None:
        """Return up to `n` items bought in one session with an item; None if it has not been seen."""
        return self._send(calls.partners(item_id, "also-bought", n))

    def similar(self, item_id: str, n: int | None = None, **filters: Unpack[Filters]) -> Recommendations:
        """Return up to `n` items (1 to 100, else 20) that go with an item, at one remove too."""
        return found(self._send(calls.similar(item_id, n, filters)))

    def recommendations(
        self,
        user_id: str,
        n: int | None = None,
        *,
        diversity: int | None = None,
        include_seen: bool = False,
        include_bought: bool = False,
        linked: bool = False,
        **filters: Unpack[Filters],
    ) -> Recommendations:
        """Return up to `n` items for a user or a visitor, popular ones if nothing is known of either.

        Parameters
        ----------
        user_id
            A ``user_id`` or an ``anonymous_id``.
        n
            ``1..100``; 20 if not given.
        diversity
            ``0..90``, percent: how much of a score an item loses that goes with those above it.
        include_seen, include_bought
            Whether items of the user's history may be among them.
        linked
            Whether to count what the user's own visitors did as the user's; see `user`.
        **filters
            What items must be: `Filters`.
        """
        call = calls.recommendations(
            user_id,
            n,
            diversity,
            filters,
            include_seen=include_seen,
            include_bought=include_bought,
            linked=linked,
        )
        return found(self._send(call))

    def for_session(
        self,
        items: Sequence[str],
        n: int | None = None,
        *,
        user_id: str | None = None,
        diversity: int | None = None,
        exclude: Sequence[str] = (),
        include_seen: bool = False,
        include_bought: bool = False,
        linked: bool = False,
        **filters: Unpack[Filters],
    ) -> Recommendations:
        """Return up to `n` items to follow those of a session, the newest last; see `recommendations`."""
        call = calls.for_session(
            items,
            user_id,
            n,
            diversity,
            exclude,
            filters,
            include_seen=include_seen,
            include_bought=include_bought,
            linked=linked,
        )
        return found(self._send(call))

    def rank(
        self,
        items: Sequence[str],
        *,
        session: Sequence[str] = (),
        user_id: str | None = None,
        linked: bool = False,
        **filters: Unpack[Filters],
    ) -> Recommendations:
        """Return items in the order that suits a session, the newest last, or a user."""
        return found(self._send(calls.rank(items, session, user_id, filters, linked=linked)))

    def trending(
        self,
        window: str | None = None,
        n: int | None = None,
        *,
        event_type: str | None = None,
        **filters: Unpack[Filters],
    ) -> Trending:
        """Return up to `n` items with the highest scores in a window (5m, 1h, 24h or 7d), or by one type."""
        return found(self._send(calls.trending(window, n, event_type, filters)))

    def categories(
        self, window: str | None = None, n: int | None = None, *, event_type: str | None = None
    ) -> Categories:
        """Return up to `n` categories whose items have the highest scores in a window, or by one type."""
        return found(self._send(calls.categories(window, n, event_type)))

    def category(self, name: str, window: str | None = None) -> Category:
        """Return what was counted of a category's items in a window."""
        return found(self._send(calls.category(name, window)))

    def search_terms(self, window: str | None = None, n: int | None = None) -> SearchTerms:
        """Return up to `n` terms that most searches of a window were for."""
        return found(self._send(calls.search_terms(window, n)))

    def impressions(self, list_id: str, days: int | None = None) -> ListImpressions | None:
        """Return what was shown and clicked in a list today and `days` before (0 to 7), by position."""
        return self._send(calls.impressions(list_id, days))

    def recommendation(self, recommendation_id: str) -> RecommendationShown | None:
        """Return what came of a recommendation; None if no event named it."""
        return self._send(calls.recommendation(recommendation_id))

    def changes(self, cursor: str | None = None, n: int | None = None) -> Changes:
        """Return items that moved since `next_cursor` of the answer before; without it, begin at the present.

        Raises `Refused` with the code ``cursor_expired`` once the journal no longer holds what follows.
        """
        answer = self._send(calls.changes(n, cursor))
        return found(answer)

    def conversion(self, window: str | None = None) -> Conversion:
        """Return views, carts, checkouts and purchases in a window (5m, 1h, 24h or 7d)."""
        return found(self._send(calls.conversion(window)))

    def status(self) -> Status:
        """Return the version, and how far the projections have come."""
        return found(self._send(calls.status()))

    def features(
        self,
        *,
        users: Sequence[str] = (),
        user_features: Sequence[str] = (),
        items: Sequence[str] = (),
        item_features: Sequence[str] = (),
        sessions: Sequence[tuple[str, str]] = (),
        session_features: Sequence[str] = (),
        feature_service: str = "",
        categories: Sequence[str] = (),
        category_features: Sequence[str] = (),
    ) -> Features:
        """Return features, up to 20,000 cells; docs/reference/insights-api.md names those there are.

        A session is a user's id and its own.
        """
        call = calls.features(
            users,
            user_features,
            items,
            item_features,
            sessions,
            session_features,
            feature_service,
            (categories, category_features),
        )
        return found(self._send(call))

    def attributes(self) -> DeclaredAttributes:
        """Return the declared attributes."""
        return found(self._send(calls.attributes()))

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def found(answer: A | None) -> A:
    """Return an answer that there always is."""
    if answer is None:
        raise AssertionError("only a call about what may be unknown has no answer")
    return answer
