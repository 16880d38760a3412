"""What a file declares: feature views with their attributes, and feature services.

They are made by `tapstack.core.attributes.reading`, which checks them, and travel as JSON.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import msgspec

from tapstack.core.attributes.durations import LIFETIME, hop_of, seconds_of

Entity = Literal["user", "session", "item", "category"]
ENTITIES: tuple[str, ...] = get_args(Entity)
PEOPLE: tuple[Entity, ...] = ("user", "session")
CATALOGUE: tuple[Entity, ...] = ("item", "category")  # their rows name no person
Aggregation = Literal[
    "counter",
    "sum",
    "min",
    "max",
    "mean",
    "first",
    "last",
    "time_since_first",
    "time_since_last",
    "unique_list",
    "category_count",
    "most_frequent",
    "approx_count_distinct",
]
AGGREGATIONS: tuple[str, ...] = get_args(Aggregation)
# Those that need no property, those whose property is a number; the others take any.
WITHOUT_PROPERTY = frozenset({"counter", "time_since_first", "time_since_last"})
OF_NUMBERS = frozenset({"sum", "min", "max", "mean"})
OF_TEXT = frozenset({"first", "last", "unique_list", "category_count", "most_frequent"})  # see `bytes_max`
# How many values are kept unless `limit` says so, and at most.
LIMITS = {"unique_list": (20, 100), "category_count": (20, 100), "most_frequent": (20, 100)}
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in", "not in", "starts with", "is null", "is not null")

Scalar = str | int | float | bool


class Condition(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """One of three: `all` of some conditions hold, `any` of them does, or a property compares so."""

    all: tuple[Condition, ...] | None = None
    any: tuple[Condition, ...] | None = None
    property: str = ""
    operator: str = ""
    value: Scalar | tuple[Scalar, ...] | None = None


class Window(NamedTuple):
    """A window of an attribute: as its file spells it, and in seconds; 0 for the lifetime."""

    name: str
    length_s: int
    hop_s: int

    @property
    def kept(self) -> int:
        """Return how many whole tiles lie before the present one."""
        return self.length_s // self.hop_s if self.hop_s else 0


class Attribute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """One attribute.

    Parameters
    ----------
    name
        Unique in its view.
    aggregation
        What is kept.
    events
        Types of events that count; none for all.
    property
        What of an event is aggregated, such as ``value`` or ``items.category``.
    filter
        Which events, or which of their items, count.
    windows
        Such as ``24h``, or ``lifetime``.
    hop
        Length of a tile; empty for the usual one of each window.
    limit
        How many values are kept.
    bytes_max
        UTF-8, of a text that is kept; longer ones are cut.
    default
        Answered where there is no value.
    """

    name: str
    aggregation: Aggregation
    events: tuple[str, ...] = ()
    property: str = ""
    filter: Condition | None = None
    windows: tuple[str, ...] = (LIFETIME,)
    hop: str = ""
    limit: int = 0
    bytes_max: int = 40
    default: Scalar | None = None
    description: str = ""

    @cached_property
    def spans(self) -> tuple[Window, ...]:
        """Return the windows with their tiles."""
        return tuple([self._span(name) for name in self.windows])

    def _span(self, name: str) -> Window:
        if name == LIFETIME:
            return Window(name, 0, 0)
        length_s = seconds_of(name)
        return Window(name, length_s, seconds_of(self.hop) if self.hop else hop_of(length_s))


class FeatureView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """Attributes of one kind of entity that are versioned together.

    Parameters
    ----------
    name
        With the version unique in its file.
    version
        A changed definition needs a new one.
    entity
        Whose attributes they are.
    attribute
        The attributes.
    ttl
        After that long without an event that counts, what was kept is forgotten; empty for never.
    """

    name: str
    version: int = 1
    entity: Entity
    attribute: tuple[Attribute, ...]
    ttl: str = ""
    owner: str = ""
    description: str = ""

    @cached_property
    def key(self) -> str:
        """Return what names its state in a row."""
        return f"{self.name}@{self.version}"

    @cached_property
    def definition(self) -> str:
        """Return what names the view as it is defined: rows of items and categories are kept under it."""
        return f"{self.key}#{self.fingerprint:08x}"

    @cached_property
    def ttl_s(self) -> int:
        """Return the ttl in seconds; 0 for never."""
        return seconds_of(self.ttl) if self.ttl else 0

    @cached_property
    def fingerprint(self) -> int:
        """Return 32 bits of all that decides what its state means: a state of another definition is none."""
        meaning = [msgspec.structs.replace(each, default=None, description="") for each in self.attribute]
        return int.from_bytes(
            hashlib.blake2b(_encoder.encode((self.entity, meaning)), digest_size=4).digest(), "big"
        )


class FeatureService(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """Features that are asked for together, by one name."""

    name: str
    features: tuple[str, ...]
    description: str = ""


class Feature(NamedTuple):
    """What can be asked for: an attribute in a window."""

    name: str  # user_stats:views_1h, for the newest version of a view; user_stats@2:views_1h
    view: FeatureView
    position: int  # of the attribute in its view
    window: Window

    @property
    def attribute(self) -> Attribute:
        """Return the attribute."""
        return self.view.attribute[self.position]


class Definitions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """All that a file declares."""

    feature_view: tuple[FeatureView, ...] = ()
    feature_service: tuple[FeatureService, ...] = ()

    def views(self, *entities: Entity) -> tuple[FeatureView, ...]:
        """Return the views of some kinds of entities, in the order of the file."""
        return tuple([view for view in self.feature_view if view.entity in entities])

    @cached_property
    def features(self) -> dict[str, Feature]:
        """Return what can be asked for, by all of its names."""
        newest: dict[str, int] = {}
        for view in self.feature_view:
            newest[view.name] = max(view.version, newest.get(view.name, 0))
        return {
            name: Feature(name, view, position, window)
            for view in self.feature_view
            for prefix in ([view.name] if newest[view.name] == view.version else []) + [view.key]
            for position, window, served in served_names(view)
            for name in [f"{prefix}:{served}"]
        }


NONE = Definitions()
_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Definitions)


def served_names(view: FeatureView) -> Iterator[tuple[int, Window, str]]:
    """Return position, window and name of each feature of a view."""
    for position, attribute in enumerate(view.attribute):
        for window in attribute.spans:
            yield position, window, f"{attribute.name}_{window.name}"


def encode_definitions(definitions: Definitions) -> bytes:
    """Write definitions as they travel."""
    return _encoder.encode(definitions)


def decode_definitions(data: bytes) -> Definitions:
    """Read what `encode_definitions` wrote; raises `msgspec.DecodeError`."""
    return _decoder.decode(data)


_JSON_TYPES: dict[str, str] = {
    "counter": "integer",
    "approx_count_distinct": "integer",
    "first": "string, number or boolean",
    "last": "string, number or boolean",
    "most_frequent": "string",
    "unique_list": "list of strings",
    "category_count": "object of integers by string",
}


def json_type(attribute: Attribute) -> str:
    """Return the type of an attribute's values, in JSON's words."""
    return _JSON_TYPES.get(attribute.aggregation, "number")
