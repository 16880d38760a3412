"""The names of events: which of ours the names of other vocabularies stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tapstack.core.events import EVENT_TYPES

# Written as `folded` returns them. Vocabularies by where they come from; each was read on 2026-11-29.
SEGMENT: Mapping[str, str] = {  # https://segment.com/docs/connections/spec/ecommerce/v2/, and version 1 below
    "products searched": "search",
    "product list viewed": "item_list_view",
    "product list filtered": "item_list_view",
    "product clicked": "item_click",
    "product viewed": "item_view",
    "product added": "cart_add",
    "product removed": "cart_remove",
    "cart viewed": "cart_view",
    "checkout started": "checkout_start",
    "order completed": "purchase",
    "order refunded": "refund",
    "product added to wishlist": "wishlist_add",
    "wishlist product added to cart": "cart_add",
    "product shared": "share",
    "cart shared": "share",
    "product reviewed": "rate",
    "page viewed": "page_view",
    "viewed product category": "item_list_view",
    "viewed product": "item_view",
    "added product": "cart_add",
    "removed product": "cart_remove",
    "completed order": "purchase",
}
GOOGLE: Mapping[
    str, str
] = {  # https://developers.google.com/analytics/devguides/collection/ga4/reference/events
    "view item": "item_view",
    "view item list": "item_list_view",
    "select item": "item_click",
    "add to cart": "cart_add",
    "remove from cart": "cart_remove",
    "view cart": "cart_view",
    "add to wishlist": "wishlist_add",
    "begin checkout": "checkout_start",
    "view search results": "search",
    "screen view": "page_view",
}
PERSONALIZE: Mapping[
    str, str
] = {  # https://docs.aws.amazon.com/personalize/latest/dg/ECOMMERCE-use-cases.html
    "view": "item_view",
    "watch": "item_view",
    "click": "item_click",
    "rating": "rate",
}
POSTHOG: Mapping[str, str] = {  # https://posthog.com/docs/data/events
    "$pageview": "page_view",
    "$screen": "page_view",
    "$identify": "identify",
    "$set": "identify",
}
SNOWPLOW: Mapping[str, str] = {  # https://docs.snowplow.io/docs/events/ootb-data/ecommerce-events/
    "product_view": "item_view",
    "list_click": "item_click",
    "list_view": "item_list_view",
    "add_to_cart": "cart_add",
    "remove_from_cart": "cart_remove",
    "checkout_step": "checkout_start",
    "transaction": "purchase",
    "refund": "refund",
}
_FOLDED = {
    **{name.replace("_", " "): name for name in EVENT_TYPES},
    **SEGMENT,
    **GOOGLE,
    **PERSONALIZE,
    **POSTHOG,
}
_NAMES = {  # and as they are mostly written, so that they need not be folded
    spelled: kind
    for name, kind in _FOLDED.items()
    for spelled in (name, name.title(), name.replace(" ", "_"))
}


def event_type(name: object) -> str:
    """Return our type of an event that a sender named; ``custom`` if the name is none that we know."""
    if not isinstance(name, str):
        return "custom"
    known = _NAMES.get(name)
    return known or _NAMES.get(folded(name), "custom")


def folded(name: str) -> str:
    """Return a name as the vocabularies have it: small letters, words apart."""
    return re.sub(r"[\s_-]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name[:64])).strip().lower()
