"""A user's history: interactions of the row and of its pages, newest first, a part at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec

from tapstack.core.events import EVENT_TYPES
from tapstack.core.history import (
    HISTORY_PREFIX,
    HistoryBounds,
    Recent,
    decode_history_page,
    newest_first,
    slot_sort_key,
    waiting_entries,
)
from tapstack.core.history import History as HistoryState
from tapstack.core.rows import USER_SORT_KEY, anonymous_key, decode_user, known_user_key
from tapstack.errors import Unavailable
from tapstack.insights.answers import UserHistory
from tapstack.insights.cursors import read_cursor, write_cursor
from tapstack.insights.person import visitors_of
from tapstack.insights.users import recent_item
from tapstack.insights.views import time_text
from tapstack.ports import Key, RowReader

READS_MAX = 3  # of a row and its pages: a page is replaced once in 20 interactions of the user
ANY_TYPE = -1
TYPES = {
    "any": ANY_TYPE,
    **{name: code for code, name in enumerate(EVENT_TYPES) if name != "item_list_view"},
}


class Position(msgspec.Struct, array_like=True, frozen=True):
    """The last interaction of an answer, and how many like it there were up to it."""

    at_s: int
    ms: int
    type_code: int
    item_id: str
    copies: int

    @property
    def place(self) -> tuple[int, int, str]:
        """Return its place in the order."""
        return newest_first(Recent(self.at_s, self.type_code, self.item_id, self.ms))


class _Kept(msgspec.Struct):
    """What is kept of a user: interactions, newest first, and from when on none is missing (0: none is)."""

    entries: list[Recent]
    since_s: int


def history_view(
    reader: RowReader,
    user_id: str,
    now_s: int,
    bounds: HistoryBounds,
    *,
    type_code: int,
    n: int,
    cursor: str,
    linked: bool = False,
) -> UserHistory | None:
    """Return a part of a user's interactions, newest first; as `tapstack.insights.users.user_view`.

    A cursor names an interaction, not a number of them: what is counted between two requests moves nothing.

    Parameters
    ----------
    reader, user_id, now_s
        As `user_view` has them.
    bounds
        How much is shown.
    type_code
        Of the interactions; `ANY_TYPE` for all.
    n
        How many at most.
    cursor
        Of the part before; empty for the newest.
    linked
        Whether to add those of visitors that were this user and no other.

    Raises
    ------
    InvalidRequest
        If the cursor is not one of this question.
    Unavailable
        If the table does not answer, or the user's pages change faster than they are read.
    """
    question = (user_id, type_code, "linked") if linked else (user_id, type_code)
    after = read_cursor(cursor, Position, *question) if cursor else None
    for key in (Key(*known_user_key(user_id)), Key(*anonymous_key(user_id))):
        kept = _kept(reader, key.pk, now_s, bounds)
        if kept is None:
            continue
        if linked and key.pk.startswith("U#"):
            kept = _with_visitors(reader, user_id, kept, now_s, bounds)
        entries = [entry for entry in kept.entries if type_code in {ANY_TYPE, entry.type_code}]
        start = 0 if after is None else _index_after(entries, after)
        end = min(start + n, len(entries))
        following = None if end == len(entries) else write_cursor(_position(entries, end), *question)
        is_known = key.pk.startswith("U#")
        return UserHistory(
            user_id=user_id if is_known else msgspec.UNSET,
            anonymous_id=msgspec.UNSET if is_known else user_id,
            items=[recent_item(entry) for entry in entries[start:end]],
            next_cursor=following,
            since=time_text(kept.since_s) if kept.since_s else None,
        )
    return None


def _index_after(entries: Sequence[Recent], after: Position) -> int:
    first = bisect_left(entries, after.place, key=newest_first)
    return min(first + after.copies, bisect_right(entries, after.place, key=newest_first))


def _position(entries: Sequence[Recent], end: int) -> Position:
    last = entries[end - 1]
    copies = end - bisect_left(entries, newest_first(last), key=newest_first)
    return Position(last.at_s, last.ms, last.type_code, last.item_id, copies)


def _kept(reader: RowReader, pk: str, now_s: int, bounds: HistoryBounds) -> _Kept | None:
    """Return what a user's row and its pages hold within the bounds; None if there is no row."""
    for _ in range(READS_MAX):
        rows = reader.read_prefix(pk, USER_SORT_KEY)
        if not rows or 0 < rows[0].expires_at_s <= now_s:
            return None
        user = decode_user(rows[0].state)
        older = _older(reader, pk, user.history)
        if older is None:
            continue
        oldest_s = now_s - bounds.keep_s
        entries = [entry for entry in (*user.recent, *older) if entry.at_s > oldest_s]
        entries.sort(key=newest_first)
        missing_s = -1 if user.history is None else user.history.missing_until_s
        is_whole = missing_s <= oldest_s or _is_beyond(entries, missing_s, bounds.interactions)
        return _Kept(entries[: bounds.interactions], 0 if is_whole else missing_s + 1)
    raise Unavailable("dynamodb: a user's history changed while it was read")


def _with_visitors(reader: RowReader, user_id: str, kept: _Kept, now_s: int, bounds: HistoryBounds) -> _Kept:
    """Add what is kept of a user's visitors, within the same bounds."""
    own = [each.anonymous_id for each in visitors_of(reader, user_id, now_s) if not each.is_shared]
    histories = [_kept(reader, anonymous_key(anonymous_id)[0], now_s, bounds) for anonymous_id in own]
    parts = [kept, *(history for history in histories if history is not None)]
    entries = sorted([entry for part in parts for entry in part.entries], key=newest_first)
    return _Kept(entries[: bounds.interactions], max([part.since_s for part in parts]))


def _is_beyond(entries: Sequence[Recent], missing_s: int, interactions: int) -> bool:
    """Return whether what is missing would come after all that is shown."""
    return len(entries) >= interactions and entries[interactions - 1].at_s > missing_s


def _older(reader: RowReader, pk: str, history: HistoryState | None) -> list[Recent] | None:
    """Return what is not among the newest; None if a page was replaced since the row was read."""
    if history is None:
        return []
    older = list(waiting_entries(history))
    # After the row, which lists them: a page that it lists is there, or was replaced by a later one.
    pages = {row.key.sk: row for row in reader.read_prefix(pk, HISTORY_PREFIX)} if history.slots else {}
    for slot, listed in enumerate(history.slots):
        page = pages.get(slot_sort_key(slot))
        if page is None:
            continue  # it expired: all that it had is older than is kept
        if page.version != listed.number:
            return None
        older += decode_history_page(page.state)
    return older
