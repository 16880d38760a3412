"""What is known of one user."""

from __future__ import annotations

import msgspec

Traits = dict[str, str | int | float | bool]


class RecentItem(msgspec.Struct, frozen=True, kw_only=True):
    """An interaction with an item."""

    item_id: str
    event_type: str
    at: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A visit."""

    session_id: str | None
    start: str
    end: str
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    viewed_items: list[str]
    bought_items: list[str]


class Sessions(msgspec.Struct, frozen=True, kw_only=True):
    """A user's visits: how many, the one that goes on, the last."""

    count: int
    open: Session | None
    recent: list[Session]


class LinkedVisitor(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor that a user was.

    Parameters
    ----------
    shared
        Whether it is linked to another user, too: then what it did is in the figures of neither.
    events
        How many events are counted as the visitor's.
    last_seen
        Null if nothing is known of it but the link.
    """

    anonymous_id: str
    shared: bool
    events: int
    last_seen: str | None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user, or an anonymous visitor; it has the one id or the other.

    Parameters
    ----------
    value_incomplete
        Whether amounts of currencies beyond the first eight may be under ``XXX``; in sessions, too.
    visitors
        With ``linked``, of a user: the visitors that it was. What those did that are not shared is in all
        figures.
    visitors_incomplete
        With ``linked``, of a user: whether there may have been more visitors than are linked.
    user_ids
        With ``linked``, of a visitor: users that it became, up to eight.
    """

    user_id: str | msgspec.UnsetType = msgspec.UNSET
    anonymous_id: str | msgspec.UnsetType = msgspec.UNSET
    events: int
    counts: dict[str, int]
    value: dict[str, float]
    value_incomplete: bool
    first_seen: str
    last_seen: str
    locale: str | None
    traits: Traits
    anonymous_ids: list[str]
    recent_items: list[RecentItem]
    sessions: Sessions
    visitors: list[LinkedVisitor] | msgspec.UnsetType = msgspec.UNSET
    visitors_incomplete: bool | msgspec.UnsetType = msgspec.UNSET
    user_ids: list[str] | msgspec.UnsetType = msgspec.UNSET


class UserHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the interactions of a user or visitor, newest first.

    Parameters
    ----------
    next_cursor
        Asks for the part that follows; null if this is the last.
    since
        Interactions before it may be missing; null if none within the bounds is.
    """

    user_id: str | msgspec.UnsetType = msgspec.UNSET
    anonymous_id: str | msgspec.UnsetType = msgspec.UNSET
    items: list[RecentItem]
    next_cursor: str | None
    since: str | None


class UserSessions(msgspec.Struct, frozen=True, kw_only=True):
    """The visits of a user or an anonymous visitor."""

    user_id: str | msgspec.UnsetType = msgspec.UNSET
    anonymous_id: str | msgspec.UnsetType = msgspec.UNSET
    sessions: Sessions
