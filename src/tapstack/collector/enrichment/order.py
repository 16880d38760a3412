"""The enrichments, in the order in which they are applied.

1. ``consent``: what its user denied is refused, or goes on as an event of nobody; nothing below sees it.
2. ``ua``, ``bots``, ``campaign``: what is found in the event as it was sent.
3. ``ip``: addresses are cut.
4. pseudonyms, last, so that nothing above reads one. The user's row and the partition of the stream are
   those of the pseudonym.

``clock_skew`` changes the time alone, and depends on none of these. What makes an event a copy of another is
decided before, by its wire format, so that turning an enrichment on or off changes no event's id; but see
`tapstack.collector.enrichment.pseudonyms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from tapstack.collector.enrichment.addresses import cut_addresses
from tapstack.collector.enrichment.bots import is_bot
from tapstack.collector.enrichment.campaign import campaign_of, referrer_of
from tapstack.collector.enrichment.clock_skew import shift_ms
from tapstack.collector.enrichment.consent import ANONYMOUS, CATEGORIES, anonymous, denies
from tapstack.collector.enrichment.pseudonyms import Pseudonymise
from tapstack.collector.enrichment.user_agent import user_agent_of
from tapstack.core.events import ClientEvent, Found

STEPS = ("ua", "bots", "campaign", "ip", "clock_skew")
CONSENTS = ("off", "anonymous", "refused")
ConsentMode = Literal["off", "anonymous", "refused"]
NOTHING = Found()


class Arrival(NamedTuple):
    """What is known of an event beside what it says.

    Parameters
    ----------
    received_at
        When the collector had it.
    sent_at
        When the client sent it, by the client's clock.
    is_id_derived
        Whether the event's id is a hash of what it says.
    """

    received_at: datetime
    sent_at: datetime | None = None
    is_id_derived: bool = False


class Enriched(NamedTuple):
    """An event as it is stored, and what is stored beside it.

    Parameters
    ----------
    event
        The event.
    found
        What was found out about it.
    shift_ms
        By how much its time has to be corrected.
    notes
        What its sender is told in place of what else it would be; empty if nothing.
    is_of_nobody
        Whether its user denied: then nothing is stored that tells which events were sent together.
    """

    event: ClientEvent
    found: Found = NOTHING
    shift_ms: int = 0
    notes: tuple[str, ...] = ()
    is_of_nobody: bool = False


class Enrichment(msgspec.Struct, frozen=True, kw_only=True):
    """The enrichments that are turned on.

    Parameters
    ----------
    steps
        Those of `STEPS`.
    consent
        What becomes of an event whose user denied analytics: nothing special, counted as nobody's, or
        refused.
    categories
        What analytics is called in consents, in small letters.
    pseudonymise
        Replaces fields; None if none is to be.
    key
        For keyed hashes; needed by pseudonyms and by ``anonymous``.
    """

    steps: frozenset[str] = frozenset()
    consent: ConsentMode = "off"
    categories: frozenset[str] = frozenset(CATEGORIES)
    pseudonymise: Pseudonymise | None = None
    key: bytes = b""

    def apply(self, event: ClientEvent, arrival: Arrival, *, browser: str | None = None) -> Enriched | None:
        """Return an event as it is to be stored; None if nothing of it may be.

        Parameters
        ----------
        event
            The event.
        arrival
            What is known beside.
        browser
            The user agent of the browser that sent the request; None if none did.
        """
        skew_ms = shift_ms(arrival.sent_at, arrival.received_at) if "clock_skew" in self.steps else 0
        if self.consent != "off" and denies(event, self.categories):
            if self.consent == "refused":
                return None
            nobodys = anonymous(event, self.key)
            return Enriched(nobodys, shift_ms=skew_ms, notes=(ANONYMOUS,), is_of_nobody=True)
        found = self._found(event.context or {}, browser)
        if "ip" in self.steps:
            event = cut_addresses(event)
        if self.pseudonymise is not None:
            event = self.pseudonymise(event, self.key, is_id_derived=arrival.is_id_derived)
        return Enriched(event, found, skew_ms)

    def _found(self, context: Mapping[str, Any], browser: str | None) -> Found:
        steps = self.steps
        text = _user_agent(context, browser) if "ua" in steps or "bots" in steps else None
        named = "campaign" in steps and "page" in context
        if text is None and not named:
            return NOTHING
        return Found(
            ua=user_agent_of(text) if text is not None and "ua" in steps else None,
            is_bot=is_bot(text) if text is not None and "bots" in steps else None,
            campaign=campaign_of(context) if named else None,
            referrer=referrer_of(context) if named else None,
        )


def browser_of(header: str | None) -> str | None:
    """Return the header ``User-Agent`` if a browser sent it: a server's is not that of its users."""
    return header if header is not None and header.startswith("Mozilla/") else None


def _user_agent(context: Mapping[str, Any], browser: str | None) -> str | None:
    """Return the user's agent: what the event says, else the browser that sent the request."""
    for name in ("user_agent", "userAgent"):  # ours, and Segment's
        if isinstance(said := context.get(name), str) and said:
            return said
    return browser
