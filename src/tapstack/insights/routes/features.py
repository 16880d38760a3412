"""Many features of many entities."""

from __future__ import annotations

from tapstack.insights.answers import DeclaredAttributes, Features
from tapstack.insights.batch import FeatureQuery, batch_get
from tapstack.insights.declared import declared_view
from tapstack.insights.route import Route

ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/features:batchGet",
        summary="many features of many users, sessions, items and categories",
        scopes=("users", "items"),
        scope_members={"users": "people", "items": "catalogue"},
        read=lambda asked: batch_get(asked.reader, asked.body, asked.now_s, asked.freshness, asked.declared),
        answer=Features,
        method="POST",
        body=FeatureQuery,
        max_age_s=0,
    ),
    Route(
        path="/v1/attributes",
        summary="the declared attributes: views, their features, and services",
        scopes=("users",),
        read=lambda asked: declared_view(asked.declared.definitions),
        answer=DeclaredAttributes,
        max_age_s=60,
    ),
)
