"""Visitors of the shop, their devices, and how an SDK numbers their events.

Of the sessions, 35 % begin logged in, 20 % are returning anonymous visitors, 45 % are new ones. A known
user has one to three devices. One session in ten reports through a third-party SDK, whose events carry
an ``event_id`` and no number.
"""

from __future__ import annotations

from random import Random
from typing import Any

USERS = 20_000  # registered
DEVICES_MAX = 3
LOGGED_IN = 0.35
RETURNING = 0.20
RETURNING_MAX = 2_000  # anonymous visitors that may come back
THIRD_PARTY = 0.10

_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
)
_LOCALES = ("de-DE", "en-GB", "fr-FR", "nl-NL", "it-IT")


class Visitor:
    """One identity on one device: what an SDK keeps in its storage.

    Parameters
    ----------
    user_id, anonymous_id
        Exactly one of them.
    client_id
        Its UUIDv7; None for a third-party SDK.
    context
        What every event of the device says of it; shared, never changed.
    """

    __slots__ = ("anonymous_id", "client_id", "context", "n", "user_id")

    def __init__(
        self, user_id: str | None, anonymous_id: str | None, client_id: str | None, context: dict[str, Any]
    ) -> None:
        self.user_id = user_id
        self.anonymous_id = anonymous_id
        self.client_id = client_id
        self.context = context
        self.n = 0


class Population:
    """Everybody who may come.

    Parameters
    ----------
    random
        Decides who does.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._devices: dict[tuple[int, int], Visitor] = {}
        self._returning: list[Visitor] = []
        self._anonymous_count = 0

    def arrive(self, at_ms: int) -> Visitor:
        """Draw who begins a session at a Unix time in milliseconds."""
        draw = self._random.random()
        if draw < LOGGED_IN:
            user = int(self._random.random() * USERS)
            # How many devices a user has follows from the number: 1, 2, 1, 2, 3 and so on.
            device = int(self._random.random() * (1, 2, 1, 2, DEVICES_MAX)[user % 5])
            visitor = self._devices.get((user, device))
            if visitor is None:
                visitor = self._devices[user, device] = self._new(f"u-{user:05d}", None, at_ms)
            return visitor
        if draw < LOGGED_IN + RETURNING and self._returning:
            return self._returning[int(self._random.random() * len(self._returning))]
        return self._newcomer(at_ms)

    def log_in(self, visitor: Visitor, at_ms: int) -> Visitor:
        """Give an anonymous visitor a user: a new client, since its numbers go to another row."""
        user = int(self._random.random() * USERS)
        client_id = None if visitor.client_id is None else uuid7(self._random, at_ms)
        return Visitor(f"u-{user:05d}", None, client_id, visitor.context)

    def _newcomer(self, at_ms: int) -> Visitor:
        self._anonymous_count += 1
        visitor = self._new(None, f"a-{self._anonymous_count:06d}", at_ms)
        if len(self._returning) < RETURNING_MAX:
            self._returning.append(visitor)
        else:
            self._returning[int(self._random.random() * RETURNING_MAX)] = visitor
        return visitor

    def _new(self, user_id: str | None, anonymous_id: str | None, at_ms: int) -> Visitor:
        native = self._random.random() >= THIRD_PARTY
        context = {
            "locale": _LOCALES[int(self._random.random() * len(_LOCALES))],
            "user_agent": _AGENTS[int(self._random.random() * len(_AGENTS))],
            "library": {"name": "tapstack-js" if native else "other-js", "version": "1.0.0"},
        }
        return Visitor(user_id, anonymous_id, uuid7(self._random, at_ms) if native else None, context)


def uuid7(random: Random, at_ms: int) -> str:
    """Make a UUIDv7 born at a Unix time in milliseconds (RFC 9562, section 5.7)."""
    rest = f"{random.getrandbits(74):019x}"
    head = f"{at_ms & 0xFFFFFFFFFFFF:012x}"
    variant = "89ab"[int(rest[0], 16) & 3]
    return f"{head[:8]}-{head[8:]}-7{rest[1:4]}-{variant}{rest[4:7]}-{rest[7:]}"
