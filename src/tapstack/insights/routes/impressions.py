"""Routes about what was shown, and what came of it."""

from __future__ import annotations

from tapstack.insights.answers import Conversion, ListImpressions, RecommendationShown
from tapstack.insights.freshness import IMPRESSIONS
from tapstack.insights.impressions import conversion_view, list_view, recommendation_view
from tapstack.insights.parameters import Integer
from tapstack.insights.route import Route
from tapstack.insights.routes.choices import TREND

_DAYS = Integer(name="days", low=0, high=7, default="7")

ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/lists/{id}/impressions",
        summary="what was shown and clicked in a list, by position",
        scopes=("items",),
        read=lambda asked: list_view(
            asked.reader, asked.id, asked.days, asked.now_s, asked.fresh(IMPRESSIONS)
        ),
        answer=ListImpressions,
        parameters=(_DAYS,),
        subject="list",
        max_age_s=5,
    ),
    Route(
        path="/v1/recommendations/{id}",
        summary="what came of a recommendation: shown, clicked by position, and events that name it",
        scopes=("items",),
        read=lambda asked: recommendation_view(asked.reader, asked.id, asked.now_s, asked.fresh(IMPRESSIONS)),
        answer=RecommendationShown,
        subject="recommendation",
        max_age_s=5,
    ),
    Route(
        path="/v1/conversion",
        summary="views, carts, checkouts and purchases of the shop in a window that slides",
        scopes=("items",),
        read=lambda asked: conversion_view(asked.reader, asked.trend, asked.now_s, asked.fresh(IMPRESSIONS)),
        answer=Conversion,
        parameters=(TREND,),
        max_age_s=5,
    ),
)
