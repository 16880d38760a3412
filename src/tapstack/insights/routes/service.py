"""Routes about the API itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapstack import __version__
from tapstack.core.journal import definition_projection
from tapstack.http import HTML, PAGE_HEADERS
from tapstack.insights.answers import Health, Status
from tapstack.insights.route import Route
from tapstack.insights.views import health_view, status_view


def _openapi() -> Mapping[str, Any]:
    from tapstack.insights.openapi import document  # seldom asked for: a cold start does without
    from tapstack.insights.routes import ROUTES as ALL

    return document(ALL)


def _docs() -> str:
    from tapstack.docs_page import page  # likewise

    return page(_openapi())


ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/status",
        summary="the version, and how far the journal and its projections have come",
        scopes=("operations",),
        read=lambda asked: status_view(
            asked.freshness.progress(asked.now_s),
            asked.fresh,
            __version__,
            [definition_projection(view.definition) for view in asked.declared.catalogue],
        ),
        answer=Status,
        max_age_s=0,
    ),
    Route(
        path="/v1/openapi.json",
        summary="this API as an OpenAPI 3.1 document",
        scopes=(),
        read=lambda _: _openapi(),
        answer=dict,
        max_age_s=300,
    ),
    Route(
        path="/v1/docs",
        summary="the OpenAPI document as a page to read",
        scopes=(),
        read=lambda _: _docs(),
        answer=str,
        max_age_s=300,
        media_type=HTML,
        headers=PAGE_HEADERS,
    ),
    Route(
        path="/healthz",
        summary="whether the function runs and its table answers",
        scopes=(),
        read=lambda asked: health_view(asked.reader),
        answer=Health,
        max_age_s=0,
    ),
)
