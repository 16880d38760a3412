"""What the API answers about a user, a visitor, or a person: a user with the visitors that it was."""

from __future__ import annotations

from typing import TypedDict

import msgspec

from tapstack.core.aggregates import may_lack_currencies
from tapstack.core.history import Recent
from tapstack.core.sessions import SESSION_GAP_S
from tapstack.core.sessions import Session as SessionState
from tapstack.core.sessions import Sessions as SessionsState
from tapstack.insights.answers import LinkedVisitor, RecentItem, Session, Sessions, User, UserSessions
from tapstack.insights.person import (
    Found,
    Visitor,
    find,
    may_lack_visitors,
    own,
    together,
    users_of,
    visitors_of,
)
from tapstack.insights.views import describe_counters, time_text, type_name
from tapstack.ports import RowReader


def user_view(reader: RowReader, user_id: str, now_s: int, *, linked: bool = False) -> User | None:
    """Return what is known of a user, or else of the anonymous visitor of that id.

    Parameters
    ----------
    reader
        The table.
    user_id
        A ``user_id`` or an ``anonymous_id``.
    now_s
        Unix seconds.
    linked
        Whether to add what the visitors did that the user was; of a visitor, to name the users it became.

    Returns
    -------
    User or None
        None if nothing is known.

    Raises
    ------
    Unavailable
        If the table does not answer.
    """
    found = find(reader, user_id, now_s)
    if found is None:
        return None
    if not linked:
        return _describe_user(user_id, found, now_s)
    if not found.is_known:
        users = users_of(reader, user_id, now_s)
        return msgspec.structs.replace(_describe_user(user_id, found, now_s), user_ids=users)
    visitors = visitors_of(reader, user_id, now_s)
    person = found._replace(state=together(found.state, visitors))
    parts = [found.state, *own(visitors)]
    return msgspec.structs.replace(
        _describe_user(user_id, person, now_s),
        value_incomplete=any(may_lack_currencies(part.counters) for part in parts),
        visitors=[_describe_visitor(visitor) for visitor in visitors],
        visitors_incomplete=may_lack_visitors(found.state),
    )


def sessions_view(
    reader: RowReader, user_id: str, now_s: int, *, linked: bool = False
) -> UserSessions | None:
    """Return the visits of a user or visitor; see `user_view`."""
    found = find(reader, user_id, now_s)
    if found is None:
        return None
    state = found.state
    if linked and found.is_known:
        state = together(state, visitors_of(reader, user_id, now_s))
    return UserSessions(
        **_whose(user_id, found),
        sessions=_describe_sessions(state.sessions, now_s),
    )


class _Whose(TypedDict):
    user_id: str | msgspec.UnsetType
    anonymous_id: str | msgspec.UnsetType


def _whose(user_id: str, found: Found) -> _Whose:
    if found.is_known:
        return {"user_id": user_id, "anonymous_id": msgspec.UNSET}
    return {"user_id": msgspec.UNSET, "anonymous_id": user_id}


def _describe_user(user_id: str, found: Found, now_s: int) -> User:
    user = found.state
    profile = user.profile
    return User(
        **_whose(user_id, found),
        **describe_counters(user.counters),
        value_incomplete=may_lack_currencies(user.counters),
        first_seen=time_text(profile.first_seen_s),
        last_seen=time_text(profile.last_seen_s),
        locale=profile.locale,
        traits=profile.traits,
        anonymous_ids=profile.aliases,
        recent_items=[recent_item(entry) for entry in user.recent],
        sessions=_describe_sessions(user.sessions, now_s),
    )


def _describe_sessions(sessions: SessionsState, now_s: int) -> Sessions:
    newest = sessions.newest[-1] if sessions.newest else None
    is_open = newest is not None and now_s - newest.end_s <= SESSION_GAP_S
    return Sessions(
        count=sessions.earlier_count + len(sessions.newest),
        open=_describe_session(newest) if newest is not None and is_open else None,
        recent=[_describe_session(session) for session in reversed(sessions.newest)],
    )


def _describe_visitor(visitor: Visitor) -> LinkedVisitor:
    state = visitor.state
    return LinkedVisitor(
        anonymous_id=visitor.anonymous_id,
        shared=visitor.is_shared,
        events=0 if state is None else describe_counters(state.counters)["events"],
        last_seen=None if state is None else time_text(state.profile.last_seen_s),
    )


def recent_item(entry: Recent) -> RecentItem:
    """Describe an interaction."""
    return RecentItem(
        item_id=entry.item_id,
        event_type=type_name(entry.type_code),
        at=time_text(entry.at_s, entry.ms),
    )


def _describe_session(session: SessionState) -> Session:
    return Session(
        session_id=session.label,
        start=time_text(session.start_s),
        end=time_text(session.end_s),
        **describe_counters(session.counters),
        viewed_items=session.viewed,
        bought_items=session.bought,
    )
