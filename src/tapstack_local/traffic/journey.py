"""Journeys through the shop: pages, and the events that each visit of a page reports in one request.

::

    landing: 35 % home, 25 % category, 20 % search, 20 % an item
    home      -> category 40 %, search 30 %, item 10 %,          leave 20 %
    list      -> item 60 %, another list 15 %,                   leave 25 %
    item      -> cart 12 %, another item 26 %, a list 32 %,      leave 30 %
    cart      -> checkout 45 %, an item 20 %, a list 15 %,       leave 20 %
    checkout  -> purchase 60 %,                                  leave 40 %
    purchase  -> home 20 %,                                      leave 80 %

A visitor comes for one category: that of the item he lands on, or one drawn by popularity. Another item is
one that the shop recommends beside the last. Who has something in the cart puts the next item there too in
40 % of cases. So about one session in twenty buys, and a session has 7 events on average. Of the anonymous
who check out, 60 % log in there, and 2 % of those who come home. Between two pages lie 1 second to some
minutes, 22 seconds on average.
"""

from __future__ import annotations

from bisect import bisect
from random import Random
from typing import Any, Literal

from tapstack_local.traffic.catalogue import Catalogue, Listing
from tapstack_local.traffic.people import Population, Visitor

Page = Literal["home", "category", "search", "item", "cart", "checkout", "purchase", "leave"]

THINK_MIN_MS = 1_000
THINK_MEAN_MS = 22_000
LOG_IN_AT_CHECKOUT = 0.60
LOG_IN_AT_HOME = 0.02
CART_AGAIN = 0.40  # an item page of somebody whose cart is not empty
CLICK_REPORTED = 0.30  # of the visits that come from a list: an SDK set up to report clicks too
CART_VIEW_REPORTED = 0.50

_NEXT: dict[Page, tuple[list[float], list[Page]]] = {
    "home": ([0.40, 0.70, 0.80], ["category", "search", "item", "leave"]),
    "category": ([0.60, 0.70, 0.75], ["item", "category", "search", "leave"]),
    "search": ([0.60, 0.65, 0.75], ["item", "category", "search", "leave"]),
    "item": ([0.12, 0.38, 0.58, 0.70], ["cart", "item", "category", "search", "leave"]),
    "cart": ([0.45, 0.65, 0.75, 0.80], ["checkout", "item", "category", "search", "leave"]),
    "checkout": ([0.60], ["purchase", "leave"]),
    "purchase": ([0.20], ["home", "leave"]),
}
_LANDING: tuple[list[float], list[Page]] = ([0.35, 0.60, 0.80], ["home", "category", "search", "item"])

# An event before it has a time and a number: its type and its fields.
Draft = tuple[str, dict[str, Any]]


class Journey:
    """A session on its way through the shop.

    Parameters
    ----------
    visitor
        Who.
    label
        The session's id.
    random
        Decides where it goes.
    """

    __slots__ = ("_cart", "_item", "_listing", "_page", "_random", "_topic", "label", "visitor")

    def __init__(self, visitor: Visitor, label: str, random: Random) -> None:
        self.visitor = visitor
        self.label = label
        self._random = random
        self._page: Page = _draw(_LANDING, random)
        self._listing: Listing | None = None
        self._item: int | None = None
        self._topic: str | None = None
        self._cart: dict[int, int] = {}

    def think_ms(self) -> int:
        """Draw how long the page is looked at."""
        return THINK_MIN_MS + int(self._random.expovariate(1 / (THINK_MEAN_MS - THINK_MIN_MS)))

    def move_on(self) -> bool:
        """Go to the next page; False if the visitor leaves."""
        tempted = self._page == "item" and self._cart and self._random.random() < CART_AGAIN
        self._page = "cart" if tempted else _draw(_NEXT[self._page], self._random)
        return self._page != "leave"

    def visit(self, shop: Catalogue, people: Population, at_ms: int) -> list[Draft]:
        """Visit the page, and return the events that are reported.

        An anonymous visitor may log in here: then `visitor` is another from now on.
        """
        page, random = self._page, self._random
        if page == "item":
            return self._see_item(shop)
        if page in {"category", "search"}:
            return self._see_list(shop)
        if page == "cart":
            return self._fill_cart(shop)
        if page == "home":
            drafts = [_page_view("/", "Home"), ("custom", {"event_name": "banner_shown"})]
            return self._maybe_log_in(drafts, people, at_ms, LOG_IN_AT_HOME)
        goods = [{**shop.details[item], "quantity": count} for item, count in self._cart.items()]
        if page == "checkout":
            drafts = [_page_view("/checkout", "Checkout"), ("checkout_start", {"items": goods})]
            return self._maybe_log_in(drafts, people, at_ms, LOG_IN_AT_CHECKOUT)
        self._cart = {}
        value = round(sum(good["price"] * good["quantity"] for good in goods), 2)
        order = {"order_id": f"o-{random.getrandbits(32):08x}"}
        paid = {"items": goods, "value": value, "currency": "EUR", "properties": order}
        return [_page_view("/thanks", "Thank you"), ("purchase", paid)]

    def _see_list(self, shop: Catalogue) -> list[Draft]:
        if self._topic is None:
            self._topic = shop.any_topic(self._random)
        draw = shop.search if self._page == "search" else shop.category
        self._listing = listing = draw(self._topic, self._random)
        shown: Draft = ("item_list_view", {"items": listing.shown})
        if listing.query is not None:
            return [("search", {"query": listing.query}), shown]
        return [_page_view(f"/c/{listing.shown[0]['list_id']}", "Category"), shown]

    def _see_item(self, shop: Catalogue) -> list[Draft]:
        listing, random = self._listing, self._random
        if listing is not None:
            self._item = shop.choose(listing, random)
        elif self._item is not None:
            self._item = shop.companion(self._item, random)
        else:
            self._item = shop.any_item(random)
        if self._topic is None:
            self._topic = shop.topic(self._item)
        detail = shop.details[self._item]
        drafts = [_page_view(f"/p/{detail['item_id']}", "Product"), ("item_view", {"items": [detail]})]
        if listing is not None and random.random() < CLICK_REPORTED:
            drafts.insert(0, ("item_click", {"items": [{"item_id": detail["item_id"]}]}))
        self._listing = None  # the next item without a list between is a recommended one
        return drafts

    def _fill_cart(self, shop: Catalogue) -> list[Draft]:
        if self._item is None:
            raise AssertionError("the cart is reached from an item alone")
        self._cart[self._item] = self._cart.get(self._item, 0) + 1
        drafts = [("cart_add", {"items": [{**shop.details[self._item], "quantity": 1}]})]
        if self._random.random() < CART_VIEW_REPORTED:
            goods = [{**shop.details[item], "quantity": count} for item, count in self._cart.items()]
            return [*drafts, ("cart_view", {"items": goods})]
        return [*drafts, _page_view("/cart", "Cart")]

    def _maybe_log_in(
        self, drafts: list[Draft], people: Population, at_ms: int, probability: float
    ) -> list[Draft]:
        anonymous_id = self.visitor.anonymous_id
        if anonymous_id is None or self._random.random() >= probability:
            return drafts
        self.visitor = people.log_in(self.visitor, at_ms)
        traits = {"plan": "plus" if self._random.random() < 0.2 else "free"}
        return [("identify", {"anonymous_id": anonymous_id, "traits": traits}), *drafts]


def _draw(choices: tuple[list[float], list[Page]], random: Random) -> Page:
    return choices[1][bisect(choices[0], random.random())]


def _page_view(path: str, title: str) -> Draft:
    return "page_view", {"properties": {"path": path, "title": title}}
