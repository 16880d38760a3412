"""The API's routes as data: paths, their parameters, and the types of the answers; a file a subject."""

from __future__ import annotations

from collections.abc import Sequence

from tapstack.insights.route import Route
from tapstack.insights.routes import features, impressions, items, recommending, service, trends, users

ROUTES: tuple[Route, ...] = (
    *users.ROUTES,
    *items.ROUTES,
    *recommending.ROUTES,
    *trends.ROUTES,
    *impressions.ROUTES,
    *features.ROUTES,
    *service.ROUTES,
)
_SEGMENTS = tuple((route, tuple(route.path.strip("/").split("/"))) for route in ROUTES)


def route_at(path: Sequence[str]) -> Route | None:
    """Return the route of a path's decoded segments, if there is one."""
    for route, segments in _SEGMENTS:
        if len(segments) == len(path) and all(
            segment in {"{id}", found} for segment, found in zip(segments, path, strict=True)
        ):
            return route
    return None
