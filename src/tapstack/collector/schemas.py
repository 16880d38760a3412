"""Schemas of a shop's own: what an event has to hold beside what every event does.

A schema is a JSON Schema for events in our spelling, as docs/reference/events.md names their fields and
before the collector adds any. It says itself for which events it is, and what becomes of one that breaks it.
`tapstack.collector.schema_folder` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from tapstack.collector.schema_wording import Broken, broken_by
from tapstack.core.events import EVENT_TYPES, ClientEvent, EventType
from tapstack.core.sources import SourceId
from tapstack.errors import InvalidEvent

KEYWORD = "x-tapstack"

Strictness = Literal["off", "warn", "quarantine"]


class Use(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a schema is used: the value of `KEYWORD` in it.

    Parameters
    ----------
    strictness
        What becomes of an event that breaks it: ``quarantine``: it is refused, and kept there; ``warn``: it
        is accepted with a note; ``off``: nobody looks.
    event_types, event_names, sources
        For which events it is: those that have one of each; empty for any. Without write keys no event has a
        source.
    """

    strictness: Strictness
    event_types: tuple[EventType, ...] = ()
    event_names: tuple[str, ...] = ()
    sources: tuple[SourceId, ...] = ()

    def is_for(self, event: ClientEvent, source: str | None) -> bool:
        """Return whether an event of the type has one of the names and sources."""
        return (not self.event_names or event.event_name in self.event_names) and (
            not self.sources or source in self.sources
        )


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a schema.

    Parameters
    ----------
    name
        Its name and version, such as ``purchase/2``.
    use
        When it is used.
    document
        The JSON Schema.
    """

    name: str
    use: Use
    document: Mapping[str, Any]


class Found(NamedTuple):
    """The schema that an event breaks, and how."""

    schema: str
    broken: Broken

    @property
    def note(self) -> str:
        """Return it in words for the sender."""
        return f"schema {self.schema}: {self.broken}"


class _Compiled(NamedTuple):
    name: str
    use: Use
    find: Callable[[Any], Broken | None]


class Schemas:
    """The schemas in use, compiled once.

    Parameters
    ----------
    schemas
        In any order; those that are ``off`` are passed over.
    """

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self._by_type: dict[str, list[_Compiled]] = {}
        used = [each for each in schemas if each.use.strictness != "off"]
        for schema in sorted(used, key=lambda each: (each.use.strictness, each.name)):  # refusals first
            compiled = _Compiled(schema.name, schema.use, broken_by(schema.document))
            for event_type in schema.use.event_types or EVENT_TYPES:
                self._by_type.setdefault(event_type, []).append(compiled)

    def check(self, event: ClientEvent, source: str | None) -> Found | None:
        """Hold an event to every schema that is for it.

        Parameters
        ----------
        event
            As the sender meant it.
        source
            Who sent it, by its write key.

        Returns
        -------
        Found | None
            The first schema that it breaks and may break.

        Raises
        ------
        InvalidEvent
            If it breaks one that it may not.
        """
        said: object = None
        for schema in self._by_type.get(event.event_type, ()):
            if not schema.use.is_for(event, source):
                continue
            if said is None:
                said = msgspec.to_builtins(event)
            broken = schema.find(said)
            if broken is None:
                continue
            if schema.use.strictness == "warn":
                return Found(schema.name, broken)
            raise InvalidEvent(broken.field, broken.reason, "breaks_schema", schema.name)
        return None
