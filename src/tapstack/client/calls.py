"""What each method of a client asks for: method, path, parameters, body, and the answer's type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

import msgspec

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
_OF_WHAT_IS_KNOWN: frozenset[type] = frozenset(
    {User, UserHistory, UserSessions, Item, Partners, ListImpressions, RecommendationShown}
)


class Filters(TypedDict, total=False):
    """What items must be to be listed, as the newest event says that says it.

    Parameters
    ----------
    category, brand
        Its name.
    currency
        Of the last price; needed with bounds of it.
    price_min, price_max
        Bounds of the last price.
    """

    category: str
    brand: str
    currency: str
    price_min: float
    price_max: float


class Call(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """A request to be made.

    Parameters
    ----------
    path
        Percent-encoded.
    answer
        The answer's type.
    query
        Parameters; those that are None are left out.
    body
        Sent by POST if there is one.
    """

    path: str
    answer: type[A]
    query: Mapping[str, object] = {}
    body: Mapping[str, Any] | None = None

    @property
    def may_be_unknown(self) -> bool:
        """Return whether nothing may be known of whom or what it is about: then there is no answer."""
        return self.answer in _OF_WHAT_IS_KNOWN


def user(user_id: str, *, linked: bool = False) -> Call[User]:
    """Ask for a user, or the anonymous visitor of that id."""
    return Call(path=f"/v1/users/{segment(user_id)}", answer=User, query=_linked(linked=linked))


def sessions(user_id: str, *, linked: bool = False) -> Call[UserSessions]:
    """Ask for the visits of a user."""
    return Call(
        path=f"/v1/users/{segment(user_id)}/sessions", answer=UserSessions, query=_linked(linked=linked)
    )


def history(
    user_id: str, kind: str | None, n: int | None, cursor: str | None, *, linked: bool = False
) -> Call[UserHistory]:
    """Ask for a part of a user's interactions, of one event type or of any."""
    query = {"type": kind, "n": n, "cursor": cursor, **_linked(linked=linked)}
    return Call(path=f"/v1/users/{segment(user_id)}/history", answer=UserHistory, query=query)


def item(item_id: str) -> Call[Item]:
    """Ask for an item."""
    return Call(path=f"/v1/items/{segment(item_id)}", answer=Item)


def partners(item_id: str, kind: str, n: int | None) -> Call[Partners]:
    """Ask for the items that go with an item; `kind` is ``also-viewed`` or ``also-bought``."""
    return Call(path=f"/v1/items/{segment(item_id)}/{kind}", answer=Partners, query={"n": n})


def similar(item_id: str, n: int | None, filters: Filters) -> Call[Recommendations]:
    """Ask for items that go with an item, at one remove too."""
    query = {"n": n, **filters}
    return Call(path=f"/v1/items/{segment(item_id)}/similar", answer=Recommendations, query=query)


def recommendations(
    user_id: str,
    n: int | None,
    diversity: int | None,
    filters: Filters,
    *,
    include_seen: bool = False,
    include_bought: bool = False,
    linked: bool = False,
) -> Call[Recommendations]:
    """Ask for items for a user."""
    query = {
        "n": n,
        "diversity": diversity,
        "include_seen": "true" if include_seen else None,
        "include_bought": "true" if include_bought else None,
        **_linked(linked=linked),
        **filters,
    }
    return Call(path=f"/v1/users/{segment(user_id)}/recommendations", answer=Recommendations, query=query)


def for_session(
    items: Sequence[str],
    user_id: str | None,
    n: int | None,
    diversity: int | None,
    exclude: Sequence[str],
    filters: Filters,
    *,
    include_seen: bool = False,
    include_bought: bool = False,
    linked: bool = False,
) -> Call[Recommendations]:
    """Ask for items to follow those of a session."""
    body = {
        "items": _listed(items),
        "user_id": user_id,
        "n": n,
        "diversity": diversity,
        "exclude": _listed(exclude),
        "include_seen": include_seen,
        "include_bought": include_bought,
        "linked": linked,
        **filters,
    }
    return Call(path="/v1/sessions:recommend", answer=Recommendations, body=_given(body))


def rank(
    items: Sequence[str],
    session: Sequence[str],
    user_id: str | None,
    filters: Filters,
    *,
    linked: bool = False,
) -> Call[Recommendations]:
    """Ask for items in the order that suits a session or a user."""
    body = {
        "items": _listed(items),
        "session": _listed(session),
        "user_id": user_id,
        "linked": linked,
        **filters,
    }
    return Call(path="/v1/items:rank", answer=Recommendations, body=_given(body))


def trending(window: str | None, n: int | None, kind: str | None, filters: Filters) -> Call[Trending]:
    """Ask for the items with the highest scores, by all event types or by one."""
    return Call(
        path="/v1/trending", answer=Trending, query={"window": window, "n": n, "type": kind, **filters}
    )


def categories(window: str | None, n: int | None, kind: str | None = None) -> Call[Categories]:
    """Ask for the categories whose items have the highest scores, by all event types or by one."""
    return Call(path="/v1/categories", answer=Categories, query={"window": window, "n": n, "type": kind})


def category(name: str, window: str | None) -> Call[Category]:
    """Ask for what was counted of a category."""
    return Call(path=f"/v1/categories/{segment(name)}", answer=Category, query={"window": window})


def search_terms(window: str | None, n: int | None) -> Call[SearchTerms]:
    """Ask for the terms that most searches were for."""
    return Call(path="/v1/search-terms", answer=SearchTerms, query={"window": window, "n": n})


def impressions(list_id: str, days: int | None) -> Call[ListImpressions]:
    """Ask what was shown and clicked in a list."""
    path = f"/v1/lists/{segment(list_id)}/impressions"
    return Call(path=path, answer=ListImpressions, query={"days": days})


def recommendation(recommendation_id: str) -> Call[RecommendationShown]:
    """Ask what came of a recommendation."""
    return Call(path=f"/v1/recommendations/{segment(recommendation_id)}", answer=RecommendationShown)


def changes(n: int | None, cursor: str | None) -> Call[Changes]:
    """Ask for items that moved since a cursor."""
    return Call(path="/v1/changes", answer=Changes, query={"n": n, "cursor": cursor})


def conversion(window: str | None) -> Call[Conversion]:
    """Ask for the steps from a view to a purchase."""
    return Call(path="/v1/conversion", answer=Conversion, query={"window": window})


def features(
    users: Sequence[str],
    user_features: Sequence[str],
    items: Sequence[str],
    item_features: Sequence[str],
    sessions: Sequence[tuple[str, str]] = (),
    session_features: Sequence[str] = (),
    feature_service: str = "",
    categories: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> Call[Features]:
    """Ask for features of users, items, sessions and categories: the last with their features."""
    body: dict[str, Any] = {
        "users": _listed(users),
        "user_features": _listed(user_features),
        "items": _listed(items),
        "item_features": _listed(item_features),
    }
    if sessions:
        body["sessions"] = [{"user_id": user, "session_id": session} for user, session in sessions]
        body["session_features"] = _listed(session_features)
    if categories[0]:
        body["categories"], body["category_features"] = map(_listed, categories)
    if feature_service:
        body["feature_service"] = feature_service
    return Call(path="/v1/features:batchGet", answer=Features, body=body)


def attributes() -> Call[DeclaredAttributes]:
    """Ask for what is declared."""
    return Call(path="/v1/attributes", answer=DeclaredAttributes)


def status() -> Call[Status]:
    """Ask for the version, and how far projections have come."""
    return Call(path="/v1/status", answer=Status)


def _linked(*, linked: bool) -> dict[str, object]:
    return {"linked": "true" if linked else None}


def _listed(names: Sequence[str]) -> list[str]:
    """Return names as a list: a string is a sequence of strings too, and never meant so."""
    if isinstance(names, str):
        raise TypeError(f"expected a list of strings, got {names!r}")
    return list(names)


def _given(members: Mapping[str, object]) -> dict[str, object]:
    """Return those that are set; the API has defaults for the others.

    Raises
    ------
    ValueError
        If a number is infinite or none: in JSON it would be null, and so not be set.
    """
    for name, value in members.items():
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{name}: expected a finite number, got {value}")
    return {name: value for name, value in members.items() if value is not None}


def segment(id_: str) -> str:
    """Return an id as a segment of a path; dots too, or a client would resolve ``..``.

    Raises
    ------
    ValueError
        If it is empty: the path would be another one.
    TypeError
        If it is no string.
    """
    if not isinstance(id_, str):
        raise TypeError(f"id: expected a string, got {id_!r}")
    if not id_:
        raise ValueError("id: expected at least 1 character")
    return quote(id_, safe="") if id_.strip(".") else id_.replace(".", "%2E")
