"""Which events a user's row has seen: bounded memory, and never NEW for what it forgot.

The verdict on an event is a function of the row alone. `judge` reads the memory, `remember` adds to
it; what must be forgotten to stay within bounds raises a floor, and below a floor the unknown is LATE.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from tapstack.core.identity import Identity, Native, Opaque, Part

CLIENTS_MAX = 16  # clients (devices, tabs) a row remembers; 25 bytes each
GAPS_MAX = 16  # missing intervals a client may have at once
IDS_MAX = 64  # third-party ids a row remembers; 14 bytes each
PARTS_MAX = 16  # further parts of long events that a row expects; each waits for one delivery only

_BIRTH_BYTES = 6  # a UUIDv7 begins with 48 bits of Unix milliseconds (RFC 9562, section 5.7)


class Verdict(Enum):
    """What to do with an event."""

    NEW = "new"  # count it
    DUP = "duplicate"  # counted already: nothing to do
    LATE = "late"  # no longer known whether it was counted: store it, do not count it


NEW, DUP, LATE = Verdict  # by themselves: Python 3.11 takes long to find an enum's member


class ClientSeen(msgspec.Struct, gc=False, array_like=True):
    """What was seen of one client: all of ``low..top`` except the gaps; below `low` nothing is known."""

    low: int
    top: int
    gaps: list[tuple[int, int]]  # inclusive, ascending, disjoint


class Seen(msgspec.Struct, gc=False, array_like=True):
    """A row's memory of events."""

    clients: dict[bytes, ClientSeen] = {}  # in order of last use
    clients_floor_ms: int = -1  # the latest birth among forgotten clients
    ids: dict[int, int] = {}  # digest -> the client's own time, Unix milliseconds
    ids_floor_ms: int = -1  # the latest time among forgotten ids
    parts: list[int] = []  # further parts of counted events that are not counted yet


def judge(seen: Seen, identity: Identity) -> Verdict:
    """Tell whether the event is NEW, DUP or LATE to this memory."""
    if isinstance(identity, Native):
        return _judge_native(seen, identity)
    if isinstance(identity, Part):
        return NEW if identity.digest in seen.parts else DUP
    if identity.digest in seen.ids:
        return DUP
    return LATE if identity.at_ms <= seen.ids_floor_ms else NEW


def remember(seen: Seen, identity: Identity) -> None:
    """Add an event that was judged NEW, in place."""
    if isinstance(identity, Native):
        _remember_native(seen, identity)
    elif isinstance(identity, Part):
        seen.parts.remove(identity.digest)
    else:
        _remember_opaque(seen, identity)


def expect_parts(seen: Seen, parts: Sequence[Part]) -> None:
    """Expect the further parts of an event that was judged NEW, in place.

    They follow the verdict on their event: whatever is forgotten meanwhile, none is left uncounted,
    and none of an event that was not counted is counted.
    """
    seen.parts += [part.digest for part in parts]


def has_room_for_parts(seen: Seen) -> bool:
    """Tell whether another long event may begin; otherwise it is LATE."""
    return len(seen.parts) < PARTS_MAX


def _judge_native(seen: Seen, identity: Native) -> Verdict:
    known = seen.clients.get(identity.client)
    if known is None:
        return LATE if _birth_ms(identity.client) <= seen.clients_floor_ms else NEW
    n = identity.n
    if n > known.top:
        return NEW
    if n < known.low:
        return LATE
    return NEW if any(a <= n <= b for a, b in known.gaps) else DUP


def _remember_native(seen: Seen, identity: Native) -> None:
    n = identity.n
    known = seen.clients.pop(identity.client, None)
    if known is None:
        known = ClientSeen(0, n, [(0, n - 1)] if n else [])
    elif n > known.top:
        if n > known.top + 1:
            known.gaps.append((known.top + 1, n - 1))
        known.top = n
    else:
        known.gaps = _without(known.gaps, n)
    if len(known.gaps) > GAPS_MAX:
        known.low = known.gaps.pop(0)[1] + 1
    seen.clients[identity.client] = known
    if len(seen.clients) > CLIENTS_MAX:
        oldest = next(iter(seen.clients))
        del seen.clients[oldest]
        seen.clients_floor_ms = max(seen.clients_floor_ms, _birth_ms(oldest))


def _without(gaps: list[tuple[int, int]], n: int) -> list[tuple[int, int]]:
    kept = []
    for a, b in gaps:
        if not a <= n <= b:
            kept.append((a, b))
            continue
        if a < n:
            kept.append((a, n - 1))
        if n < b:
            kept.append((n + 1, b))
    return kept


def _remember_opaque(seen: Seen, identity: Opaque) -> None:
    seen.ids[identity.digest] = identity.at_ms
    if len(seen.ids) > IDS_MAX:
        oldest = min(seen.ids, key=lambda digest: (seen.ids[digest], digest))
        seen.ids_floor_ms = max(seen.ids_floor_ms, seen.ids.pop(oldest))


def _birth_ms(client: bytes) -> int:
    return int.from_bytes(client[:_BIRTH_BYTES], "big")
