"""The canonical event ``clickstream/1``: its fields, its limits, and errors that name the field.

Three shapes share their fields: `ClientEvent` is what a sender may say, `StreamEvent` what the collector
makes of it and puts on the stream, `Event` what the consumer reads there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

from tapstack.core.memo import Memo
from tapstack.errors import InvalidEvent

EventType = Literal[
    "page_view",
    "item_view",
    "item_click",
    "item_list_view",
    "search",
    "cart_add",
    "cart_remove",
    "cart_view",
    "wishlist_add",
    "checkout_start",
    "purchase",
    "refund",
    "rate",
    "share",
    "identify",
    "custom",
]
# The position is the code that rows store: append, never reorder.
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
TYPE_CODE = {name: code for code, name in enumerate(EVENT_TYPES)}
ITEMS_REQUIRED = frozenset(
    {"item_view", "item_click", "item_list_view", "cart_add", "cart_remove", "cart_view", "purchase"}
)

# One event as JSON; Segment's own limit, so nothing it sends is refused.
# https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/, read 2026-11-23
EVENT_BYTES_MAX = 32 * 1024
# A record holds what the sender said in our spelling, which can be longer (1e15 is 1000000000000000.0),
# and what the collector added: an event that was accepted must not become poison by that. Kinesis' own
# limit. https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html, read 2026-11-23
RECORD_BYTES_MAX = 1024 * 1024
NESTING_MAX = 64  # so that whoever reads the record, at whatever depth of calls, can
ITEMS_MAX = 100
# In millionths it stays far below 2**53, so sums of integers stay exact in JSON. Also of all a purchase's
# items together, prices times quantities: a row's integers have 64 bits.
AMOUNT_MAX = 1e9
COUNTER_MAX = 2**53 - 1  # the largest integer that every JSON reader keeps exactly

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Short = Annotated[str, msgspec.Meta(max_length=256)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", max_length=3)]  # $ admits a line feed
Amount = Annotated[float, msgspec.Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Skew = Annotated[int, msgspec.Meta(ge=-COUNTER_MAX, le=COUNTER_MAX)]
# RFC 3339 can name moments that are in year 0 or 10000 by UTC, which no reader could show.
MOMENT_MIN = datetime(1, 1, 1, tzinfo=UTC)
MOMENT_MAX = datetime(9999, 12, 31, tzinfo=UTC)


class CountedItem(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """What is counted of an item."""

    item_id: Id
    price: Amount | None = None
    quantity: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    currency: Currency | None = None


class Item(CountedItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An item that the event is about."""

    name: Short | None = None
    category: Short | None = None
    brand: Short | None = None
    variant: Short | None = None
    position: int | None = None
    list_id: Short | None = None


class _Counted(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """Fields that decide what is counted, and as whose."""

    event_type: EventType
    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    client_id: Annotated[str, msgspec.Meta(min_length=36, max_length=36)] | None = None
    n: Annotated[int, msgspec.Meta(ge=0, le=COUNTER_MAX)] | None = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    value: Amount | None = None
    currency: Currency | None = None
    traits: dict[str, Any] | None = None


class _Told(_Counted, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that a sender may say, but for the time."""

    items: Annotated[tuple[Item, ...], msgspec.Meta(max_length=ITEMS_MAX)] = ()
    event_name: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    query: Annotated[str, msgspec.Meta(max_length=1_000)] | None = None
    impressions: Annotated[tuple[Id, ...], msgspec.Meta(max_length=100)] = ()
    recommendation_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    attribution_source: Annotated[str, msgspec.Meta(max_length=1_024)] | None = None
    context: dict[str, Any] | None = None
    consent: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


class ClientEvent(_Told, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An event as a sender may say it; whoever wants more fields has ``properties``."""

    occurred_at: Moment | None = None


class StreamEvent(_Told, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An event as the collector puts it on the stream.

    Parameters
    ----------
    occurred_at
        When it happened, by the client's clock, corrected for its skew.
    received_at
        When the collector had it whole.
    clock_skew_ms
        How far `occurred_at` was moved from what the client said; None if the client said no time,
        and `occurred_at` is `received_at`.
    """

    occurred_at: Moment
    received_at: Moment
    sent_at: Moment | None = None
    clock_skew_ms: Skew | None = None
    app_id: Short | None = None
    protocol: Short | None = None
    schema: Literal["clickstream/1"] = "clickstream/1"
    ingest_id: Short | None = None


class CountedContext(msgspec.Struct, gc=False, frozen=True, omit_defaults=True):
    """What is kept of an event's context."""

    locale: Any = None


class Event(_Counted, frozen=True, kw_only=True, omit_defaults=True):
    """An event as the consumer reads it off the stream: what is counted of a `StreamEvent`.

    The rest is passed over, fields of a later collector among it: while a release is rolled out, its events
    reach the consumer of the one before.
    """

    items: Annotated[tuple[CountedItem, ...], msgspec.Meta(max_length=ITEMS_MAX)] = ()
    context: CountedContext | None = None
    occurred_at: Moment
    received_at: Moment
    clock_skew_ms: Skew | None = None
    schema: Literal["clickstream/1"] = "clickstream/1"


SERVER_SET = frozenset(StreamEvent.__struct_fields__) - frozenset(ClientEvent.__struct_fields__)

_T = TypeVar("_T")
_client_decoder = msgspec.json.Decoder(ClientEvent)
_event_decoder = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
# Patterns of what seldom happens are compiled when it does: they would cost each cold start 2 ms.
# What a sender wrote may look like the end of a message; the path after it is ours, and holds no tick.
_PLACE = r"(?s)^(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?$"
_FIELD = (
    r"(?s)^Object (?P<fault>contains unknown|missing required) field `(?P<name>.*?)`"
    r"(?: - at `\$(?P<path>[^`]*)`)?$"
)
_STRINGS_OUT = rb'(?s)"(?:[^"\\]|\\.)*"?|[^][{}"]+'


def decode_client_event(data: bytes | msgspec.Raw) -> ClientEvent:
    """Parse what a sender said.

    Raises
    ------
    InvalidEvent
        Naming the first field that is wrong, and what was expected there.
    """
    if _nested_too_deep(bytes(data)):
        raise InvalidEvent("", f"expected at most {NESTING_MAX} levels of nesting")
    event = _decode(_client_decoder, data, EVENT_BYTES_MAX)
    _check(event)
    if not (_fits_partition_key(event.user_id) and _fits_partition_key(event.anonymous_id)):
        raise InvalidEvent("user_id", "user_id and anonymous_id have at most 256 UTF-16 units")
    return event


def decode_event(data: bytes) -> Event:
    """Parse a record of the stream.

    Raises
    ------
    InvalidEvent
        If it is not an event: the record is poison.
    """
    event = _decode(_event_decoder, data, RECORD_BYTES_MAX)
    if not data.isascii():
        _check_utf8(data)
    _check(event)
    return event


def encode_event(event: StreamEvent) -> bytes:
    """Write the event as the stream holds it."""
    return _encoder.encode(event)


def _decode(decoder: msgspec.json.Decoder[_T], data: bytes | msgspec.Raw, bytes_max: int) -> _T:
    if len(data) > bytes_max:
        raise InvalidEvent("", f"expected at most {bytes_max} bytes, got {len(data)}")
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidEvent("", "expected JSON") from None


def _check_utf8(data: bytes) -> None:
    """Check what msgspec passes over: it is JSON by then, perhaps in another encoding."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise InvalidEvent("", "expected JSON") from None


def _explain(message: str) -> InvalidEvent:
    named = re.match(_FIELD, message)
    place = named or re.match(_PLACE, message)
    if place is None:
        raise AssertionError("the pattern matches any text")
    path = (place["path"] or "").lstrip(".")
    if named is None:
        what: str = place["what"]
        if path == "event_type" and what.startswith("Invalid enum value"):
            what = f"expected one of {', '.join(EVENT_TYPES)}"
        return InvalidEvent(path, what[:1].lower() + what[1:])
    name = f"{path}.{named['name']}" if path else named["name"]
    if named["fault"] == "missing required":
        return InvalidEvent(name, "is required")
    if named["name"] in SERVER_SET and not path:
        return InvalidEvent(name, "is set by the collector and not accepted from senders")
    return InvalidEvent(name, "unknown field; put what the schema does not name into properties")


def _check(event: ClientEvent | Event) -> None:
    """Check what spans fields."""
    client_id = event.client_id
    if event.user_id is None and event.anonymous_id is None:
        raise InvalidEvent("user_id", "user_id or anonymous_id is required")
    if (client_id is None) != (event.n is None):
        missing = "n" if event.n is None else "client_id"
        raise InvalidEvent(missing, "client_id and n come together")
    if client_id is None and event.event_id is None:
        raise InvalidEvent("event_id", "event_id, or client_id and n, is required")
    if event.occurred_at is not None and not MOMENT_MIN <= event.occurred_at <= MOMENT_MAX:
        raise InvalidEvent("occurred_at", "expected a time from year 1 to 9999 by UTC")
    if client_id is not None and client_bytes_of[client_id] is None:
        raise InvalidEvent("client_id", "expected a UUIDv7 in lower-case hexadecimal")
    if not event.items and event.event_type in ITEMS_REQUIRED:
        raise InvalidEvent("items", f"{event.event_type} needs at least one item")
    if event.event_type == "purchase" and _amount(event.items) > AMOUNT_MAX:
        raise InvalidEvent("items", f"expected prices times quantities of at most {AMOUNT_MAX:.0f} in all")


def _fits_partition_key(name: str | None) -> bool:
    # Kinesis speaks of 256 Unicode characters and counts as Java does, or one entry spoils a whole call.
    return name is None or len(name) <= 128 or len(name.encode("utf-16-le", "surrogatepass")) <= 512


def _amount(items: Sequence[CountedItem]) -> float:
    return sum([abs(item.price or 0.0) * (1 if item.quantity is None else item.quantity) for item in items])


def _nested_too_deep(data: bytes) -> bool:
    if data.count(b"[") + data.count(b"{") <= NESTING_MAX:
        return False  # the usual case, at the cost of two scans
    depth = 0
    for mark in re.sub(_STRINGS_OUT, b"", data):
        depth += (mark in b"[{") - (mark in b"]}")
        if depth > NESTING_MAX:
            return True
    return False


_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _client_bytes(client_id: str) -> bytes | None:
    return bytes.fromhex(client_id.replace("-", "")) if _UUID7.fullmatch(client_id) else None


# The 16 bytes of a client_id, a UUIDv7, which has its birth time inside (RFC 9562, section 5.7); else None.
client_bytes_of = Memo(_client_bytes, 16_384)  # a client comes several times in a batch
