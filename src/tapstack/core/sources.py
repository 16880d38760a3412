"""Sources: who may send events, what, and with which write keys. One document says so for a whole stack.

The document holds hashes of keys, never a key. A key has 192 random bits, so a fast hash protects it as well
as a slow one would.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Annotated, Literal

import msgspec

from tapstack.core.events import ClientEvent, EventType
from tapstack.errors import InvalidEvent, Unavailable

KEYS_MAX = 2  # of a source: the one in use, and the one that takes its place
SOURCES_MAX = 200  # about 300 bytes each: a secret holds 64 KiB
BACKFILL_AGE = timedelta(days=7)  # of events that a source without the right to backfill may send

SourceId = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A write key that is live.

    Parameters
    ----------
    hash
        SHA-256 of the key, in hexadecimal.
    created_at
        When it was made.
    """

    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who may send events.

    Parameters
    ----------
    id
        Its name, which each of its events carries as ``source``.
    keys
        Its live keys; none if it is revoked, or sends no key.
    sends_no_key
        Whether it stands for requests without any key, for SDKs that cannot send one; only in `formats`.
    formats
        Names of the wire formats that it may use; empty for any.
    event_types
        What it may send; empty for anything.
    events_per_s_max
        How many events a second one execution environment of the collector takes of it; None for no limit.
    origins
        Of the web pages that may use it; empty for no check.
    may_backfill
        Whether it may send events that are older than `BACKFILL_AGE`.
    """

    id: SourceId
    keys: Annotated[tuple[Key, ...], msgspec.Meta(max_length=KEYS_MAX)] = ()
    sends_no_key: bool = False
    formats: tuple[str, ...] = ()
    event_types: tuple[EventType, ...] = ()
    events_per_s_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    origins: tuple[str, ...] = ()
    may_backfill: bool = True

    def takes(self, format_name: str) -> bool:
        """Return whether it may send events in a wire format."""
        return not self.formats or format_name in self.formats

    def check(self, event: ClientEvent, received_at: datetime) -> None:
        """Refuse an event that it may not send; raises `InvalidEvent`."""
        if self.event_types and event.event_type not in self.event_types:
            raise InvalidEvent("event_type", f"the source {self.id} may not send {event.event_type}")
        if self.may_backfill or event.occurred_at is None:
            return
        if event.occurred_at < received_at - BACKFILL_AGE:
            days = BACKFILL_AGE.days
            raise InvalidEvent("occurred_at", f"the source {self.id} may send events of the last {days} days")


class Sources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All sources of a stack."""

    sources: Annotated[tuple[Source, ...], msgspec.Meta(max_length=SOURCES_MAX)] = ()
    version: Literal[1] = 1

    def of_key(self, key: str) -> Source | None:
        """Return the source of a write key; every live key is compared, each in constant time."""
        presented, found = hash_of(key), None
        for source in self.sources:
            for live in source.keys:
                if compare_digest(live.hash, presented):
                    found = source
        return found

    def without_key(self, format_name: str) -> Source | None:
        """Return the source of requests that bring no key in a wire format."""
        found = (each for each in self.sources if each.sends_no_key and format_name in each.formats)
        return next(found, None)

    @property
    def origins(self) -> frozenset[str]:
        """Return the origins of all sources: a preflight says none."""
        return frozenset(origin for source in self.sources for origin in source.origins)


def hash_of(key: str) -> str:
    """Return what the document holds of a key."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def read_sources(document: bytes) -> Sources:
    """Read the document.

    Raises
    ------
    Unavailable
        If it is not one: nobody can be let in, and nobody refused for good.
    """
    try:
        sources = msgspec.json.decode(document, type=Sources)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unavailable(f"sources: {error}") from None
    _check_unique("id", [source.id for source in sources.sources])
    _check_unique("key", [key.hash for source in sources.sources for key in source.keys])
    keyless = [source for source in sources.sources if source.sends_no_key]
    _check_unique("format without a key", [name for source in keyless for name in source.formats])
    return sources


def write_sources(sources: Sources) -> bytes:
    """Write the document, one source after the other."""
    return msgspec.json.format(msgspec.json.encode(sources), indent=2) + b"\n"


def _check_unique(what: str, values: Iterable[str]) -> None:
    twice: Sequence[str] = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise Unavailable(f"sources: a {what} stands there twice")
