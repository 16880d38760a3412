"""The events of `clickstream/1` as types, so that an editor completes their fields.

They hold what the application knows; the producer adds the identity and, if there is none, the time. Fields
and limits are in docs/reference/events.md; they are checked when the event is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from tapstack.core.events import EventType, Item

__all__ = [
    "CartAdd", "CartRemove", "CartView", "CheckoutStart", "Custom", "Event", "Identify", "Item", "ItemClick",
    "ItemListView", "ItemView", "PageView", "Purchase", "Rate", "Refund", "Search", "Share", "WishlistAdd",
]  # fmt: skip


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every event may say; send one of the types below.

    Parameters
    ----------
    user_id, anonymous_id
        Who did it; at least one of them, 1 to 256 characters.
    session_id
        The visit, if the application knows it.
    occurred_at
        When it happened, with a zone; the time of the call by default.
    event_id
        An id of the application's own, the same for every copy of the event. The producer numbers events
        that have none.
    event_name
        The application's own name of it.
    value, currency
        What it is worth; ISO 4217.
    query
        What was searched.
    impressions
        Ids of the items that were shown.
    recommendation_id, attribution_source
        What led to it.
    context, consent, properties, traits
        Objects; everything that has no field belongs into `properties`.
    """

    event_type: ClassVar[EventType]

    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    occurred_at: datetime | None = None
    event_id: str | None = None
    event_name: str | None = None
    value: float | None = None
    currency: str | None = None
    query: str | None = None
    impressions: Sequence[str] = ()
    recommendation_id: str | None = None
    attribution_source: str | None = None
    context: Mapping[str, Any] | None = None
    consent: Mapping[str, Any] | None = None
    properties: Mapping[str, Any] | None = None
    traits: Mapping[str, Any] | None = None


class _OfItems(Event, frozen=True, kw_only=True, omit_defaults=True):
    items: Sequence[Item]


class _MaybeOfItems(Event, frozen=True, kw_only=True, omit_defaults=True):
    items: Sequence[Item] = ()


class PageView(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """A page was shown."""

    event_type = "page_view"


class ItemView(_OfItems, frozen=True, kw_only=True, omit_defaults=True):
    """An item's own page was shown."""

    event_type = "item_view"


class ItemClick(_OfItems, frozen=True, kw_only=True, omit_defaults=True):
    """An item of a list was chosen."""

    event_type = "item_click"


class ItemListView(_OfItems, frozen=True, kw_only=True, omit_defaults=True):
    """A list of items was shown."""

    event_type = "item_list_view"


class Search(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Something was searched: `query`."""

    event_type = "search"


class CartAdd(_OfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Items were put into the cart."""

    event_type = "cart_add"


class CartRemove(_OfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Items were taken out of the cart."""

    event_type = "cart_remove"


class CartView(_OfItems, frozen=True, kw_only=True, omit_defaults=True):
    """The cart was shown."""

    event_type = "cart_view"


class WishlistAdd(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Items were put on a list of wishes."""

    event_type = "wishlist_add"


class CheckoutStart(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """The checkout began."""

    event_type = "checkout_start"


class Purchase(_OfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Items were bought; without a `value`, for the sum of their prices."""

    event_type = "purchase"


class Refund(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """A purchase, or a part of it, was paid back."""

    event_type = "refund"


class Rate(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Something was rated: `value`."""

    event_type = "rate"


class Share(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Something was shared."""

    event_type = "share"


class Identify(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Something became known about the user: `traits`."""

    event_type = "identify"


class Custom(_MaybeOfItems, frozen=True, kw_only=True, omit_defaults=True):
    """Anything else: `event_name` says what."""

    event_type = "custom"
