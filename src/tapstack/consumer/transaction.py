"""A transaction: rows of as many users as fit, their pages and pointers, a journal entry, its lane's head."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping

from tapstack.consumer.records import Delivery
from tapstack.consumer.row_cache import RowCache
from tapstack.core.attributes.catalogue import Said
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.fold import fold_event, moment_of
from tapstack.core.history import HistoryBounds, HistoryPage, is_due, spill
from tapstack.core.identity import DAY_S
from tapstack.core.impressions import ShownAt, count_shown
from tapstack.core.item_facts import Facts, facts_said, later
from tapstack.core.journal import JOURNAL_TTL_S, Effect, encode_entry, entry_key, head_key
from tapstack.core.links import (
    POINTER_STATE,
    link,
    linked_ids,
    user_pointer,
    visitor_pointer,
)
from tapstack.core.links import (
    is_due as is_link_due,
)
from tapstack.core.memory import (
    MEMORY_FULL,
    NEW,
    TOO_OLD,
    Bounds,
    Page,
    Verdict,
    encode_page,
    judge,
    may_write_page,
    prefixes_to_read,
    remember,
)
from tapstack.core.rows import UserState, anonymous_key, decode_user, encode_state
from tapstack.core.search_terms import Search, search_of
from tapstack.ports import ANY_VERSION, Key, Row, RowWrite, first_version

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html, read 2026-11-23
ROWS_MAX = 98  # of 100: the journal entry and its lane's head are the others
ROWS_OF_AN_EVENT_MAX = 5  # its user's, a page of memory, one of history, two pointers
BYTES_MAX = 3 * 1024 * 1024  # of the states; the limit is 4 MB with keys and names, same page
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
        self._users: dict[Key, UserState] = {}
        self._changed: dict[Key, None] = {}  # user rows to be written
        self._pages: dict[Key, Page] = {}
        self._pages_of: defaultdict[Key, dict[str, frozenset[int]]] = defaultdict(dict)  # by the user's row
        self._spilling: dict[Key, None] = {}  # rows of users whose history has a page to write
        self._pointers: dict[Key, Key] = {}  # with the row of the user whose link it is
        self._effects: list[Effect] = []
        self._facts: dict[str, Facts] = {}  # by item, what the events say of it
        self._shown: ShownAt = {}
        self._said: list[Said] = []
        self.searches: list[Search] = []
        self._arrived_at_s = 0
        self._fitting_count = 0  # so many more events fit, whatever rows they need
        self.verdicts: list[tuple[Delivery, Verdict]] = []

    def add(self, delivery: Delivery) -> bool:
        """Judge one delivery and fold it in if it is NEW.

        Returns
        -------
        bool
            False if its rows might not fit; the transaction is as before and has to be committed first.
        """
        key = delivery.user_key
        user = self._users.get(key)
        if user is None:
            row = self._row_cache.row(key)
            user = self._users[key] = UserState() if row is None else decode_user(row.state)
        verdict = self._judge(key, user, delivery)
        if delivery.too_old and verdict in {NEW, MEMORY_FULL}:
            verdict = TOO_OLD
        if verdict is NEW:
            if not self._fits(key, user, delivery):
                return False
            self._changed[key] = None
            self._arrived_at_s = max(self._arrived_at_s, delivery.arrived_at_s)
            self._remember(key, user, delivery)
            self._effects += self._fold(user, delivery)
            event = delivery.event
            count_shown(self._shown, event, delivery.at_s, delivery.arrived_at_s)
            if event.user_id is not None and event.anonymous_id is not None:
                self._link(key, user, delivery)
            if event.items:
                self._describe(delivery)
                if event.event_type in self._declared.said_types:
                    self._say(delivery)
                if is_due(user.history, 0, self._history):
                    self._spilling[key] = None
            if event.query is not None:
                self._search(delivery)
        self.verdicts.append((delivery, verdict))
        return True

    def _link(self, key: Key, user: UserState, delivery: Delivery) -> None:
        ids, day = linked_ids(delivery.event), delivery.arrived_at_s // DAY_S
        if ids is not None and link(user.profile.links, ids[1], day, self._row_ttl_s // DAY_S):
            user_id, anonymous_id = ids
            visitor, _ = anonymous_key(anonymous_id)
            self._pointers[Key(*visitor_pointer(key.pk, anonymous_id))] = key
            self._pointers[Key(*user_pointer(visitor, user_id))] = key

    def _may_link(self, user: UserState, delivery: Delivery) -> bool:
        ids, day = linked_ids(delivery.event), delivery.arrived_at_s // DAY_S
        return ids is not None and is_link_due(user.profile.links, ids[1], day, self._row_ttl_s // DAY_S)

    def _fold(self, user: UserState, delivery: Delivery) -> list[Effect]:
        at_s, arrived_s = delivery.at_s, delivery.arrived_at_s
        return fold_event(user, delivery.event, at_s, arrived_s, self._declared, delivery.data)

    def _describe(self, delivery: Delivery) -> None:
        event, counted_s = delivery.event, min(delivery.at_s, delivery.arrived_at_s)
        for item_id, facts in facts_said(event, counted_s):
            known = self._facts.get(item_id)
            self._facts[item_id] = facts if known is None else later(known, facts)

    def _say(self, delivery: Delivery) -> None:
        event = delivery.event
        moment = moment_of(event, delivery.at_s, delivery.arrived_at_s)
        self._said += self._declared.said(event.event_type, delivery.data, moment)

    def _search(self, delivery: Delivery) -> None:
        search = search_of(delivery.event, delivery.user_key.pk, delivery.at_s, delivery.arrived_at_s)
        if search is not None:
            self.searches.append(search)

    def _judge(self, key: Key, user: UserState, delivery: Delivery) -> Verdict:
        seen, identity, day = user.seen, delivery.identity, delivery.arrived_at_s // DAY_S
        if not seen.pages:
            return judge(seen, identity, day, self._bounds)
        pages = dict(self._pages_of[key])
        for prefix in prefixes_to_read(seen, identity, day, self._bounds):
            pages |= self._row_cache.pages(key, prefix)
        return judge(seen, identity, day, self._bounds, pages)

    def _remember(self, key: Key, user: UserState, delivery: Delivery) -> None:
        day = delivery.arrived_at_s // DAY_S
        page = remember(user.seen, delivery.identity, day, self._bounds)
        if page is not None:
            self._pages[Key(key.pk, page.sort_key)] = page
            self._pages_of[key][page.sort_key] = page.digests

    def _fits(self, key: Key, user: UserState, delivery: Delivery) -> bool:
        if self._fitting_count:
            self._fitting_count -= 1
            return True
        rows_count = len(self._changed) + len(self._pages) + len(self._spilling) + len(self._pointers)
        if rows_count + ROWS_OF_AN_EVENT_MAX <= ROWS_MAX:
            self._fitting_count = (ROWS_MAX - rows_count) // ROWS_OF_AN_EVENT_MAX - 1
            return True
        items_count = len(delivery.event.items)
        may_spill = key not in self._spilling and is_due(user.history, items_count, self._history)
        pages_count = may_write_page(user.seen, self._bounds) + may_spill
        more = (key not in self._changed) + pages_count + 2 * self._may_link(user, delivery)
        return rows_count + more <= ROWS_MAX

    def writes(self, lane: int, common: Container[int] = ()) -> list[RowWrite]:
        """Return what to write: users, what stands beside them, and what events add to all else, in a lane.

        Parameters
        ----------
        lane
            Of the journal; its head must be loaded.
        common
            Digests of the search terms that may be stored as they are; of others only the hash is.
        """
        users, pages, expires_at_s = self._users, self._pages, self._arrived_at_s + self._row_ttl_s
        history = {key: self._spill(key) for key in self._spilling}  # before their rows are encoded
        writes = [
            self._write(key, self._row_cache.row(key), encode_state(users[key]), expires_at_s)
            for key in self._changed
        ]
        if history:
            writes += [_beside(write, page) for write in writes if (page := history.get(write.key))]
        writes += [
            self._write(key, None, encode_page(page.digests), expires_at_s) for key, page in pages.items()
        ]
        if self._pointers:
            writes += self._point({write.key: write for write in writes}, expires_at_s)
        if self._effects or self.searches or self._shown:
            writes += self._journal(lane, common)
        return writes

    def _point(self, users: Mapping[Key, RowWrite], expires_at_s: int) -> Iterator[RowWrite]:
        """Yield the pointers: guarded, as pages are, by the versions of the users' rows."""
        for pointer, user in self._pointers.items():
            yield RowWrite(
                key=pointer,
                version=users[user].version,
                state=POINTER_STATE,
                expires_at_s=expires_at_s,
                seen_version=ANY_VERSION,
            )

    def _spill(self, key: Key) -> HistoryPage | None:
        user = self._users[key]
        if user.history is None:
            raise AssertionError("a page is due of what waits in a history")
        return spill(user.history, len(user.recent), self._arrived_at_s, self._history)

    def _journal(self, lane: int, common: Container[int]) -> list[RowWrite]:
        """Return the entry and the head that counts it."""
        key = Key(*head_key(lane))
        head = self._row_cache.row(key)
        last = 0 if head is None else head.version
        searches = [each if each.digest in common else each.hashed() for each in self.searches]
        shown, said = self._shown.values(), self._declared.all_said(self._said)
        entry = self._write(
            Key(*entry_key(lane, last + 1)),
            None,
            encode_entry(self._effects, searches, self._facts, shown, self._arrived_at_s, said),
            self._arrived_at_s + JOURNAL_TTL_S,
        )
        return [entry, RowWrite(key=key, version=last + 1, state=HEAD_STATE, seen_version=last)]

    def _write(self, key: Key, row: Row | None, state: bytes, expires_at_s: int) -> RowWrite:
        if row is None:
            version = first_version(self._arrived_at_s)
            return RowWrite(key=key, version=version, state=state, expires_at_s=expires_at_s, seen_version=0)
        return RowWrite(
            key=key,
            version=row.version + 1,
            state=state,
            expires_at_s=max(row.expires_at_s, expires_at_s),
            seen_version=row.version,
        )


def _beside(user: RowWrite, page: HistoryPage) -> RowWrite:
    """Return a page of history as it is written beside its user's row, whose version guards both."""
    return RowWrite(
        key=Key(user.key.pk, page.sort_key),
        version=page.number,
        state=page.state,
        expires_at_s=min(page.expires_at_s, user.expires_at_s),
        seen_version=ANY_VERSION,
    )
