"""A user's sessions: events of one visit, at most 30 minutes apart.

Sessions are intervals of the events' own time, merged as events arrive in any order. The row keeps the
newest `SESSIONS_MAX`; what is older is only counted.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tapstack.core.aggregates import Counters, add_counts
from tapstack.core.attributes.stored import ViewStates

SESSION_GAP_S = 30 * 60  # the convention of the field: Google Analytics, Segment, Snowplow
SESSIONS_MAX = 3
VIEWED_MAX = 8  # distinct items a session remembers, newest last
BOUGHT_MAX = 8


class Session(msgspec.Struct, gc=False, array_like=True):
    """One visit."""

    label: str | None  # the client's own session_id, if it gave one
    start_s: int
    end_s: int
    counters: Counters
    viewed: list[str] = []
    bought: list[str] = []
    attributes: ViewStates = {}  # declared ones; of sessions that have a label


class Sessions(msgspec.Struct, gc=False, array_like=True):
    """The newest sessions of a user in order of their end, and how many were before."""

    newest: list[Session] = []
    earlier_count: int = 0
    earlier_end_s: int = -1


def session_of(sessions: Sessions, at_s: int, label: str | None) -> Session | None:
    """Find or begin the session of an event, in place.

    Parameters
    ----------
    sessions
        The user's sessions.
    at_s
        The event's own time, Unix seconds.
    label
        The client's own session id; without one the session is found by time.

    Returns
    -------
    Session or None
        None if the event belongs before everything that is remembered.
    """
    newest = sessions.newest[-1] if sessions.newest else None
    if newest is not None and at_s >= newest.start_s and _belongs(newest, at_s, label):
        newest.end_s = max(newest.end_s, at_s)  # the usual case: nothing to merge, nothing to sort
        return newest
    if at_s <= sessions.earlier_end_s:
        return None
    found = [s for s in sessions.newest if _belongs(s, at_s, label)]
    if not found:
        found = [Session(label, at_s, at_s, {})]
        sessions.newest.append(found[0])
        if newest is None or at_s > newest.end_s:  # the usual new one: it is in its place
            _forget_oldest(sessions)
            return found[0]
    session = _merged(sessions, found)
    session.start_s = min(session.start_s, at_s)
    session.end_s = max(session.end_s, at_s)
    sessions.newest.sort(key=lambda s: (s.end_s, s.start_s, s.label or ""))
    _forget_oldest(sessions)
    return session if session in sessions.newest else None


def joined(parts: Iterable[Session]) -> list[Session]:
    """Join the parts of visits that were counted in several rows, as of somebody who logged in meanwhile.

    Parameters
    ----------
    parts
        The newest sessions of each row.

    Returns
    -------
    list[Session]
        In order of their ends. Parts belong together if they have the same label, or if they have none and
        no more than `SESSION_GAP_S` lies between them.
    """
    visits: list[Session] = []
    for part in sorted(parts, key=lambda each: (each.start_s, each.end_s)):
        before = [visit for visit in visits if _belongs(visit, part.start_s, part.label)]
        if before:
            _join(before[0], part)
        else:
            visits.append(msgspec.structs.replace(part, counters=dict(part.counters)))
    return sorted(visits, key=lambda visit: (visit.end_s, visit.start_s, visit.label or ""))


def _belongs(session: Session, at_s: int, label: str | None) -> bool:
    if label is not None or session.label is not None:
        return session.label == label
    return session.start_s - SESSION_GAP_S <= at_s <= session.end_s + SESSION_GAP_S


def _merged(sessions: Sessions, found: list[Session]) -> Session:
    """Join the sessions that an event bridges."""
    first = found[0]
    for other in found[1:]:
        _join(first, other)
        sessions.newest.remove(other)
    return first


def _join(first: Session, other: Session) -> None:
    first.start_s = min(first.start_s, other.start_s)
    first.end_s = max(first.end_s, other.end_s)
    add_counts(first.counters, other.counters)
    first.viewed = list(dict.fromkeys(first.viewed + other.viewed))[-VIEWED_MAX:]
    first.bought = list(dict.fromkeys(first.bought + other.bought))[-BOUGHT_MAX:]


def _forget_oldest(sessions: Sessions) -> None:
    while len(sessions.newest) > SESSIONS_MAX:
        oldest = sessions.newest.pop(0)
        sessions.earlier_count += 1
        sessions.earlier_end_s = max(sessions.earlier_end_s, oldest.end_s)
