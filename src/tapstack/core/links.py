"""Links between a user and the anonymous visitors that it was: events that named both.

A link is two *pointers*, rows without content: one in the user's partition that names the visitor, one in the
visitor's that names the user. Both are written in the transaction that counts the event, and the user's row
knows which it has, so a pair that is known costs nothing. A pointer is as old as the last event that wrote
it, and expires like a row; one that is in use is written again before that.
"""

from __future__ import annotations

import hashlib

from tapstack.core.events import Event

VISITOR_PREFIX = "was#"  # in a user's partition, then the visitor's id
USER_PREFIX = "is#"  # in a visitor's partition, then the user's id
LINKS_MAX = 64  # of a user; a further visitor is not linked until one of these has expired
# Of an id in a sort key, which has 1,024 bytes:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, read 2026-11-30
LINKED_BYTES_MAX = 1_000
POINTER_STATE = b"\x90"  # an empty array: the key says all

Links = dict[int, int]  # by the visitor's digest, the day on which its pointers were written, days since 1970


def linked_ids(event: Event) -> tuple[str, str] | None:
    """Return the user and the visitor that an event says are one person; None if it does not."""
    user_id, anonymous_id = event.user_id, event.anonymous_id
    if user_id is None or anonymous_id is None:
        return None
    is_short = len(user_id) + len(anonymous_id) <= LINKED_BYTES_MAX // 4  # whatever the characters
    if not is_short and max(len(user_id.encode()), len(anonymous_id.encode())) > LINKED_BYTES_MAX:
        return None
    return user_id, anonymous_id


def is_due(links: Links, anonymous_id: str, day: int, keep_days: int) -> bool:
    """Return whether pointers to and from a visitor are to be written, if there is room for them."""
    written = links.get(_digest(anonymous_id))
    return written is None or day - written >= max(1, keep_days // 4)


def link(links: Links, anonymous_id: str, day: int, keep_days: int) -> bool:
    """Note a visitor among a user's, in place; return whether its pointers are to be written.

    Parameters
    ----------
    links
        The user's.
    anonymous_id
        The visitor's id.
    day
        On which the event arrived, days since 1970.
    keep_days
        How long pointers live.
    """
    if not is_due(links, anonymous_id, day, keep_days):
        return False
    digest = _digest(anonymous_id)
    if digest not in links and len(links) >= LINKS_MAX:
        for expired in [each for each, written in links.items() if day - written > keep_days]:
            del links[expired]
        if len(links) >= LINKS_MAX:
            return False
    links[digest] = day
    return True


def visitor_pointer(user_pk: str, anonymous_id: str) -> tuple[str, str]:
    """Return the row in a user's partition that names a visitor."""
    return user_pk, VISITOR_PREFIX + anonymous_id


def user_pointer(visitor_pk: str, user_id: str) -> tuple[str, str]:
    """Return the row in a visitor's partition that names a user."""
    return visitor_pk, USER_PREFIX + user_id


def _digest(anonymous_id: str) -> int:
    hashed = hashlib.blake2b(anonymous_id.encode(), digest_size=8)
    return int.from_bytes(hashed.digest(), "big", signed=True)
