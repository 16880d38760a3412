"""What an event says, as attributes see it: more of its fields than `tapstack.core.events.Event` has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeGuard

import msgspec

from tapstack.core.events import COUNTER_MAX


class ToldItem(msgspec.Struct, gc=False, frozen=True):
    """An item of an event."""

    item_id: str | None = None
    name: str | None = None
    category: str | None = None
    brand: str | None = None
    variant: str | None = None
    list_id: str | None = None
    currency: str | None = None
    price: float | None = None
    quantity: int | None = None
    position: int | None = None


class Told(msgspec.Struct, gc=False, frozen=True):
    """An event."""

    event_type: str = ""
    event_name: str | None = None
    query: str | None = None
    currency: str | None = None
    recommendation_id: str | None = None
    attribution_source: str | None = None
    value: float | None = None
    items: tuple[ToldItem, ...] = ()
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None


Getter = Callable[[Told, ToldItem], Any]
Kind = Literal["number", "text", "any"]

ITEM = "items."
FREE = ("properties.", "context.", "traits.")
_NO_ITEM = ToldItem()
_ONCE = (_NO_ITEM,)
_decoder = msgspec.json.Decoder(Told)
_EVENT_FIELDS: Mapping[str, Kind] = {
    "event_type": "text",
    "event_name": "text",
    "query": "text",
    "currency": "text",
    "recommendation_id": "text",
    "attribution_source": "text",
    "value": "number",
}
_ITEM_NUMBERS = frozenset({"price", "quantity", "position"})
KINDS: Mapping[str, Kind] = {
    **_EVENT_FIELDS,
    **{ITEM + name: "number" if name in _ITEM_NUMBERS else "text" for name in ToldItem.__struct_fields__},
}
PATH_STEPS_MAX = 4
# What may stand in rows of items and categories: a search term or a free property may name a person.
NAMES_NO_PERSON = frozenset(KINDS) - {"query"}


class Property(NamedTuple):
    """A property that a file names."""

    get: Getter
    kind: Kind
    is_of_items: bool


def decode_told(event_type: str, data: bytes) -> Told:
    """Read a record that is known to be an event, of this type.

    The event's own reader passes over what it does not count: if somebody else put the record, that may be of
    another kind than collectors write. Then the event says its type alone, and the batch goes on.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Told(event_type=event_type)


def subjects(told: Told, *, by_item: bool) -> tuple[ToldItem, ...]:
    """Return what an attribute looks at: each item of an event, or the event, once."""
    return told.items if by_item else _ONCE


def property_of(name: str) -> Property:
    """Return the property of this name.

    Raises
    ------
    ValueError
        Saying what was expected.
    """
    if name in KINDS:
        if name.startswith(ITEM):
            return Property(_item_getter(name.removeprefix(ITEM)), KINDS[name], is_of_items=True)
        return Property(_event_getter(name), KINDS[name], is_of_items=False)
    prefix = next((prefix for prefix in FREE if name.startswith(prefix)), None)
    steps = name.split(".")[1:]
    if prefix is None or not all(steps) or len(steps) > PATH_STEPS_MAX:
        raise ValueError(
            f"expected one of {', '.join(KINDS)}, or properties.NAME, context.NAME, traits.NAME, got {name!r}"
        )
    return Property(_path_getter(prefix[:-1], steps), "any", is_of_items=False)


def _event_getter(name: str) -> Getter:
    return lambda told, _: getattr(told, name)


def _item_getter(name: str) -> Getter:
    return lambda _, item: getattr(item, name)


def _path_getter(field: str, steps: list[str]) -> Getter:
    def get(told: Told, _: ToldItem) -> Any:
        value: Any = getattr(told, field)
        for step in steps:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        return value

    return get


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number that a row keeps; no boolean is one."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -COUNTER_MAX <= value <= COUNTER_MAX
    )


def text_of(value: object, bytes_max: int) -> str | None:
    """Return a scalar as text of at most so many bytes in UTF-8; None of anything else."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif is_number(value):
        text = repr(int(value) if value == int(value) else value)  # 5.0 is 5, as JSON writes either
    else:
        return None
    if len(text) * 4 <= bytes_max or len(encoded := text.encode()) <= bytes_max:
        return text
    return encoded[:bytes_max].decode(errors="ignore")
