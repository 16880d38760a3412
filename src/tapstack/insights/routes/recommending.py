"""Routes that recommend, each answer with its reasons."""

from __future__ import annotations

from tapstack.insights.answers import Recommendations
from tapstack.insights.filters import ANY_ITEM, Filter
from tapstack.insights.parameters import Choice, Integer
from tapstack.insights.problems import Fault, InvalidRequest
from tapstack.insights.recommendations import (
    History,
    ItemsToRank,
    SessionItems,
    Wish,
    ranking_view,
    recommendations_view,
)
from tapstack.insights.route import Asked, Route
from tapstack.insights.routes.choices import FILTERS, LINKED, NO_YES, N

_DIVERSITY = Integer(name="diversity", low=0, high=90, default="0")
_INCLUDE_SEEN = Choice(name="include_seen", into="include_seen", values=NO_YES, default="false")
_INCLUDE_BOUGHT = Choice(name="include_bought", into="include_bought", values=NO_YES, default="false")


def _similar(asked: Asked) -> Recommendations:
    return recommendations_view(*asked.shelves(), History([asked.id]), Wish(n=asked.n, wanted=asked.filter()))


def _for_user(asked: Asked) -> Recommendations:
    wish = Wish(
        n=asked.n,
        diversity=asked.diversity / 100,
        include_seen=asked.include_seen,
        include_bought=asked.include_bought,
        wanted=asked.filter(),
    )
    return recommendations_view(*asked.shelves(), asked.history(asked.id, linked=asked.linked), wish)


def _for_session(asked: Asked) -> Recommendations:
    body: SessionItems = asked.body
    wish = Wish(
        n=body.n,
        diversity=body.diversity / 100,
        include_seen=body.include_seen,
        include_bought=body.include_bought,
        exclude=body.exclude,
        wanted=_wanted(body),
    )
    history = asked.history(body.user_id, linked=body.linked).after(body.items)
    return recommendations_view(*asked.shelves(), history, wish)


def _ranked(asked: Asked) -> Recommendations:
    body: ItemsToRank = asked.body
    wanted = _wanted(body)
    history = asked.history(body.user_id, linked=body.linked).after(body.session)
    return ranking_view(*asked.shelves(), history, body.items, wanted)


def _wanted(body: SessionItems | ItemsToRank) -> Filter:
    """Return what items must be, as a body says it; before the table is asked.

    Raises
    ------
    InvalidRequest
        If a price is in no currency, or if the bounds leave nothing between them.
    """
    bounds = {"price_min": body.price_min, "price_max": body.price_max}
    if body.currency is None and (given := [name for name, bound in bounds.items() if bound is not None]):
        missing = "expected currency beside it, got none"
        raise InvalidRequest([Fault(pointer=f"#/{name}", detail=missing) for name in given])
    wanted = Filter(
        category=body.category,
        brand=body.brand,
        currency=body.currency or ANY_ITEM.currency,
        price_min=ANY_ITEM.price_min if body.price_min is None else body.price_min,
        price_max=ANY_ITEM.price_max if body.price_max is None else body.price_max,
    )
    if wanted.price_max < wanted.price_min:
        crossed = f"expected at least price_min, which is {wanted.price_min}, got {wanted.price_max}"
        raise InvalidRequest([Fault(pointer="#/price_max", detail=crossed)])
    return wanted


ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/items/{id}/similar",
        summary="items that go with an item, at one remove too, each with its reasons",
        scopes=("items",),
        read=_similar,
        answer=Recommendations,
        parameters=(N, *FILTERS),
        subject="item",
    ),
    Route(
        path="/v1/users/{id}/recommendations",
        summary="items for a user or an anonymous visitor, each with its reasons",
        scopes=("users", "items"),
        read=_for_user,
        answer=Recommendations,
        parameters=(N, _DIVERSITY, _INCLUDE_SEEN, _INCLUDE_BOUGHT, LINKED, *FILTERS),
        subject="user",
    ),
    Route(
        path="/v1/sessions:recommend",
        summary="items to follow those of a session, each with its reasons",
        scopes=("users", "items"),
        scope_members={"users": "user_id"},
        read=_for_session,
        answer=Recommendations,
        method="POST",
        body=SessionItems,
        max_age_s=0,
    ),
    Route(
        path="/v1/items:rank",
        summary="given items in the order that suits a session or a user, each with its reasons",
        scopes=("users", "items"),
        scope_members={"users": "user_id"},
        read=_ranked,
        answer=Recommendations,
        method="POST",
        body=ItemsToRank,
        max_age_s=0,
    ),
)
