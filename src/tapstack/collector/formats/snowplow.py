"""Snowplow: the tracker protocol, by POST to ``tp2`` and by GET of the pixel ``/i``.

Read 2026-11-29: https://docs.snowplow.io/docs/fundamentals/tracker-protocol/ and the schemas at
https://github.com/snowplow/iglu-central; the trackers' requests were recorded (tests/collector/recorded/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from tapstack.collector.intake import Incoming, Result, Translated
from tapstack.collector.translation import names, times
from tapstack.collector.translation.alone import each_alone, query_alone
from tapstack.collector.translation.event import translate
from tapstack.collector.translation.fields import Fields, Object, keep, keep_rest
from tapstack.collector.translation.items import read_item
from tapstack.collector.translation.reading import (
    checked_count,
    from_base64,
    read_json,
    read_object,
    refused,
)
from tapstack.collector.translation.replies import accepted, gif_reply
from tapstack.collector.wire_format import Limits, Route
from tapstack.errors import InvalidEvent
from tapstack.http import BadRequest, Request, Response

T = TypeVar("T", dict[str, Any], list[Any])

NAME = "snowplow"
ROUTES = (Route("/com.snowplowanalytics.snowplow/tp2"), Route("/i", ("GET",)))
PARAMETERS: Mapping[str, str] = {
    "eid": "event_id",
    "uid": "user_id",
    "duid": "anonymous_id",
    "nuid": "anonymous_id",
    "tnuid": "anonymous_id",
    "sid": "session_id",
    "ttm": "occurred_at",
    "dtm": "occurred_at",
    "url": "context.page.url",
    "page": "context.page.title",
    "refr": "context.page.referrer",
    "ua": "context.user_agent",
    "lang": "context.locale",
    "tz": "context.timezone",
    "ip": "context.ip",
    "se_ac": "event_name",  # structured events
    "se_ca": "properties.category",
    "se_la": "properties.label",
    "se_pr": "properties.property",
    "se_va": "properties.value",
    "tr_id": "properties.order_id",  # transactions, and their items
    "ti_id": "properties.order_id",
    "tr_tt": "value",
    "tr_cu": "currency",
    "ti_cu": "currency",
}
# By the names of their schemas, whatever the vendor and the version. Products become items.
ENTITIES: Mapping[str, Mapping[str, str]] = {
    "transaction": {"revenue": "value", "currency": "currency"},
    "refund": {"refund_amount": "value", "currency": "currency"},
    "user": {"id": "user_id"},
    "client_session": {"sessionId": "session_id", "userId": "anonymous_id"},
}
KEYS: Sequence[str] = ()
FIELDS: Mapping[str, str] = {
    **PARAMETERS,
    **{f"{entity}.{theirs}": ours for entity, table in ENTITIES.items() for theirs, ours in table.items()},
}
ITEM_PARAMETERS: Mapping[str, str] = {
    "ti_sk": "item_id",
    "ti_nm": "name",
    "ti_ca": "category",
    "ti_pr": "price",
    "ti_qu": "quantity",
}
# What an event is, by the parameter e; and its name, unless the event says one.
KINDS: Mapping[str, tuple[str, str]] = {
    "pv": ("page_view", ""),
    "pp": ("custom", "page_ping"),
    "se": ("custom", ""),
    "ue": ("custom", ""),
    "tr": ("custom", "transaction"),
    "ti": ("purchase", "transaction_item"),
}
# Of the schemas of com.snowplowanalytics.snowplow; other schemas are custom.
SCHEMAS: Mapping[str, str] = {
    "site_search": "search",
    "add_to_cart": "cart_add",
    "remove_from_cart": "cart_remove",
    "screen_view": "page_view",
}
_VENDOR = "com.snowplowanalytics."
_parameters, _item_parameters = Fields(PARAMETERS), Fields(ITEM_PARAMETERS)
_entities = {name: Fields(table) for name, table in ENTITIES.items()}


class _Payload(msgspec.Struct):
    data: list[msgspec.Raw] | None = None


def parse(request: Request, limits: Limits) -> Sequence[Incoming]:
    """Translate the events of a payload, or of a query; see `tapstack.collector.wire_format.Format`."""
    if request.path == ("i",):
        size = sum(len(name) + len(value) for name, value in request.query)
        return [_checked_event(dict(request.query), size)]
    try:
        payload = read_json(request.body(limits.body_bytes), _Payload)
        if payload.data is None:
            return [InvalidEvent("data", "is required")]
        return [_read(raw) for raw in checked_count(payload.data)]
    except (BadRequest, InvalidEvent) as error:
        return refused(error)


def alone(request: Request, body_bytes_max: int) -> Sequence[bytes]:
    """Return each event in a body of its own; see `tapstack.collector.wire_format.Format`."""
    if request.path == ("i",):
        return query_alone(request)
    return each_alone(request.body(body_bytes_max), "data")


def write_key(request: Request, body_bytes_max: int) -> str | None:  # noqa: ARG001 - all alike
    """Return None: its trackers send none."""
    return None


def reply(request: Request, results: Sequence[Result]) -> Response:
    """Answer 200 also to events that are refused, as Snowplow's collector does: trackers repeat a 400."""
    return gif_reply(results) if request.path == ("i",) else accepted(results, {"success": True})


def _read(raw: msgspec.Raw) -> Translated | InvalidEvent:
    try:
        said = read_object(raw)
    except InvalidEvent as error:
        return error
    return _checked_event(said, len(raw))


def _checked_event(said: Object, bytes_said: int) -> Translated | InvalidEvent:
    try:
        return _event(said, bytes_said)
    except InvalidEvent as error:
        return error


def _event(said: Object, bytes_said: int) -> Translated | InvalidEvent:
    kind = said.pop("e", None)
    if not isinstance(kind, str) or not kind:
        return InvalidEvent("e", f"expected one of {', '.join(KINDS)}")
    event_type, name = KINDS.get(kind, ("custom", kind))
    event: Object = {"event_type": event_type}
    sent_at = said.pop("stm", None)
    if kind == "ue":
        _self_describe(event, said)
    elif kind == "ti":
        event["items"] = [item] if (item := read_item(said, _item_parameters)) else []
    _parameters.move(said, event)
    if name:
        event.setdefault("event_name", name)
    _add_entities(event, said)
    own = {each: said.pop(each) for each in list(said) if each.startswith(("pp_", "tr_", "ti_"))}
    keep_rest(event, "properties", own)
    keep_rest(event, "context", said)
    return translate(event, protocol=NAME, bytes_said=bytes_said, sent_at=sent_at, read_time=_ms)


def _ms(value: object) -> datetime | None:
    return times.epoch(value, 1_000)


def _self_describe(event: Object, said: Object) -> None:
    """Read a self-describing event; raises `InvalidEvent`."""
    described = _unwrapped(said, "ue_pr", "ue_px", dict)
    if described is None:
        return
    schema, data = described.pop("schema", None), described.pop("data", None)
    keep_rest(event, "properties", described)
    keep_rest(event, "context", {"schema": schema})
    properties = data if isinstance(data, dict) else {"data": data}
    is_theirs, name = _named(schema)
    event["event_name"] = name
    if is_theirs and name == "snowplow_ecommerce_action":
        action = properties.pop("type", None)
        event["event_type"] = names.SNOWPLOW.get(action, "custom") if isinstance(action, str) else "custom"
        event["event_name"] = action
    elif is_theirs and name is not None and name in SCHEMAS:
        event["event_type"] = SCHEMAS[name]
        _legacy.move(properties, properties)
        terms = properties.get("terms")
        if name == "site_search" and isinstance(terms, list) and all(isinstance(each, str) for each in terms):
            event["query"] = " ".join(properties.pop("terms"))
    keep_rest(event, "properties", properties)


_legacy = Fields({"unitPrice": "price", "unit_price": "price"})


def _add_entities(event: Object, said: Object) -> None:
    """Read what is known of the entities beside an event; the rest is kept in its context."""
    items: list[Object] = []
    entities = _unwrapped(said, "co", "cx", list) or []
    others = [entity for entity in entities if not _is_taken(entity, event, items)]
    if items and "items" not in event:
        event["items"] = items
    if others:
        keep(said, "entities", others)


def _is_taken(entity: object, event: Object, items: list[Object]) -> bool:
    """Move an entity's fields; return whether nothing is left of it."""
    if not isinstance(entity, dict) or not isinstance(data := entity.get("data"), dict):
        return False
    is_theirs, name = _named(entity.get("schema"))
    if not is_theirs:
        return False
    if name == "product":
        items.append(read_item(data))
    elif name in _entities:
        _entities[name].move(data, event)
    elif name == "checkout_step" and event["event_type"] == "checkout_start" and data.get("step", 1) != 1:
        event["event_type"] = "custom"  # the checkout began at an earlier step
    return not data


def _unwrapped(said: Object, plain: str, packed: str, kind: type[T]) -> T | None:
    """Return the data of JSON that says its schema, as text or in base64; None if there is none.

    What cannot be read may name items, a user, or a denied consent, so nobody knows what the event is.
    Snowplow makes a failed event of it, too [1]_. So may a second of them, beside the one that is read.

    Raises
    ------
    InvalidEvent
        If it is not such JSON, its data are of another kind, or both are there.

    References
    ----------
    .. [1] https://docs.snowplow.io/docs/api-reference/failed-events, read 2026-12-01
    """
    given = {name: text for name in (plain, packed) if (text := said.pop(name, None)) not in (None, "")}
    if len(given) > 1:
        raise InvalidEvent(packed, f"expected none beside {plain}")
    for name, text in given.items():
        if not isinstance(text, str):
            raise InvalidEvent(name, "expected JSON in a string")
        try:
            data = read_object(from_base64(text) if name == packed else text.encode()).get("data")
        except InvalidEvent as error:
            raise InvalidEvent(name, error.reason) from None
        if not isinstance(data, kind):
            raise InvalidEvent(name, f"expected {_KINDS_OF_DATA[kind]} as its data")
        return data
    return None


_KINDS_OF_DATA = {dict: "an object", list: "an array"}


def _named(schema: object) -> tuple[bool, str | None]:
    """Return whether a schema, ``iglu:vendor/name/jsonschema/1-0-0``, is Snowplow's, and its name."""
    if not isinstance(schema, str):
        return False, None
    vendor, _, rest = schema.removeprefix("iglu:").partition("/")
    return vendor.startswith(_VENDOR), rest.partition("/")[0] or None
