"""A transaction: as many events as fit one transaction, folded into the rows they change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tapstack.consumer.records import Delivery
from tapstack.consumer.row_cache import RowCache
from tapstack.core.aggregates import WINDOWS, Numbers, window_numbers
from tapstack.core.cooccurrence import PARTNERS_MAX, likely_partners
from tapstack.core.events import TYPE_CODE
from tapstack.core.fold import ItemEffect, fold_event, fold_item
from tapstack.core.identity import DAY_S
from tapstack.core.memo import Memo
from tapstack.core.memory import (
    MEMORY_FULL,
    NEW,
    TOO_OLD,
    Bounds,
    Page,
    Verdict,
    encode_page,
    expect_parts,
    has_room_for_parts,
    judge,
    may_write_page,
    prefixes_to_read,
    remember,
)
from tapstack.core.ranking import INTERESTED, Board, interest, trim
from tapstack.core.rows import (
    ItemState,
    UserState,
    board_partition,
    decode_board,
    decode_item,
    decode_sessions,
    decode_user,
    encode_state,
    item_partition,
    lane_sort_key,
)
from tapstack.core.sessions import BOUGHT_MAX, Session
from tapstack.ports import Key, Row, RowWrite

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html, read 2026-11-23
ROWS_MAX = 100
BYTES_MAX = 3 * 1024 * 1024  # of the states; the limit is 4 MB with keys and names, same page
# A row begins at the time its first event arrived, in units finer than rows are written (a partition takes
# 1,000 write units a second). So a row that TTL deleted and that begins anew takes none of its old versions,
# and a stale image of the old row meets no condition of the new one. For that a row must outlive the records
# that are on the stream when it begins: leaderboards as well, though nobody asks for old ones.
VERSIONS_PER_S = 1_000

Place = tuple[int, int, int]  # of a leaderboard: window position, window number, lane
Move = tuple[str, int, Numbers]  # an item that may rise on the leaderboards of a lane, in these windows


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
    """

    def __init__(self, row_cache: RowCache, row_ttl_s: int, bounds: Bounds) -> None:
        self._row_cache = row_cache
        self._row_ttl_s = row_ttl_s
        self._bounds = bounds
        self._users: dict[Key, UserState] = {}
        self._changed: dict[Key, None] = {}  # user rows to be written
        self._effects: defaultdict[Key, list[ItemEffect]] = defaultdict(list)  # by item's row
        self._moves: defaultdict[Key, dict[Move, None]] = defaultdict(dict)  # by the same
        self._moments: dict[tuple[Numbers, int], None] = {}  # windows and lanes whose boards may move
        self._pages: dict[Key, Page] = {}
        self._pages_of: defaultdict[Key, dict[str, frozenset[int]]] = defaultdict(dict)  # by the user's row
        self._arrived_at_s = 0
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
            if not self._fits(delivery):
                return False
            self._changed[key] = None
            self._arrived_at_s = max(self._arrived_at_s, delivery.arrived_at_s)
            if delivery.further and not has_room_for_parts(user.seen):
                # Its further parts will be duplicates: no row expects them. If this is a stale image, and the
                # row counts the event and expects them, they would be lost: so it is written as it is here.
                verdict = MEMORY_FULL
            else:
                self._remember(key, user, delivery)
                if delivery.further:
                    expect_parts(user.seen, delivery.further)
                self._fold(user, delivery)
        self.verdicts.append((delivery, verdict))
        return True

    def _judge(self, key: Key, user: UserState, delivery: Delivery) -> Verdict:
        identity, day = delivery.identity, delivery.arrived_at_s // DAY_S
        prefixes = prefixes_to_read(user.seen, identity, day, self._bounds)
        if not prefixes:
            return judge(user.seen, identity, day, self._bounds)
        pages = dict(self._pages_of[key])
        for prefix in prefixes:
            pages |= self._row_cache.pages(key, prefix)
        return judge(user.seen, identity, day, self._bounds, pages)

    def _remember(self, key: Key, user: UserState, delivery: Delivery) -> None:
        day = delivery.arrived_at_s // DAY_S
        page = remember(user.seen, delivery.identity, day, self._bounds)
        if page is not None:
            self._pages[Key(key.pk, page.sort_key)] = page
            self._pages_of[key][page.sort_key] = page.digests

    def keys(self) -> list[Key]:
        """Return the rows that the transaction would write and has to know; pages are written unseen."""
        boards = _boards(self._moments, self._arrived_at_s)
        return [*self._changed, *self._effects, *map(_board_key, boards)]

    def writes(self) -> list[RowWrite]:
        """Fold the items' and boards' rows, which must be loaded by now, and return what to write."""
        writes = [
            self._write(key, self._row_cache.row(key), encode_state(self._users[key]))
            for key in self._changed
        ]
        writes += [self._write(key, None, encode_page(page.digests)) for key, page in self._pages.items()]
        moments = _boards(self._moments, self._arrived_at_s)
        boards = {place: self._board(_board_key(place)) for place in moments}
        for key, effects in self._effects.items():
            row = self._row_cache.row(key)
            item = ItemState() if row is None else decode_item(row.state)
            for effect in effects:
                fold_item(item, effect)
            writes.append(self._write(key, row, encode_state(item)))
            for move in self._moves.get(key, ()):
                _score(boards, item, move)
        for moment, board in boards.items():
            key = _board_key(moment)
            writes.append(self._write(key, self._row_cache.row(key), encode_state(trim(board))))
        return writes

    def _board(self, key: Key) -> Board:
        row = self._row_cache.row(key)
        return {} if row is None else decode_board(row.state)

    def _fits(self, delivery: Delivery) -> bool:
        item_ids, lane = delivery.item_ids, delivery.lane
        room = ROWS_MAX - len(self._changed) - len(self._effects) - len(WINDOWS) * len(self._moments)
        room -= len(self._pages) + may_write_page(self._users[delivery.user_key].seen, self._bounds)
        if room >= 1 + len(item_ids) + _BESIDE_MAX:
            return True  # the usual case: it fits even if none of its rows is in the transaction yet
        beside = _PARTNERS_BOUND.get(delivery.event.event_type, 0) + len(WINDOWS) if item_ids else 0
        new_user = delivery.user_key not in self._changed
        new_items = {item_id for item_id in item_ids if _item_keys[item_id, lane] not in self._effects}
        return room >= new_user + len(new_items) + beside

    def _fold(self, user: UserState, delivery: Delivery) -> None:
        lane = delivery.lane
        for effect in fold_event(user, delivery.event, delivery.part, delivery.at_s, delivery.arrived_at_s):
            for item_id in effect.item_ids:
                self._effects[_item_keys[item_id, lane]].append(effect)
            if effect.interested:
                for item_id in effect.item_ids:
                    self._moves[_item_keys[item_id, lane]][item_id, lane, effect.numbers] = None
                self._moments[effect.numbers, lane] = None

    def _write(self, key: Key, row: Row | None, state: bytes) -> RowWrite:
        expires_at_s = self._arrived_at_s + self._row_ttl_s
        if row is None:
            version = max(1, self._arrived_at_s * VERSIONS_PER_S)
            return RowWrite(
                key=key,
                version=version,
                state=state,
                expires_at_s=expires_at_s,
                seen_version=0,
            )
        return RowWrite(
            key=key,
            version=row.version + 1,
            state=state,
            expires_at_s=max(row.expires_at_s, expires_at_s),
            seen_version=row.version,
        )


# How many items beside its own an event may touch, at most.
_PARTNERS_BOUND = {"item_view": PARTNERS_MAX, "purchase": BOUGHT_MAX}
_BESIDE_MAX = max(_PARTNERS_BOUND.values()) + len(WINDOWS)  # and how many rows, of whatever type it is


def _item_key(place: tuple[str, int]) -> Key:
    item_id, lane = place
    return Key(item_partition(item_id), lane_sort_key(lane))


_item_keys = Memo(_item_key, 16_384)  # by item and lane: asked for three times a row, and in each batch


def _boards(moments: Iterable[tuple[Numbers, int]], arrived_at_s: int) -> list[Place]:
    """Return the leaderboards that may move: those of windows still kept."""
    return list(
        dict.fromkeys(
            (position, number, lane)
            for numbers, lane in moments
            for position, (window, number) in enumerate(zip(WINDOWS, numbers, strict=True))
            if window.keeps(number, arrived_at_s, arrived_at_s)
        )
    )


def _board_key(place: Place) -> Key:
    position, number, lane = place
    return Key(board_partition(WINDOWS[position], number), lane_sort_key(lane))


def _score(boards: dict[Place, Board], item: ItemState, move: Move) -> None:
    """Put an item's exact score on the boards of an event's windows."""
    item_id, lane, numbers = move
    for position, number in enumerate(numbers):
        counted = item.counters.windows[position].get(number)
        board = boards.get((position, number, lane))
        if counted is not None and board is not None:
            board[item_id] = interest(counted)


def derived_keys(deliveries: Sequence[Delivery], row_cache: RowCache) -> list[Key]:
    """Return which rows of items and leaderboards deliveries will change, their users' rows being read.

    Partners in pairs are guessed by the newest session, so that few calls read all; what a guess leaves out,
    the transaction reads by itself.
    """
    keys = dict.fromkeys([_item_keys[item_id, each.lane] for each in deliveries for item_id in each.item_ids])
    interested = [each for each in deliveries if TYPE_CODE[each.event.event_type] in INTERESTED]
    users = dict.fromkeys([each.user_key for each in interested])
    sessions = {user_key: _newest_session(row_cache.row(user_key)) for user_key in users}
    for delivery in interested:
        session = sessions[delivery.user_key]
        partners = () if session is None else likely_partners(session, delivery.event.event_type)
        keys |= dict.fromkeys([_item_keys[item_id, delivery.lane] for item_id in partners])
    moments = {(window_numbers(each.at_s), each.lane) for each in interested}
    arrived_at_s = max([each.arrived_at_s for each in interested], default=0)
    return [*keys, *map(_board_key, _boards(moments, arrived_at_s))]


def _newest_session(row: Row | None) -> Session | None:
    sessions = [] if row is None else decode_sessions(row.state).newest
    return sessions[-1] if sessions else None
