"""Pseudonyms: named fields are replaced by keyed hashes of their values before anything is stored.

The same value has the same pseudonym in every field, so that events of one person stay together, and nobody
can find it out by trying values without the key.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tapstack.collector.enrichment.nested import replaced
from tapstack.core.events import ClientEvent

KEY_BYTES_MIN = 32
IDS = ("user_id", "anonymous_id", "session_id")
PERSONS = frozenset({"user_id", "anonymous_id"})
FIELD = rf"(?:{'|'.join(IDS)}|(?:context|properties|traits)(?:\.[^.,\s]+)+)"
# What formats keep of further ids of a user; they are replaced with `user_id` or `anonymous_id`.
ELSEWHERE = tuple(
    tuple(path.split("."))
    for path in (
        "properties.previousId",  # Segment's alias
        "properties.distinct_id",  # PostHog
        "properties.$anon_distinct_id",
        "properties.$device_id",
        "properties.$user_id",
        "properties.alias",
        "properties.unread.user_id",
        "properties.unread.anonymous_id",
        "context.traits.id",
        "context.uid",  # Snowplow, where an event says several
        "context.duid",
        "context.nuid",
        "context.tnuid",
        "context.client_id",  # Google
        "context.app_instance_id",
        "traits.id",
    )
)


def pseudonym(value: bytes, key: bytes) -> str:
    """Return 128 bits of a keyed hash, in hexadecimal."""
    return hmac.digest(key, value, "sha256").hex()[:32]


class Pseudonymise:
    """Replaces fields.

    Parameters
    ----------
    fields
        Each as `FIELD` has it.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self._ids = tuple([name for name in fields if name in IDS])
        own = [tuple(name.split(".")) for name in fields if name not in IDS]
        further = ELSEWHERE if PERSONS & set(self._ids) else ()
        self._paths: dict[str, list[tuple[str, ...]]] = {}  # by the object in which they begin
        for root, *path in dict.fromkeys((*own, *further)):
            self._paths.setdefault(root, []).append(tuple(path))

    def __call__(self, event: ClientEvent, key: bytes, *, is_id_derived: bool) -> ClientEvent:
        """Return the event with pseudonyms.

        Parameters
        ----------
        event
            The event.
        key
            The key.
        is_id_derived
            Whether its id is a hash of what it says. Then somebody who has all of it but a pseudonym's value
            could try values until the hash fits; so the id is replaced as well.
        """
        changes: dict[str, Any] = {}
        for name in self._ids:
            if (value := getattr(event, name)) is not None:
                changes[name] = pseudonym(value.encode(), key)
        for root, paths in self._paths.items():
            place = said = getattr(event, root)
            for path in paths if said else ():
                if path[0] in place:
                    place = replaced(place, path, lambda value: pseudonym_of(value, key))
            if place is not said:
                changes[root] = place
        if is_id_derived and event.event_id is not None:
            changes["event_id"] = pseudonym(event.event_id.encode(), key)
        return msgspec.structs.replace(event, **changes) if changes else event


def pseudonym_of(value: object, key: bytes) -> object:
    """Return the pseudonym of a value that JSON can say; null stays."""
    if value is None:
        return None
    return pseudonym(str(value).encode() if _is_plain(value) else msgspec.json.encode(value), key)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def is_field(name: str) -> bool:
    """Return whether a field of this name can be replaced."""
    return re.fullmatch(FIELD, name) is not None
