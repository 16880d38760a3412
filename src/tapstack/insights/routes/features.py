"""Many features of many entities."""

from __future__ import annotations

from tapstack.insights.answers import Features
from tapstack.insights.batch import FeatureQuery, batch_get
from tapstack.insights.route import Route

ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/features:batchGet",
        summary="many features of many users and items",
        scopes=("users", "items"),
        scope_members={"users": "users", "items": "items"},
        read=lambda asked: batch_get(asked.reader, asked.body, asked.now_s, asked.freshness),
        answer=Features,
        method="POST",
        body=FeatureQuery,
        max_age_s=0,
    ),
)
