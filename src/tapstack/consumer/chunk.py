"""A chunk: as many events as fit one transaction, folded into the rows they change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from tapstack.consumer.records import Delivery
from tapstack.consumer.workspace import Workspace
from tapstack.core.aggregates import WINDOWS, Numbers
from tapstack.core.cooccurrence import PARTNERS_MAX
from tapstack.core.dedupe import Verdict, expect_parts, has_room_for_parts, judge, remember
from tapstack.core.events import Event
from tapstack.core.fold import PART_ITEMS_MAX, ItemEffect, fold_event, fold_item, parts_count
from tapstack.core.identity import Part, identify
from tapstack.core.ranking import Board, interest, trim
from tapstack.core.rows import (
    ItemState,
    State,
    UserState,
    board_partition,
    decode_board,
    decode_item,
    decode_user,
    encode_state,
    item_partition,
    lane_sort_key,
)
from tapstack.core.sessions import BOUGHT_MAX
from tapstack.ports import Key, RowWrite

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html, read 2026-11-23
ROWS_MAX = 100
BYTES_MAX = 3 * 1024 * 1024  # of the states; the limit is 4 MB with keys and names, same page
# A row begins at the time its first event arrived, in units finer than rows are written (a partition takes
# 1,000 write units a second). So a row that TTL deleted and that begins anew takes none of its old versions,
# and a stale image of the old row meets no condition of the new one. For that a row must outlive the records
# that are on the stream when it begins: leaderboards as well, though nobody asks for old ones.
VERSIONS_PER_S = 1_000

Place = tuple[int, int, int]  # of a leaderboard: window position, window number, lane
_S = TypeVar("_S", UserState, ItemState, Board)


class Chunk:
    """Events folded on private copies of their rows; the table knows nothing of it yet.

    Parameters
    ----------
    workspace
        The rows as they were last seen; the users' rows must be loaded.
    row_ttl_s
        How long a row lives after the last event that changed it.
    """

    def __init__(self, workspace: Workspace, row_ttl_s: int) -> None:
        self._workspace = workspace
        self._row_ttl_s = row_ttl_s
        self._users: dict[Key, UserState] = {}
        self._changed: dict[Key, None] = {}  # user rows to be written
        self._effects: dict[tuple[str, int], list[ItemEffect]] = {}  # by item and lane
        self._moments: dict[tuple[Numbers, int], None] = {}  # windows and lanes whose boards may move
        self._arrived_at_s = 0
        self.verdicts: list[tuple[Delivery, Verdict]] = []

    def add(self, delivery: Delivery) -> bool:
        """Judge one delivery and fold it in if it is NEW.

        Returns
        -------
        bool
            False if its rows might not fit; the chunk is as before and has to be committed first.
        """
        user = self._user(delivery.user_key)
        verdict = judge(user.seen, delivery.identity)
        goes_on = delivery.part == 0 and len(delivery.event.items) > PART_ITEMS_MAX
        if verdict is Verdict.NEW and (delivery.too_old or (goes_on and not has_room_for_parts(user.seen))):
            verdict = Verdict.LATE
        if verdict is Verdict.NEW:
            if not self._fits(delivery):
                return False
            remember(user.seen, delivery.identity)
            if goes_on:
                expect_parts(user.seen, _further_parts(delivery.event))
            self._fold(user, delivery)
        self.verdicts.append((delivery, verdict))
        return True

    def keys(self) -> list[Key]:
        """Tell the rows the chunk would write."""
        return [
            *self._changed,
            *(_item_key(item_id, lane) for item_id, lane in self._effects),
            *(_board_key(place) for place in self._boards()),
        ]

    def writes(self) -> list[RowWrite]:
        """Fold the items' and boards' rows, which must be loaded by now, and tell what to write."""
        writes = [self._write(key, self._users[key]) for key in self._changed]
        boards = {
            place: self._state(_board_key(place), decode_board, _empty_board) for place in self._boards()
        }
        for (item_id, lane), effects in self._effects.items():
            key = _item_key(item_id, lane)
            item = self._state(key, decode_item, ItemState)
            for effect in effects:
                fold_item(item, effect)
            writes.append(self._write(key, item))
            for numbers in {effect.numbers for effect in effects if effect.interested}:
                _score(boards, item_id, item, numbers, lane)
        return writes + [self._write(_board_key(place), trim(board)) for place, board in boards.items()]

    def _boards(self) -> dict[Place, None]:
        """Tell the leaderboards that may move: those of windows still kept."""
        return {
            (position, number, lane): None
            for numbers, lane in self._moments
            for position, (window, number) in enumerate(zip(WINDOWS, numbers, strict=True))
            if window.oldest_kept(self._arrived_at_s) <= number <= window.newest_kept(self._arrived_at_s)
        }

    def _user(self, key: Key) -> UserState:
        user = self._users.get(key)
        if user is None:
            user = self._users[key] = self._state(key, decode_user, UserState)
        return user

    def _fits(self, delivery: Delivery) -> bool:
        items, lane = delivery.items, delivery.lane
        room = ROWS_MAX - len(self._changed) - len(self._effects) - len(WINDOWS) * len(self._moments)
        beside = _PARTNERS_BOUND.get(delivery.event.event_type, 0) + len(WINDOWS) if items else 0
        if room >= 1 + len(items) + beside:
            return True  # the usual case: it fits even if none of its rows is in the chunk yet
        new_user = delivery.user_key not in self._changed
        new_items = {item.item_id for item in items if (item.item_id, lane) not in self._effects}
        return room >= new_user + len(new_items) + beside

    def _fold(self, user: UserState, delivery: Delivery) -> None:
        self._changed[delivery.user_key] = None
        self._arrived_at_s = max(self._arrived_at_s, delivery.arrived_at_s)
        lane = delivery.lane
        for effect in fold_event(user, delivery.event, delivery.part, delivery.at_s, delivery.arrived_at_s):
            self._effects.setdefault((effect.item_id, lane), []).append(effect)
            if effect.interested:
                self._moments[effect.numbers, lane] = None

    def _state(self, key: Key, decode: Callable[[bytes], _S], empty: Callable[[], _S]) -> _S:
        row = self._workspace.row(key)
        return empty() if row is None else decode(row.state)

    def _write(self, key: Key, state: State) -> RowWrite:
        row = self._workspace.row(key)
        expires_at_s = self._arrived_at_s + self._row_ttl_s
        return RowWrite(
            key=key,
            seen_version=0 if row is None else row.version,
            state=encode_state(state),
            expires_at_s=expires_at_s if row is None else max(expires_at_s, row.expires_at_s),
            first_version=max(1, self._arrived_at_s * VERSIONS_PER_S),
        )


# How many items beside its own an event may touch, at most.
_PARTNERS_BOUND = {"item_view": PARTNERS_MAX, "purchase": BOUGHT_MAX}


def _further_parts(event: Event) -> list[Part]:
    """Tell the parts that come after the first one of a long event."""
    parts = [identify(event, part) for part in range(1, parts_count(event))]
    return [part for part in parts if isinstance(part, Part)]


def _empty_board() -> Board:
    return {}


@lru_cache(maxsize=16_384)  # asked for three times a row
def _item_key(item_id: str, lane: int) -> Key:
    return Key(item_partition(item_id), lane_sort_key(lane))


def _board_key(place: Place) -> Key:
    position, number, lane = place
    return Key(board_partition(WINDOWS[position], number), lane_sort_key(lane))


def _score(boards: dict[Place, Board], item_id: str, item: ItemState, numbers: Numbers, lane: int) -> None:
    """Put an item's exact score on the boards of an event's windows."""
    for position, number in enumerate(numbers):
        counted = item.counters.windows[position].get(number)
        board = boards.get((position, number, lane))
        if counted is not None and board is not None:
            board[item_id] = interest(counted)


def item_keys(deliveries: Sequence[Delivery]) -> list[Key]:
    """Tell the rows of the items that deliveries are about; their partners are known only later."""
    touched = {(item.item_id, d.lane): None for d in deliveries for item in d.items}
    return [_item_key(item_id, lane) for item_id, lane in touched]


def by_user(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """Order deliveries by lane and user, each user's in the order of the stream.

    Users who touch the same popular item stand together, so that its row is written in few
    transactions instead of in most.
    """
    touched = Counter([item.item_id for delivery in deliveries for item in delivery.items])
    groups: dict[tuple[int, Key], list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault((delivery.lane, delivery.user_key), []).append(delivery)

    def order(group: tuple[int, Key]) -> tuple[int, int, str]:
        item_ids = [item.item_id for delivery in groups[group] for item in delivery.items]
        favourite = max(item_ids, key=lambda item_id: (touched[item_id], item_id), default="")
        return group[0], -touched[favourite], favourite

    return [delivery for group in sorted(groups, key=order) for delivery in groups[group]]
