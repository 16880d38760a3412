"""A transaction: rows of as many users as fit, an entry of the journal, and the head of its lane."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from tapstack.consumer.entry import Counted, entry_state, searches_of
from tapstack.consumer.records import Delivery
from tapstack.consumer.row_cache import RowCache
from tapstack.consumer.user_rows import UserRows, row_write
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.fold import drop_attributes, fold_event
from tapstack.core.history import HistoryBounds, is_due
from tapstack.core.identity import DAY_S
from tapstack.core.journal import JOURNAL_TTL_S, entry_key, head_key
from tapstack.core.links import is_due as is_link_due
from tapstack.core.links import link, linked_ids, user_pointer, visitor_pointer
from tapstack.core.memory import (
    MEMORY_FULL,
    NEW,
    TOO_OLD,
    Bounds,
    Verdict,
    judge,
    may_write_page,
    prefixes_to_read,
    remember,
)
from tapstack.core.rows import UserState, anonymous_key, decode_user
from tapstack.core.search_terms import Search
from tapstack.ports import Key, RowWrite

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html, read 2026-11-23
ROWS_MAX = 98  # of 100: the journal entry and its lane's head are the others
ROWS_OF_AN_EVENT_MAX = 5  # its user's, a page of memory, one of history, two pointers
BYTES_MAX = 3 * 1024 * 1024  # of its rows; the limit is 4 MB, same page
HEAD_STATE = b"\x90"  # an empty array: the version says all


class Transaction:
    """Events folded on private copies of their rows; the table knows nothing of it yet.

    Parameters
    ----------
    row_cache
        The rows as they were last seen; the users' rows must be loaded.
    row_ttl_s
        How long a row lives after the last event that changed it.
    bounds
        How much of a user's events is remembered.
    history
        How much of a user's interactions is kept.
    declared
        Attributes that are kept beside.
    """

    def __init__(
        self,
        row_cache: RowCache,
        row_ttl_s: int,
        bounds: Bounds,
        history: HistoryBounds,
        declared: Declared = NOTHING_DECLARED,
    ) -> None:
        self._row_cache = row_cache
        self._row_ttl_s = row_ttl_s
        self._bounds = bounds
        self._history = history
        self._declared = declared
        self._users: dict[Key, UserRows] = {}
        self._counted: list[Counted] = []
        self._rows_count = 0  # of users, and beside them
        self._arrived_at_s = 0
        self.verdicts: list[tuple[Delivery, Verdict]] = []

    def searches(self) -> list[Search]:
        """Return what the counted events search for."""
        return searches_of(self._counted)

    def fill(self, deliveries: Iterable[Delivery]) -> None:
        """Judge deliveries, and fold in those that are NEW, up to the first whose rows might not fit."""
        for delivery in deliveries:
            user = self._users.get(delivery.user_key)
            if user is None:
                user = self._copy(delivery.user_key)
            verdict = self._judge(user, delivery)
            if delivery.too_old and verdict in {NEW, MEMORY_FULL}:
                verdict = TOO_OLD
            if verdict is NEW:
                if self._rows_count + ROWS_OF_AN_EVENT_MAX > ROWS_MAX and not self._fits(user, delivery):
                    return
                self._count(user, delivery)
            self.verdicts.append((delivery, verdict))

    def _copy(self, key: Key) -> UserRows:
        row = self._row_cache.row(key)
        state = UserState() if row is None else decode_user(row.state)
        if self._declared.is_empty:
            drop_attributes(state)
        user = self._users[key] = UserRows(key, row, state)
        return user

    def _judge(self, user: UserRows, delivery: Delivery) -> Verdict:
        seen, identity, day = user.state.seen, delivery.identity, delivery.arrived_day
        pages: dict[str, frozenset[int]] = {}
        if seen.pages:
            pages = {page.sort_key: page.digests for page in user.pages}
            for prefix in prefixes_to_read(seen, identity, day, self._bounds):
                pages |= self._row_cache.pages(user.key, prefix)
        return judge(seen, identity, day, self._bounds, pages)

    def _fits(self, user: UserRows, delivery: Delivery) -> bool:
        event, state = delivery.event, user.state
        may_spill = not user.has_history_page and is_due(state.history, len(event.items), self._history)
        pages_count = may_write_page(state.seen, self._bounds) + may_spill
        more = (not user.is_changed) + pages_count + 2 * self._may_link(user, delivery)
        return self._rows_count + more <= ROWS_MAX

    def _count(self, user: UserRows, delivery: Delivery) -> None:
        event, state, arrived_at_s = delivery.event, user.state, delivery.arrived_at_s
        self._arrived_at_s = max(self._arrived_at_s, arrived_at_s)
        if not user.is_changed:
            user.is_changed = True
            self._rows_count += 1
        page = remember(state.seen, delivery.identity, delivery.arrived_day, self._bounds)
        if page is not None:
            user.pages.append(page)
            self._rows_count += 1
        effects = fold_event(state, event, delivery.at_s, arrived_at_s, self._declared, delivery.data)
        self._counted.append((delivery, effects))
        if event.user_id is not None and event.anonymous_id is not None:
            self._link(user, delivery)
        if event.items and not user.has_history_page and is_due(state.history, 0, self._history):
            user.has_history_page = True
            self._rows_count += 1

    def _link(self, user: UserRows, delivery: Delivery) -> None:
        ids, day = linked_ids(delivery.event), delivery.arrived_day
        if ids is not None and link(user.state.profile.links, ids[1], day, self._row_ttl_s // DAY_S):
            user_id, anonymous_id = ids
            visitor, _ = anonymous_key(anonymous_id)
            user.pointers.append(Key(*visitor_pointer(user.key.pk, anonymous_id)))
            user.pointers.append(Key(*user_pointer(visitor, user_id)))
            self._rows_count += 2

    def _may_link(self, user: UserRows, delivery: Delivery) -> bool:
        ids, links = linked_ids(delivery.event), user.state.profile.links
        return ids is not None and is_link_due(links, ids[1], delivery.arrived_day, self._row_ttl_s // DAY_S)

    def writes(self, lane: int, searches: Sequence[Search], common: Container[int] = ()) -> list[RowWrite]:
        """Return what to write: users, what stands beside them, and what events add to all else, in a lane.

        Parameters
        ----------
        lane
            Of the journal; its head must be loaded.
        searches
            What the counted events search for.
        common
            Digests of the search terms that may be stored as they are; of others only the hash is.
        """
        writes: list[RowWrite] = []
        for user in self._users.values():
            if user.is_changed:
                writes += user.writes(self._arrived_at_s, self._row_ttl_s, self._history)
        entry = entry_state(self._counted, searches, self._declared, self._arrived_at_s, common)
        if entry is not None:
            writes += self._journal(lane, entry)
        return writes

    def _journal(self, lane: int, entry: bytes) -> list[RowWrite]:
        """Return the entry and the head that counts it."""
        key = Key(*head_key(lane))
        head = self._row_cache.row(key)
        last = 0 if head is None else head.version
        return [
            row_write(Key(*entry_key(lane, last + 1)), None, entry, self._arrived_at_s, JOURNAL_TTL_S),
            RowWrite(key=key, version=last + 1, state=HEAD_STATE, seen_version=last),
        ]
