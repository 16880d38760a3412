"""Routes about one item."""

from __future__ import annotations

from tapstack.insights.answers import Item, Partners
from tapstack.insights.freshness import ITEMS
from tapstack.insights.items import item_view, partners_view
from tapstack.insights.route import Asked, Route
from tapstack.insights.routes.choices import N


def _partners(asked: Asked, *, bought: bool) -> Partners | None:
    fresh = asked.fresh(ITEMS)
    return partners_view(asked.reader, asked.id, asked.now_s, fresh, bought=bought, n=asked.n)


ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/items/{id}",
        summary="what an item is, its counts, value and rates, over its lifetime and in windows",
        scopes=("items",),
        read=lambda asked: item_view(asked.reader, asked.id, asked.now_s, asked.fresh(ITEMS)),
        answer=Item,
        subject="item",
    ),
    Route(
        path="/v1/items/{id}/also-viewed",
        summary="items viewed right before or after an item",
        scopes=("items",),
        read=lambda asked: _partners(asked, bought=False),
        answer=Partners,
        parameters=(N,),
        subject="item",
    ),
    Route(
        path="/v1/items/{id}/also-bought",
        summary="items bought in one session with an item",
        scopes=("items",),
        read=lambda asked: _partners(asked, bought=True),
        answer=Partners,
        parameters=(N,),
        subject="item",
    ),
)
