"""A table with rows that the core wrote, and the API asked about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from event_strategies import NOON_S
from tapstack.core.aggregates import WINDOWS, add_in_windows, window_numbers
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.events import TYPE_CODE, Event
from tapstack.core.fold import fold_event
from tapstack.core.ranking import Board, Series
from tapstack.core.rows import (
    ITEM_ROWS,
    ItemState,
    UserState,
    board_partition,
    encode_derived,
    encode_user,
    stripe_sort_key,
)
from tapstack.errors import Unavailable
from tapstack.http import Request
from tapstack.insights.respond import respond
from tapstack.insights.routes import route_at
from tapstack.ports import Key, Row

VIEW, PURCHASE, CART = TYPE_CODE["item_view"], TYPE_CODE["purchase"], TYPE_CODE["cart_add"]


class Rows:
    """`tapstack.ports.RowReader` over rows put here."""

    def __init__(self) -> None:
        self._rows: dict[Key, Row] = {}

    def put(self, pk: str, sk: str, state: object, expires_at_s: int = 0) -> None:
        packed = encode_user(state) if isinstance(state, UserState) else encode_derived({}, state)
        self.put_state(pk, sk, packed, expires_at_s=expires_at_s)

    def put_state(self, pk: str, sk: str, state: bytes, *, version: int = 1, expires_at_s: int = 0) -> None:
        key = Key(pk, sk)
        self._rows[key] = Row(key=key, version=version, state=state, expires_at_s=expires_at_s)

    def delete(self, pk: str, sk: str) -> None:
        del self._rows[Key(pk, sk)]

    def get(self, key: Key) -> Row | None:
        return self._rows.get(key)

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        return [row for row in self.query(pk) if row.key.sk.startswith(sk_prefix)]

    def read_range(self, pk: str, first: str, last: str, limit: int) -> Sequence[Row]:
        return [row for row in self.query(pk) if first <= row.key.sk <= last][:limit]

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        return [self._rows[key] for key in sorted(self._rows) if key.pk == pk]

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        return {key: self._rows[key] for key in keys if key in self._rows}


class Away:
    def get(self, key: Key) -> Row | None:
        raise Unavailable("dynamodb: away")

    def read_prefix(self, pk: str, sk_prefix: str) -> Sequence[Row]:
        raise Unavailable("dynamodb: away")

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        raise Unavailable("dynamodb: away")

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        raise Unavailable("dynamodb: away")


def get(rows: Any, path: str, now_s: int = NOON_S, **query: str) -> Any:
    segments = tuple(path.removeprefix("/").split("/"))
    response = respond(Request(method="GET", path=segments, query=tuple(query.items())), rows, now_s)
    answer = msgspec.json.decode(response.body, type=route_at(segments).answer)  # it has the type it should
    return msgspec.to_builtins(answer)


def user_of(*events: Event, declared: Declared = NOTHING_DECLARED) -> UserState:
    user = UserState()
    for event in events:
        at_s, data = int(event.occurred_at.timestamp()), msgspec.json.encode(event)
        fold_event(user, event, at_s, NOON_S, declared, data)
    return user


def item_state(**parts: Any) -> ItemState:
    return msgspec.structs.replace(ITEM_ROWS.new(), **parts)


def item_of(*counted: tuple[int, int], viewed: Mapping[str, int] | None = None) -> ItemState:
    item = item_state(viewed_with=dict(viewed or {}))
    for at_s, code in counted:
        add_in_windows(item.counters, {code: 1}, window_numbers(at_s), NOON_S)
    return item


def board(
    rows: Rows,
    stripe: int,
    views: Mapping[str, int],
    expires_at_s: int = 0,
    *,
    position: int = 0,
    evicted: Series | None = None,
) -> None:
    """Put a board whose items were viewed in the present sub-window."""
    window = WINDOWS[position]
    items = {item_id: {VIEW: {0: count}} for item_id, count in views.items()}
    state = Board(window.number(NOON_S), items, evicted or {})
    rows.put(board_partition(window), stripe_sort_key(stripe), state, expires_at_s)
