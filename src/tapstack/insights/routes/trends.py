"""Routes about the whole shop: what trends, categories, what people search for."""

from __future__ import annotations

from collections.abc import Mapping

from tapstack.core.events import TYPE_CODE
from tapstack.core.ranking import DEFAULT_WEIGHTS, Weights
from tapstack.insights.answers import Categories, Category, SearchTerms, Trending
from tapstack.insights.categories import categories_view, category_view
from tapstack.insights.freshness import CATEGORIES, LEADERBOARDS, SEARCH_TERMS
from tapstack.insights.parameters import Choice
from tapstack.insights.route import Route
from tapstack.insights.routes.choices import FILTERS, TREND, WINDOW, N
from tapstack.insights.trending import trending_view
from tapstack.insights.views import search_terms_view

_TYPES: Mapping[str, Weights] = {
    name: {code: 1} for name, code in TYPE_CODE.items() if code in DEFAULT_WEIGHTS
}
_ONE_TYPE = Choice(name="type", into="type_weights", values={"all": {}, **_TYPES}, default="all")

ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/trending",
        summary="items with the highest scores in a window that slides",
        scopes=("items",),
        read=lambda asked: trending_view(
            asked.reader,
            asked.trend,
            asked.now_s,
            asked.fresh(LEADERBOARDS),
            weights=asked.chosen_weights(),
            n=asked.n,
            choose=asked.choose(),
        ),
        answer=Trending,
        parameters=(TREND, _ONE_TYPE, N, *FILTERS),
        max_age_s=5,
    ),
    Route(
        path="/v1/categories",
        summary="the categories whose items have the highest scores in a window that slides",
        scopes=("items",),
        read=lambda asked: categories_view(
            asked.rows(),
            asked.trend,
            asked.now_s,
            asked.fresh(CATEGORIES),
            weights=asked.chosen_weights(),
            n=asked.n,
        ),
        answer=Categories,
        parameters=(TREND, _ONE_TYPE, N),
        max_age_s=5,
    ),
    Route(
        path="/v1/categories/{id}",
        summary="what was counted of a category's items in a window that slides, and in its parts",
        scopes=("items",),
        read=lambda asked: category_view(
            asked.rows(), asked.id, asked.trend, asked.now_s, asked.fresh(CATEGORIES)
        ),
        answer=Category,
        parameters=(TREND,),
        subject="category",
        max_age_s=5,
    ),
    Route(
        path="/v1/search-terms",
        summary="the terms that most searches of a window were for",
        scopes=("items",),
        read=lambda asked: search_terms_view(
            asked.reader, asked.window, asked.now_s, asked.fresh(SEARCH_TERMS), asked.n
        ),
        answer=SearchTerms,
        parameters=(WINDOW, N),
        max_age_s=5,
    ),
)
