"""A chunk: as many events as fit one transaction, folded into the rows they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tapstack.consumer.records import Delivery
from tapstack.consumer.workspace import Workspace
from tapstack.core.aggregates import WINDOWS
from tapstack.core.cooccurrence import PARTNERS_MAX
from tapstack.core.dedupe import Verdict, judge, remember
from tapstack.core.fold import PART_ITEMS_MAX, ItemEffect, board_numbers, fold_event, fold_item
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
BOARD_KEPT_S = 86_400  # beyond the time a reader may ask for a window

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
        self._boards: dict[tuple[int, int, int], None] = {}  # window position, number, lane
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
        if verdict is Verdict.NEW and delivery.too_old:
            verdict = Verdict.LATE
        if verdict is Verdict.NEW:
            if not self._fits(delivery):
                return False
            remember(user.seen, delivery.identity)
            self._fold(user, delivery)
        self.verdicts.append((delivery, verdict))
        return True

    def keys(self) -> list[Key]:
        """Tell the rows the chunk would write."""
        return [
            *self._changed,
            *(_item_key(item_id, lane) for item_id, lane in self._effects),
            *(_board_key(board) for board in self._boards),
        ]

    def writes(self) -> list[RowWrite]:
        """Fold the items' and boards' rows, which must be loaded by now, and tell what to write."""
        users = [self._write(key, self._users[key], self._row_ttl_s) for key in self._changed]
        items, scores = self._fold_items()
        boards = []
        for place in self._boards:
            position, number, _ = place
            board = self._state(_board_key(place), decode_board, _empty_board)
            board.update(scores.get(place, {}))
            window = WINDOWS[position]
            until_s = (number + 1 + window.kept) * window.length_s + BOARD_KEPT_S
            boards.append(self._write(_board_key(place), trim(board), until_s - self._arrived_at_s))
        return users + items + boards

    def _fold_items(self) -> tuple[list[RowWrite], dict[tuple[int, int, int], dict[str, int]]]:
        writes: list[RowWrite] = []
        scores: dict[tuple[int, int, int], dict[str, int]] = {}
        for (item_id, lane), effects in self._effects.items():
            key = _item_key(item_id, lane)
            item = self._state(key, decode_item, ItemState)
            for effect in effects:
                fold_item(item, effect)
            writes.append(self._write(key, item, self._row_ttl_s))
            for position, number in {place for effect in effects for place in board_numbers(effect)}:
                counted = item.counters.windows[position].get(number)
                if counted is not None:
                    scores.setdefault((position, number, lane), {})[item_id] = interest(counted)
        return writes, scores

    def _user(self, key: Key) -> UserState:
        user = self._users.get(key)
        if user is None:
            user = self._users[key] = self._state(key, decode_user, UserState)
        return user

    def _fits(self, delivery: Delivery) -> bool:
        event, lane = delivery.event, delivery.lane
        items = event.items[delivery.part * PART_ITEMS_MAX : (delivery.part + 1) * PART_ITEMS_MAX]
        rows = len(self._changed) + len(self._effects) + len(self._boards)
        rows += delivery.user_key not in self._changed
        rows += len({item.item_id for item in items if (item.item_id, lane) not in self._effects})
        if items:
            rows += _PARTNERS_BOUND.get(event.event_type, 0) + len(WINDOWS)
        return rows <= ROWS_MAX

    def _fold(self, user: UserState, delivery: Delivery) -> None:
        self._changed[delivery.user_key] = None
        self._arrived_at_s = max(self._arrived_at_s, delivery.arrived_at_s)
        for effect in fold_event(user, delivery.event, delivery.part, delivery.arrived_at_s):
            self._effects.setdefault((effect.item_id, delivery.lane), []).append(effect)
            for position, number in board_numbers(effect):
                self._boards[position, number, delivery.lane] = None

    def _state(self, key: Key, decode: Callable[[bytes], _S], empty: Callable[[], _S]) -> _S:
        row = self._workspace.row(key)
        return empty() if row is None else decode(row.state)

    def _write(self, key: Key, state: State, ttl_s: int) -> RowWrite:
        row = self._workspace.row(key)
        expires_at_s = self._arrived_at_s + ttl_s
        return RowWrite(
            key=key,
            seen_version=0 if row is None else row.version,
            state=encode_state(state),
            expires_at_s=expires_at_s if row is None else max(expires_at_s, row.expires_at_s),
        )


# How many items beside its own an event may touch, at most.
_PARTNERS_BOUND = {"item_view": PARTNERS_MAX, "purchase": BOUGHT_MAX}


def _empty_board() -> Board:
    return {}


def _item_key(item_id: str, lane: int) -> Key:
    return Key(item_partition(item_id), lane_sort_key(lane))


def _board_key(place: tuple[int, int, int]) -> Key:
    position, number, lane = place
    return Key(board_partition(WINDOWS[position], number), lane_sort_key(lane))


def by_user(deliveries: Iterable[Delivery]) -> Sequence[Delivery]:
    """Order deliveries by lane and user, each user's in the order of the stream."""
    groups: dict[tuple[int, Key], list[Delivery]] = {}
    for delivery in deliveries:
        groups.setdefault((delivery.lane, delivery.user_key), []).append(delivery)
    lanes = sorted(groups, key=lambda group: group[0])
    return [delivery for group in lanes for delivery in groups[group]]
