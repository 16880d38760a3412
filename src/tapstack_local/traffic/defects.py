"""Defects of real traffic, in stated proportions: copies, delays, late and invalid events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

Payload = dict[str, Any] | bytes
"""A valid event; or, as bytes, something invalid on purpose that stands where one should."""

OVERSIZE_BYTES = 33 * 1024  # above the 32 KiB an event may have
_FILLER = "x" * OVERSIZE_BYTES
NOT_JSON = b'{"event_type": "item_view", "items": [{"item_id": "sku-'  # cut off in the middle
_NO_OBJECTS = (b"null", b'"item_view"', b"42", b"[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defects:
    """Shares of what is sent, ``0 <= share <= 1``.

    Parameters
    ----------
    resent
        Requests sent once more, unchanged, 1 to 10 seconds later: the answer was lost, so the SDK
        tries again.
    doubled
        Events that stand twice in one request: a handler bound twice.
    overtaken
        Requests held up for 1 to 15 seconds, so that what the same user does next overtakes them.
    late
        Requests whose events happened 2 minutes to 6 hours before they are sent: a device that was
        offline.
    ancient
        Requests whose events happened 31 to 90 days before: a device from a drawer. A pipeline that counts
        events of at most 30 days stores them as late, since it cannot deduplicate them.
    malformed
        Events that are not valid: not JSON, JSON but not an object, without a user, with a field of the
        wrong type, or of an unknown type, in equal parts. Each takes its place in its client's
        numbering, so the client's row shows a gap.
    oversize
        Events above 32 KiB.
    """

    resent: float = 0.010
    doubled: float = 0.003
    overtaken: float = 0.020
    late: float = 0.005
    ancient: float = 0.0005
    malformed: float = 0.002
    oversize: float = 0.0005


NO_DEFECTS = Defects(resent=0, doubled=0, overtaken=0, late=0, ancient=0, malformed=0, oversize=0)


def age_ms(defects: Defects, random: Random) -> int:
    """Draw how long ago a request's events happened: 0 for most."""
    draw = random.random()
    if draw < defects.ancient:
        return int(86_400_000 * (31 + 59 * random.random()))
    if draw < defects.ancient + defects.late:
        return int(120_000 * 180 ** random.random())  # 2 minutes to 6 hours, every order of magnitude alike
    return 0


def hold_ms(defects: Defects, random: Random) -> int:
    """Draw how long a request is held up: 0 for most."""
    return 1_000 + int(random.random() * 14_000) if random.random() < defects.overtaken else 0


def resend_ms(defects: Defects, random: Random) -> int:
    """Draw after how long a request is sent once more: 0 for never."""
    return 1_000 + int(random.random() * 9_000) if random.random() < defects.resent else 0


def spoil(event: dict[str, Any], defects: Defects, random: Random) -> Payload:
    """Spoil an event, or leave it as it is, as most."""
    draw = random.random()
    if draw >= defects.malformed + defects.oversize:
        return event
    if draw < defects.oversize:
        spoiled: Payload = {**event, "properties": {"note": _FILLER}}
    else:
        spoiled = random.choice(_MALFORMATIONS)(event, random)
    return spoiled if isinstance(spoiled, bytes) else msgspec.json.encode(spoiled)


_MALFORMATIONS: tuple[Callable[[dict[str, Any], Random], Payload], ...] = (
    lambda _, __: NOT_JSON,
    lambda _, random: random.choice(_NO_OBJECTS),
    lambda event, _: {key: value for key, value in event.items() if key not in {"user_id", "anonymous_id"}},
    lambda event, _: {**event, "items": "sku-1000"},
    lambda event, _: {**event, "event_type": "item_viewed"},
)
