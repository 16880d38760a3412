"""An event's record: what its sender said, and what the collector adds, in one JSON object."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from tapstack.collector.enrichment.order import NOTHING
from tapstack.core.events import Added, ClientEvent, Found

FUTURE_MAX = timedelta(hours=24)
_MS = timedelta(milliseconds=1)
_encode = msgspec.json.Encoder().encode


class Records:
    """Writes the records of one request; what is added to several of them is written once.

    Parameters
    ----------
    received_at
        When the request came.
    source
        Who sent it, by the write key.
    """

    def __init__(self, received_at: datetime, source: str | None = None) -> None:
        self._received_at = received_at
        self._latest = received_at + FUTURE_MAX
        self._source = source
        self._written: dict[tuple[object, ...], bytes] = {}
        self._plain = self._added(0, None, None, NOTHING)

    def plain(self, event: ClientEvent) -> bytes:
        """Return an event's record; quicker than `record` if only the time of arrival is added."""
        said = event.occurred_at
        if said is None or said.tzinfo is not UTC or said > self._latest or said.microsecond % 1000:
            return self.record(event)
        return _encode(event)[:-1] + self._plain

    def record(
        self,
        event: ClientEvent,
        protocol: str | None = None,
        sent_at: datetime | None = None,
        shift_ms: int = 0,
        found: Found = NOTHING,
    ) -> bytes:
        """Return an event's record: with when it came, and a time if the client gave none or a wild one.

        Parameters
        ----------
        event
            What was said.
        protocol, sent_at
            As `tapstack.core.events.StreamEvent` has them.
        shift_ms
            By how much the client's clock is known to be wrong.
        found
            What enrichment found out.
        """
        occurred_at, skew_ms = self._corrected(event.occurred_at, shift_ms)
        if occurred_at is not event.occurred_at:
            event = msgspec.structs.replace(event, occurred_at=occurred_at)
        if found is not NOTHING:
            return _encode(event)[:-1] + self._added(skew_ms, protocol, sent_at, found)
        key = skew_ms, protocol, sent_at
        added = self._written.get(key)
        if added is None:
            added = self._written[key] = self._added(*key, NOTHING)
        return _encode(event)[:-1] + added

    def _added(
        self, skew_ms: int | None, protocol: str | None, sent_at: datetime | None, found: Found
    ) -> bytes:
        """Return the end of a record: what is added, as an object without its first bracket."""
        added = Added(
            received_at=self._received_at,
            sent_at=sent_at,
            clock_skew_ms=skew_ms,
            protocol=protocol,
            source=self._source,
            ua=found.ua,
            is_bot=found.is_bot,
            campaign=found.campaign,
            referrer=found.referrer,
        )
        return b"," + _encode(added)[1:]

    def _corrected(self, said: datetime | None, shift_ms: int) -> tuple[datetime, int | None]:
        """Return when an event happened, and by how many ms that differs from what the client said."""
        if said is None:
            return self._received_at, None
        latest = self._latest
        # UTC and whole milliseconds: the skew must be exact, or copies of an event differ in its time.
        occurred_at = said if said.tzinfo is UTC else said.astimezone(UTC)
        if excess := occurred_at.microsecond % 1000:
            occurred_at -= timedelta(microseconds=excess)
        if shift_ms:
            return _shifted(occurred_at, shift_ms, latest)
        if occurred_at <= latest:
            return occurred_at, 0
        return latest, (latest - occurred_at) // _MS


def _shifted(said: datetime, shift_ms: int, latest: datetime) -> tuple[datetime, int]:
    """Correct a time; one that would have no year stays, as long as it is not in the future."""
    try:
        occurred_at = min(said + shift_ms * _MS, latest)
    except OverflowError:
        occurred_at = min(said, latest)
    return occurred_at, (occurred_at - said) // _MS
