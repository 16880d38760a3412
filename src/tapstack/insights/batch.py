"""``features:batchGet``: many features of many users and items in one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tapstack.core.events import Id
from tapstack.core.journal import stripe_of
from tapstack.core.rows import (
    ItemState,
    anonymous_key,
    decode_derived,
    decode_item,
    decode_user,
    item_partition,
    known_user_key,
    stripe_sort_key,
)
from tapstack.http import echo
from tapstack.insights.answers import FeatureRow, Features, FeatureTable, Interval
from tapstack.insights.features import (
    ITEM_FEATURES,
    LIFETIME,
    USER_FEATURES,
    Feature,
    Getter,
    R,
    compiled,
    item_row,
    scopes_of,
    user_row,
    window_start_s,
)
from tapstack.insights.freshness import ITEMS, Freshness, FreshnessCache
from tapstack.insights.problems import Fault, InvalidRequest
from tapstack.insights.views import alive, time_text
from tapstack.ports import Key, Row, RowReader

ENTITIES_MAX = 100
CELLS_MAX = 20_000


class FeatureQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The features that are asked for, and the users and items.

    Parameters
    ----------
    users
        A ``user_id`` or an ``anonymous_id`` each.
    items
        An ``item_id`` each; at most 100 users and items together.
    user_features
        Of the users, by name.
    item_features
        Of the items, by name; at most 20,000 cells together.
    """

    users: list[Id] = []
    items: list[Id] = []
    user_features: list[str] = []
    item_features: list[str] = []


def batch_get(reader: RowReader, query: FeatureQuery, now_s: int, freshness: FreshnessCache) -> Features:
    """Return the features asked for, a row for each entity in the order of the query.

    Parameters
    ----------
    reader
        The table.
    query
        What is asked for.
    now_s
        Unix seconds.
    freshness
        What is known of the journal.

    Raises
    ------
    InvalidRequest
        If a feature is unknown, or too much is asked for.
    Unavailable
        If not every row could be read: nothing unread is answered as not found.
    """
    users, items = _checked(query)
    fresh, stripes = Freshness(now_s, 0), set[int]()
    if query.items:
        fresh = freshness.of(ITEMS, now_s)
        stripes = {stripe_of(lane) for lane in freshness.progress(now_s).heads}
    user_rows = _read_users(reader, query.users, now_s)
    item_rows = _read_items(reader, query.items, now_s, stripes)
    # Windows end at the newest arrival, should that be ahead: its row has dropped what is too old for it.
    arrivals = [item.counters.arrived_s for stripes in item_rows.values() for item in stripes]
    at_s = max([now_s, *arrivals])
    scopes = scopes_of(query.item_features)
    return Features(
        as_of=time_text(fresh.as_of_s),
        since=time_text(fresh.since_s) if fresh.since_s else None,
        windows={
            name: Interval(start=time_text(window_start_s(name, at_s)), end=time_text(at_s))
            for name in sorted(scopes - {LIFETIME})
        },
        users=FeatureTable(
            features=query.user_features,
            rows=[_user(id_, user_rows.get(id_), users, now_s) for id_ in query.users],
        ),
        items=FeatureTable(
            features=query.item_features,
            rows=[_item(id_, item_rows.get(id_), items, at_s, scopes) for id_ in query.items],
        ),
    )


def _user(id_: str, row: Row | None, getters: Sequence[Getter[Any]], now_s: int) -> FeatureRow:
    if row is None:
        return _missing(id_, len(getters))
    state = decode_user(row.state)
    described = user_row(state, now_s)
    return FeatureRow(
        id=id_,
        status="found",
        updated_at=time_text(state.profile.last_seen_s),
        values=[getter(described) for getter in getters],
    )


def _item(
    id_: str, stripes: Sequence[ItemState] | None, getters: Sequence[Getter[Any]], at_s: int, scopes: set[str]
) -> FeatureRow:
    if not stripes:
        return _missing(id_, len(getters))
    described = item_row(stripes, at_s, scopes)
    return FeatureRow(
        id=id_,
        status="found",
        updated_at=time_text(described.updated_s),
        values=[getter(described) for getter in getters],
    )


def _missing(id_: str, count: int) -> FeatureRow:
    return FeatureRow(id=id_, status="not_found", updated_at=None, values=[None] * count)


def _read_users(reader: RowReader, ids: Sequence[str], now_s: int) -> Mapping[str, Row]:
    """Read users, and as anonymous visitors those that are not known."""
    found: dict[str, Row] = {}
    for key_of in (known_user_key, anonymous_key):
        keys = {Key(*key_of(id_)): id_ for id_ in ids if id_ not in found}
        rows = reader.read_all(list(keys))
        found.update({keys[row.key]: row for row in alive(rows.values(), now_s)})
    return found


def _read_items(
    reader: RowReader, ids: Sequence[str], now_s: int, stripes: Iterable[int]
) -> Mapping[str, list[ItemState]]:
    """Read items, a row for each stripe that the journal had when it was asked how far it is."""
    keys = {
        Key(item_partition(id_), stripe_sort_key(stripe)): id_ for id_ in ids for stripe in sorted(stripes)
    }
    found: dict[str, list[ItemState]] = {}
    for row in alive(reader.read_all(list(keys), consistent=True).values(), now_s):
        item = decode_item(bytes(decode_derived(row.state).body))
        found.setdefault(keys[row.key], []).append(item)
    return found


def _checked(query: FeatureQuery) -> tuple[Sequence[Getter[Any]], Sequence[Getter[Any]]]:
    """Return the functions that compute the features of users, and those of items."""
    faults: list[Fault] = []
    entities = len(query.users) + len(query.items)
    if not 1 <= entities <= ENTITIES_MAX:
        detail = f"expected 1 to {ENTITIES_MAX} users and items, got {entities}"
        faults.append(Fault(pointer="#", detail=detail))
    cells = len(query.users) * len(query.user_features) + len(query.items) * len(query.item_features)
    if cells > CELLS_MAX:
        faults.append(Fault(pointer="#", detail=f"expected at most {CELLS_MAX} cells, got {cells}"))
    users = _compiled("user_features", query.user_features, USER_FEATURES, faults)
    items = _compiled("item_features", query.item_features, ITEM_FEATURES, faults)
    if faults:
        raise InvalidRequest(faults)
    return users, items


def _compiled(
    member: str, names: Sequence[str], features: Sequence[Feature[R]], faults: list[Fault]
) -> list[Getter[R]]:
    getters = []
    for position, name in enumerate(names[:CELLS_MAX]):
        getter = compiled(name, features)
        if getter is None:
            pointer = f"#/{member}/{position}"
            faults.append(Fault(pointer=pointer, detail=f"expected the name of a feature, got {echo(name)}"))
        else:
            getters.append(getter)
    return getters
