"""The canonical event ``clickstream/1``: its fields, its limits, and errors that name the field.

Three shapes share their fields: `ClientEvent` is what a sender may say, `StreamEvent` what the collector
makes of it and puts on the stream, `Event` what the consumer reads there. A `ClientEvent` is read in
`tapstack.core.client_events`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

import msgspec

from tapstack.core import currencies
from tapstack.core.memo import Memo
from tapstack.core.wording import expectation, malformed, place_of
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
NAME_SHOWN_MAX = 32  # characters of an unknown field that an answer repeats
_BMP_MAX = 0xFFFF  # a character beyond takes two escapes
ITEMS_MAX = 500
# Rials and dong need ten digits for a phone. Also of all a purchase's items together, prices times
# quantities: in millionths 10**18, which 64 bits hold.
AMOUNT_MAX = 1e12
COUNTER_MAX = 2**53 - 1  # the largest integer that every JSON reader keeps exactly

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Short = Annotated[str, msgspec.Meta(max_length=256)]
Query = Annotated[str, msgspec.Meta(max_length=1_000)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", max_length=3)]  # $ admits a line feed
Amount = Annotated[float, msgspec.Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Skew = Annotated[int, msgspec.Meta(ge=-COUNTER_MAX, le=COUNTER_MAX)]
# RFC 3339 can name moments that are in year 0 or 10000 by UTC, which no reader could show.
MOMENT_MIN = datetime.min.replace(tzinfo=UTC)
MOMENT_MAX = datetime.max.replace(tzinfo=UTC)


class CountedItem(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """What is counted of an item."""

    item_id: Id
    price: Amount | None = None
    quantity: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    currency: Currency | None = None
    name: Short | None = None
    category: Short | None = None
    brand: Short | None = None
    position: int | None = None
    list_id: Short | None = None


class Item(CountedItem, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An item that the event is about."""

    currency: currencies.Currency | None = None
    variant: Short | None = None


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

    currency: currencies.Currency | None = None
    items: Annotated[tuple[Item, ...], msgspec.Meta(max_length=ITEMS_MAX)] = ()
    event_name: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    query: Query | None = None
    impressions: Annotated[tuple[Id, ...], msgspec.Meta(max_length=100)] = ()
    recommendation_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    attribution_source: Annotated[str, msgspec.Meta(max_length=1_024)] | None = None
    context: dict[str, Any] | None = None
    consent: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


class ClientEvent(_Told, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An event as a sender may write it; other fields go into ``properties``."""

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
    protocol
        The wire format, if it is not the native one.
    source
        Who sent it, by its write key; None if keys are not checked.
    ua, is_bot, campaign, referrer
        What enrichment found out; see docs/reference/enrichment.md.
    """

    occurred_at: Moment
    received_at: Moment
    sent_at: Moment | None = None
    clock_skew_ms: Skew | None = None
    protocol: Short | None = None
    source: Short | None = None
    ua: dict[str, str] | None = None
    is_bot: bool | None = None
    campaign: dict[str, str] | None = None
    referrer: dict[str, str] | None = None
    schema: Literal["clickstream/1"] = "clickstream/1"


class Found(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """What enrichment found out about an event; see `StreamEvent`."""

    ua: Mapping[str, str] | None = None
    is_bot: bool | None = None
    campaign: Mapping[str, str] | None = None
    referrer: Mapping[str, str] | None = None


class Added(Found, frozen=True, kw_only=True, omit_defaults=True):
    """What the collector adds to a sender's event; see `StreamEvent`."""

    received_at: datetime
    sent_at: datetime | None = None
    clock_skew_ms: int | None = None
    protocol: str | None = None
    source: str | None = None


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
    query: Query | None = None
    impressions: Annotated[tuple[Id, ...], msgspec.Meta(max_length=100)] = ()
    recommendation_id: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    occurred_at: Moment
    received_at: Moment
    clock_skew_ms: Skew | None = None
    schema: Literal["clickstream/1"] = "clickstream/1"


SERVER_SET = frozenset(StreamEvent.__struct_fields__) - frozenset(ClientEvent.__struct_fields__)


_event_decoder = msgspec.json.Decoder(Event)
# Patterns of what seldom happens are compiled when it does: they would cost each cold start 2 ms.
_FIELD = (
    r"(?s)^Object (?P<fault>contains unknown|missing required) field `(?P<name>.*?)`"
    r"(?: - at `\$(?P<path>[^`]*)`)?$"
)


def decode_event(data: bytes) -> Event:
    """Parse a record of the stream.

    Raises
    ------
    InvalidEvent
        If it is not an event: the record is poison.
    """
    check_size(data, RECORD_BYTES_MAX)
    try:
        event = _event_decoder.decode(data)
        if not data.isascii():
            data.decode()  # msgspec does not look at the encoding of what it skips
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error, data) from None
    check_fields(event)
    return event


def check_size(data: bytes | msgspec.Raw, bytes_max: int) -> None:
    """Refuse what is longer."""
    if len(data) > bytes_max:
        raise InvalidEvent("", f"expected at most {bytes_max} bytes, got {len(data)}", "too_many_bytes")


def not_json(error: Exception, data: bytes) -> InvalidEvent:
    """Return what to say of bytes that msgspec could not decode."""
    what, byte = malformed(error, data)
    where = "" if byte is None else f", at byte {byte}"
    return InvalidEvent("", f"expected JSON: {what}{where}", "not_json")


def explained(message: str) -> InvalidEvent:
    """Return what msgspec finds wrong in an event, in words for its sender."""
    named = re.match(_FIELD, message)
    if named is None:
        what, path = place_of(message)
        if path == "event_type" and what.startswith("Invalid enum value"):
            return InvalidEvent(path, f"expected one of {', '.join(EVENT_TYPES)}")
        return InvalidEvent(path, expectation(what))
    path = (named["path"] or "").lstrip(".")
    name = f"{path}.{named['name']}" if path else named["name"]
    if named["fault"] == "missing required":
        return InvalidEvent(name, "is required")
    if named["name"] in SERVER_SET and not path:
        return InvalidEvent(name, "is set by the collector and not accepted from senders")
    shown = shown_name(named["name"])
    return InvalidEvent(
        f"{path}.{shown}" if path else shown,
        "unknown field; put what the schema does not name into the event's properties",
    )


def shown_name(name: str) -> str:
    """Return of a name that the sender chose what an answer repeats: some bytes, however it is escaped."""
    plain = "".join([c if c.isprintable() and c not in '"\\' and ord(c) <= _BMP_MAX else "?" for c in name])
    return plain if len(plain) <= NAME_SHOWN_MAX else plain[:NAME_SHOWN_MAX] + "..."


def check_fields(event: ClientEvent | Event) -> None:
    """Check what spans fields."""
    client_id = event.client_id
    if event.user_id is None and event.anonymous_id is None:
        raise InvalidEvent("user_id", "user_id or anonymous_id is required")
    if (client_id is None) != (event.n is None):
        missing = "n" if event.n is None else "client_id"
        raise InvalidEvent(missing, "client_id and n come together")
    if client_id is None and event.event_id is None:
        raise InvalidEvent("event_id", "event_id, or client_id and n, is required")
    moment = event.occurred_at
    if moment is not None and moment.tzinfo is not UTC and not MOMENT_MIN <= moment <= MOMENT_MAX:
        raise InvalidEvent("occurred_at", "expected a time from year 1 to 9999 by UTC")
    if client_id is not None and client_bytes_of[client_id] is None:
        raise InvalidEvent("client_id", "expected a UUIDv7 in lower-case hexadecimal")
    if not event.items and event.event_type in ITEMS_REQUIRED:
        raise InvalidEvent("items", f"{event.event_type} needs at least one item")
    if event.event_type == "purchase" and _amount(event.items) > AMOUNT_MAX:
        raise InvalidEvent("items", f"expected prices times quantities of at most {AMOUNT_MAX:.0f} in all")


def _amount(items: Sequence[CountedItem]) -> float:
    return sum([abs(item.price or 0.0) * (1 if item.quantity is None else item.quantity) for item in items])


_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _client_bytes(client_id: str) -> bytes | None:
    return bytes.fromhex(client_id.replace("-", "")) if _UUID7.fullmatch(client_id) else None


# The 16 bytes of a client_id, a UUIDv7, which has its birth time inside (RFC 9562, section 5.7); else None.
client_bytes_of = Memo(_client_bytes, 16_384)  # a client comes several times in a batch
