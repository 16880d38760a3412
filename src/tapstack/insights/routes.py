"""Which path answers what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tapstack.core.aggregates import WINDOWS, Window
from tapstack.http import BadRequest, NotFound
from tapstack.insights.views import item_view, partners_view, trending_view, user_view
from tapstack.ports import RowReader

LISTED_DEFAULT = 20
LISTED_MAX = 100
ROUTES = (
    "/v1/users/{id}",
    "/v1/items/{id}",
    "/v1/items/{id}/also-viewed",
    "/v1/items/{id}/also-bought",
    "/v1/trending",
    "/healthz",
)

Query = Mapping[str, str]


def route_of(path: Sequence[str]) -> str | None:
    """Name the route of a path's decoded segments, which tells nothing of its id; None if there is none."""
    for route, parts in _ROUTE_PARTS.items():
        if len(parts) == len(path) and all(
            part in {"{id}", found} for part, found in zip(parts, path, strict=True)
        ):
            return route
    return None


def respond(path: Sequence[str], query: Query, reader: RowReader, now_s: int) -> dict[str, Any]:
    """Answer a GET.

    Parameters
    ----------
    path
        Decoded segments.
    query
        Decoded parameters.
    reader
        The table.
    now_s
        Unix seconds.

    Raises
    ------
    BadRequest
        Naming the parameter and what was expected.
    NotFound
        If there is no such path, or nothing known under it.
    Unavailable
        If the table does not answer.
    """
    match route_of(path):
        case "/healthz":
            return {"status": "ok"}
        case "/v1/users/{id}":
            return _found(user_view(reader, path[2], now_s), "user")
        case "/v1/items/{id}":
            return _found(item_view(reader, path[2], now_s), "item")
        case "/v1/items/{id}/also-viewed" | "/v1/items/{id}/also-bought":
            n, bought = _listed(query), path[3] == "also-bought"
            return _found(partners_view(reader, path[2], now_s, bought=bought, n=n), "item")
        case "/v1/trending":
            return trending_view(reader, _window(query), now_s, _listed(query))
    raise NotFound(f"no such path; GET {', '.join(ROUTES)}")


_ROUTE_PARTS = {route: tuple(route.strip("/").split("/")) for route in ROUTES}
_WINDOWS = {window.name: window for window in WINDOWS}


def _found(view: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    if view is None:
        raise NotFound(f"no {kind} of this id has been seen")
    return view


def _window(query: Query) -> Window:
    name = query.get("window", WINDOWS[0].name)
    if name not in _WINDOWS:
        raise BadRequest(f"window: expected one of {', '.join(_WINDOWS)}, got {name!r}")
    return _WINDOWS[name]


def _listed(query: Query) -> int:
    text = query.get("n", str(LISTED_DEFAULT))
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= LISTED_MAX:
        raise BadRequest(f"n: expected a whole number from 1 to {LISTED_MAX}, got {text!r}")
    return int(text)
