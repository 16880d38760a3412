"""Names of events that other programs use, and which event type each is here.

Names are compared without case, spaces and punctuation: ``Product Added``, ``product_added`` and
``productAdded`` are one name. A name that is not known becomes a ``custom`` event that keeps it.

Sources, read 2026-11-29: Amazon Personalize's ECOMMERCE domain [1]_, Google Analytics 4's recommended events
[2]_, Segment's e-commerce specification [3]_, Snowplow's e-commerce actions [4]_, Google's Retail API [5]_;
and the recordings of RetailRocket, REES46, OTTO and Taobao.

.. [1] https://docs.aws.amazon.com/personalize/latest/dg/ECOMMERCE-interactions-dataset.html
.. [2] https://developers.google.com/analytics/devguides/collection/ga4/reference/events
.. [3] https://segment.com/docs/connections/spec/ecommerce/v2/
.. [4] https://github.com/snowplow/iglu-central (snowplow_ecommerce_action 1-0-2)
.. [5] https://cloud.google.com/retail/docs/user-events
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from tapstack.core.events import EVENT_TYPES

NAMES: Mapping[str, tuple[str, ...]] = {
    "page_view": ("page", "page viewed", "screen", "screen_view", "home-page-view", "category-page-view"),
    "item_view": ("view", "view_item", "Product Viewed", "product_view", "detail-page-view", "pv", "watch"),
    "item_click": ("click", "clicks", "select_item", "Product Clicked", "list_click"),
    "item_list_view": ("view_item_list", "Product List Viewed", "list_view", "impression"),
    "search": ("view_search_results", "Products Searched"),
    "cart_add": ("add_to_cart", "Product Added", "cart", "carts"),
    "cart_remove": ("remove_from_cart", "Product Removed"),
    "cart_view": ("view_cart", "Cart Viewed", "shopping-cart-page-view"),
    "wishlist_add": ("add_to_wishlist", "Product Added to Wishlist", "wishlist", "fav", "favorite"),
    "checkout_start": ("begin_checkout", "Checkout Started"),
    "purchase": ("buy", "order", "orders", "Order Completed", "transaction", "purchase-complete"),
    "refund": ("Order Refunded",),
    "rate": ("rating", "Product Reviewed"),
    "share": ("Product Shared",),
}


def squashed(name: str) -> str:
    """Return a name without case, spaces and punctuation."""
    return "".join(filter(str.isalnum, name.lower()))


_TYPES: Mapping[str, str] = {squashed(name): name for name in EVENT_TYPES} | {
    squashed(name): event_type for event_type, names in NAMES.items() for name in names
}


@lru_cache(maxsize=1_024)
def event_type_of(name: str) -> str | None:
    """Return the event type of a name; None if it is not known."""
    return _TYPES.get(squashed(name))
