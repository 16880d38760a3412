"""A user or visitor as the table has it, and the person: a user with the visitors that it was.

The rule: an event that names a user counts as the user's, any other as its visitor's, so no event counts
twice where both are added up. A visitor belongs to a person if events linked it to that user and to no other:
of a device that several users share nobody can say whose its visitor's events are. Such a visitor is listed
and not added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from tapstack.core.aggregates import Counters, merge_counts
from tapstack.core.history import RECENT_MAX, newest_first
from tapstack.core.links import LINKS_MAX, USER_PREFIX, VISITOR_PREFIX
from tapstack.core.rows import UserState, anonymous_key, decode_user, known_user_key
from tapstack.core.sessions import SESSIONS_MAX, Sessions, joined
from tapstack.insights.views import alive
from tapstack.ports import Key, RowReader

# Of a visitor's pointers to users: more users than this are as shared as two.
USERS_READ_MAX = 8
POINTERS_READ_MAX = 128  # at a time, if those do not suffice: far below a page of 1 MB
_USER_END = USER_PREFIX[:-1] + "$"  # right behind all sort keys that begin with the prefix


class Found(NamedTuple):
    """A user's or a visitor's row."""

    pk: str
    state: UserState

    @property
    def is_known(self) -> bool:
        """Return whether it is a user's."""
        return self.pk.startswith("U#")


class Visitor(NamedTuple):
    """A visitor that a user was.

    Parameters
    ----------
    anonymous_id
        Its id.
    is_shared
        Whether it is linked to another user as well.
    state
        Its row; None if it has none (any more).
    """

    anonymous_id: str
    is_shared: bool
    state: UserState | None


def find(reader: RowReader, user_id: str, now_s: int) -> Found | None:
    """Return the row of a user, or else of the anonymous visitor of that id; None if there is neither."""
    for key in (Key(*known_user_key(user_id)), Key(*anonymous_key(user_id))):
        row = reader.get(key)  # a Query of the partition would pay for every page of ids
        if row is not None and alive([row], now_s):
            return Found(key.pk, decode_user(row.state))
    return None


def visitors_of(reader: RowReader, user_id: str, now_s: int) -> list[Visitor]:
    """Return the visitors that a user was, in order of their ids.

    It reads a row for each visitor, and a few of each visitor's pointers.
    """
    pointers = alive(reader.read_prefix(known_user_key(user_id)[0], VISITOR_PREFIX), now_s)
    ids = [row.key.sk.removeprefix(VISITOR_PREFIX) for row in pointers]
    keys = {anonymous_id: Key(*anonymous_key(anonymous_id)) for anonymous_id in ids}
    rows = {row.key: row for row in alive(reader.read_all(list(keys.values())).values(), now_s)}
    return [
        Visitor(
            anonymous_id,
            any(other != user_id for other in users_of(reader, anonymous_id, now_s)),
            None if (row := rows.get(key)) is None else decode_user(row.state),
        )
        for anonymous_id, key in keys.items()
    ]


def users_of(reader: RowReader, anonymous_id: str, now_s: int) -> list[str]:
    """Return users that a visitor became, in order of their ids; not all of very many."""
    pk, _ = anonymous_key(anonymous_id)
    users: list[str] = []
    first, count = USER_PREFIX, USERS_READ_MAX
    while True:
        rows = reader.read_range(pk, first, _USER_END, count)
        users += [row.key.sk.removeprefix(USER_PREFIX) for row in alive(rows, now_s)]
        if len(rows) < count or len(users) >= USERS_READ_MAX:
            return users[:USERS_READ_MAX]
        # Some have expired and are not deleted yet: they must not hide another user.
        first, count = f"{rows[-1].key.sk}\0", POINTERS_READ_MAX


def together(user: UserState, visitors: Iterable[Visitor]) -> UserState:
    """Return a row as a person would have it: the user's, with what its own visitors did added.

    What is said and not counted (locale, traits, aliases) stays the user's.
    """
    parts = [user, *own(visitors)]
    counters: Counters = {}
    for part in parts:
        merge_counts(counters, part.counters)
    recent = sorted([entry for part in parts for entry in part.recent], key=newest_first)
    return UserState(
        profile=msgspec.structs.replace(
            user.profile,
            first_seen_s=min([part.profile.first_seen_s for part in parts]),
            last_seen_s=max([part.profile.last_seen_s for part in parts]),
        ),
        counters=counters,
        recent=recent[:RECENT_MAX],
        sessions=_sessions([part.sessions for part in parts]),
    )


def _sessions(parts: Sequence[Sessions]) -> Sessions:
    """Put sessions together; of those before the newest of each row only the number is known."""
    visits = joined([session for part in parts for session in part.newest])
    earlier_count = sum([part.earlier_count for part in parts]) + len(visits[:-SESSIONS_MAX])
    return Sessions(visits[-SESSIONS_MAX:], earlier_count, max([part.earlier_end_s for part in parts]))


def own(visitors: Iterable[Visitor]) -> list[UserState]:
    """Return the rows of visitors that are linked to one user alone."""
    return [each.state for each in visitors if each.state is not None and not each.is_shared]


def may_lack_visitors(user: UserState) -> bool:
    """Return whether a further visitor would not have been linked."""
    return len(user.profile.links) >= LINKS_MAX
