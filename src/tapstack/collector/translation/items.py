"""The items of an event, in the words of Segment, Google and Snowplow, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tapstack.collector.translation.fields import Fields, Object, keep

LISTS = ("products", "items")  # where senders put several
# Of the element of a list. The first name that is there counts.
ITEM_FIELDS: Mapping[str, str] = {
    "product_id": "item_id",
    "item_id": "item_id",
    "itemId": "item_id",
    "id": "item_id",
    "sku": "item_id",
    "name": "name",
    "item_name": "name",
    "price": "price",
    "quantity": "quantity",
    "currency": "currency",
    "category": "category",
    "item_category": "category",
    "brand": "brand",
    "item_brand": "brand",
    "variant": "variant",
    "item_variant": "variant",
    "position": "position",
    "index": "position",
    "list_id": "list_id",
    "item_list_id": "list_id",
}
# Of an event about one item. Others there, such as id, are the event's own.
_OF_AN_EVENT = ("id", "index", "currency", "item_list_id", "list_id")
ONE_ITEM_FIELDS = {name: field for name, field in ITEM_FIELDS.items() if name not in _OF_AN_EVENT}
VALUE_FIELDS: Mapping[str, str] = {
    "properties.revenue": "value",
    "properties.value": "value",
    "properties.total": "value",
    "properties.currency": "currency",
    "properties.query": "query",
    "properties.search_term": "query",
    "properties.recommendation_id": "recommendation_id",
    "properties.attribution_source": "attribution_source",
}
RATING_FIELDS: Mapping[str, str] = {"properties.rating": "value"}  # of a rate alone
WITHOUT_ITEMS = frozenset({"custom", "page_view", "identify"})
_item_fields, _one_item_fields, _value_fields = map(Fields, (ITEM_FIELDS, ONE_ITEM_FIELDS, VALUE_FIELDS))
_rating_fields = Fields(RATING_FIELDS)


def take_items(event: Object) -> None:
    """Move items, value, currency and query out of an event's ``properties``, unless it is about none."""
    properties = event.get("properties")
    if event["event_type"] in WITHOUT_ITEMS or not isinstance(properties, dict):
        return
    _value_fields.move(event, event)
    if event["event_type"] == "rate":
        _rating_fields.move(event, event)
    if "items" in event:
        return
    for name in LISTS:
        if isinstance(properties.get(name), list):
            event["items"], rest = read_items(properties.pop(name))
            keep(properties, name, rest)
            return
    item = read_item(properties, _one_item_fields)
    if "item_id" in item:
        event["items"] = [item]
    else:
        properties.update(item)


def read_items(said: list[Any]) -> tuple[list[Any], list[Any] | None]:
    """Return items, and what is left of each; None if nothing is left of any."""
    rests = [dict(each) if isinstance(each, dict) else each for each in said]
    items = [read_item(rest, _item_fields) if isinstance(rest, dict) else rest for rest in rests]
    is_left = any(rest for rest in rests if isinstance(rest, dict))
    return items, [rest if isinstance(rest, dict) else {} for rest in rests] if is_left else None


def read_item(said: Object, fields: Fields = _item_fields) -> Object:
    """Move an item's fields out of what was said."""
    item: Object = {}
    fields.move(said, item)
    if isinstance(item.get("item_id"), int):
        item["item_id"] = as_id(item["item_id"])
    return item


def as_id(value: object) -> object:
    """Return an id as a string: many shops number their users and items."""
    return str(value) if type(value) is int else value
