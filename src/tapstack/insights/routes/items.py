"""Routes about one item."""

from __future__ import annotations

from tapstack.insights.answers import Changes, Item, Partners
from tapstack.insights.changes import changes_view
from tapstack.insights.freshness import IMPRESSIONS, ITEMS, Freshness
from tapstack.insights.items import item_view, partners_view
from tapstack.insights.parameters import Text
from tapstack.insights.route import Asked, Route
from tapstack.insights.routes.choices import N

# A number for each of up to 1,000 lanes: up to six bytes each, a third longer in base64.
_CHANGES_CURSOR = Text(name="cursor", chars_max=8_000)


def _partners(asked: Asked, *, bought: bool) -> Partners | None:
    items, shop = asked.fresh(ITEMS), asked.fresh(IMPRESSIONS)
    fresh = Freshness(min(items.as_of_s, shop.as_of_s), max(items.since_s, shop.since_s))
    return partners_view(asked.reader, asked.rows(), asked.id, asked.now_s, fresh, bought=bought, n=asked.n)


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
    Route(
        path="/v1/changes",
        summary="items that moved since a cursor, a part at a time",
        scopes=("items",),
        read=lambda asked: changes_view(
            asked.reader,
            asked.freshness.progress(asked.now_s),
            asked.fresh(ITEMS),
            asked.now_s,
            n=asked.n,
            cursor=asked.cursor,
        ),
        answer=Changes,
        parameters=(N, _CHANGES_CURSOR),
        max_age_s=0,
        may_be_gone=True,
    ),
)
