"""``features:batchGet``: many features of many users, items and categories in one answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.attributes.definitions import Definitions, Entity
from tapstack.core.attributes.stored import ViewStates
from tapstack.core.events import Id
from tapstack.core.item_facts import kept_category
from tapstack.core.journal import stripe_of
from tapstack.core.rows import (
    ITEM_ROWS,
    ItemState,
    UserState,
    anonymous_key,
    decode_user,
    item_partition,
    known_user_key,
    stripe_sort_key,
)
from tapstack.http import echo
from tapstack.insights.answers import FeatureRow, Features, FeatureTable, Interval
from tapstack.insights.catalogue_attributes import projections_of, read_states
from tapstack.insights.declared import Asked as DeclaredAsked
from tapstack.insights.declared import (
    asked_for,
    intervals,
    newest_arrival_s,
    service_features,
    values_of,
)
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


class SessionId(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A session: events of a user that named this ``session_id``."""

    user_id: Id
    session_id: Id


class FeatureQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The features that are asked for, and the users, sessions and items.

    Parameters
    ----------
    users
        A ``user_id`` or an ``anonymous_id`` each.
    items
        An ``item_id`` each.
    sessions
        At most 100 users, items, sessions and categories together.
    categories
        By name.
    user_features
        Of the users, by name.
    item_features
        Of the items, by name.
    session_features
        Of the sessions, by name: declared ones. At most 20,000 cells together.
    category_features
        Of the categories, by name: declared ones.
    feature_service
        A declared service, whose features are added to those of what is asked for.
    """

    users: list[Id] = []
    items: list[Id] = []
    sessions: list[SessionId] = []
    categories: list[Id] = []
    user_features: list[str] = []
    item_features: list[str] = []
    session_features: list[str] = []
    category_features: list[str] = []
    feature_service: str = ""

    @property
    def people(self) -> bool:
        """Return whether users or sessions are asked for."""
        return bool(self.users or self.sessions)

    @property
    def catalogue(self) -> bool:
        """Return whether items or categories are asked for."""
        return bool(self.items or self.categories)


class _Compiled(NamedTuple):
    """Features, compiled: functions of a row, and by position those that are declared."""

    getters: list[Getter[Any]]
    declared: dict[int, DeclaredAsked]

    def row(self, id_: str, updated_s: int, described: Any, states: ViewStates, at_s: int) -> FeatureRow:
        """Return the row of what was found."""
        values: list[Any] = [getter(described) for getter in self.getters]
        found = values_of(self.declared.values(), states, at_s)
        for position, value in zip(self.declared, found.values, strict=True):
            values[position] = value
        return FeatureRow(
            id=id_,
            status="found",
            updated_at=time_text(updated_s),
            values=values,
            since=found.since,
            missing_max=found.missing_max,
        )

    def missing(self, id_: str) -> FeatureRow:
        """Return the row of what was not found."""
        return FeatureRow(id=id_, status="not_found", updated_at=None, values=[None] * len(self.getters))


class _Asked(NamedTuple):
    """The features that are asked for."""

    users: _Compiled
    items: _Compiled
    sessions: _Compiled
    categories: _Compiled


def batch_get(
    reader: RowReader,
    query: FeatureQuery,
    now_s: int,
    freshness: FreshnessCache,
    declared: Declared = NOTHING_DECLARED,
) -> Features:
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
    declared
        The attributes that the consumer keeps beside.

    Raises
    ------
    InvalidRequest
        If a feature is unknown, or too much is asked for.
    Unavailable
        If not every row could be read: nothing unread is answered as not found.
    """
    query = _with_service(query, declared.definitions)
    features = _checked(query, declared)
    found = _read(reader, query, features, now_s, freshness)
    at_s = max([now_s, *found.arrivals_s()])  # a row has dropped what is too old for its newest arrival
    scopes = scopes_of(query.item_features)
    fresh = found.fresh
    return Features(
        as_of=time_text(min([each.as_of_s for each in fresh.values()], default=now_s)),
        since=time_text(fresh[ITEMS].since_s) if fresh and fresh[ITEMS].since_s else None,
        windows=_windows(scopes, features, at_s),
        users=FeatureTable(
            features=query.user_features,
            rows=[_user(id_, found.people.get(id_), features.users, now_s, at_s) for id_ in query.users],
        ),
        items=FeatureTable(
            features=query.item_features,
            rows=[_item(id_, found, features.items, at_s, scopes) for id_ in query.items],
        ),
        sessions=FeatureTable(
            features=query.session_features,
            rows=[
                _session(each, found.people.get(each.user_id), features.sessions, at_s)
                for each in query.sessions
            ],
        ),
        categories=FeatureTable(
            features=query.category_features,
            rows=[
                _category(name, found.of_categories[kept_category(name)], features.categories, at_s)
                for name in query.categories
            ],
        ),
    )


def _windows(scopes: set[str], features: _Asked, at_s: int) -> dict[str, Interval]:
    """Return the windows that the features are of, by name."""
    of_items = {
        name: Interval(start=time_text(window_start_s(name, at_s)), end=time_text(at_s))
        for name in scopes - {LIFETIME}
    }
    declared = intervals([asked for each in features for asked in each.declared.values()], at_s)
    return dict(sorted((of_items | declared).items()))


class _Found(NamedTuple):
    """What the table holds of those that are asked for: items by stripe; declared attributes beside them."""

    fresh: Mapping[str, Freshness]
    people: Mapping[str, UserState]
    items: Mapping[str, Sequence[ItemState]]
    of_items: Mapping[str, ViewStates]
    of_categories: Mapping[str, ViewStates]

    def arrivals_s(self) -> Iterator[int]:
        """Yield the newest arrivals that windows know; clocks of the table and of ours may differ."""
        for stripes in self.items.values():
            yield from [item.counters.arrived_s for item in stripes]
        for states in (*self.of_items.values(), *self.of_categories.values()):
            yield newest_arrival_s(states)
        for person in self.people.values():
            yield newest_arrival_s(person.attributes)
            yield from [newest_arrival_s(session.attributes) for session in person.sessions.newest]


def _read(
    reader: RowReader, query: FeatureQuery, features: _Asked, now_s: int, freshness: FreshnessCache
) -> _Found:
    """Read the rows; how far the projections are before those that they fold."""
    of_items, of_categories = features.items.declared.values(), features.categories.declared.values()
    fresh, stripes = dict[str, Freshness](), set[int]()
    if query.catalogue:
        names = [ITEMS, *projections_of([*of_items, *of_categories])]
        fresh = {name: freshness.of(name, now_s) for name in names}
        stripes = {stripe_of(lane) for lane in freshness.progress(now_s).heads}
    people = dict.fromkeys([*query.users, *(session.user_id for session in query.sessions)])
    categories = [kept_category(name) for name in query.categories]
    return _Found(
        fresh,
        {id_: decode_user(row.state) for id_, row in _read_users(reader, list(people), now_s).items()},
        _read_items(reader, query.items, now_s, stripes),
        read_states(reader, of_items, query.items, stripes, fresh, now_s),
        read_states(reader, of_categories, categories, stripes, fresh, now_s),
    )


def _user(id_: str, state: UserState | None, features: _Compiled, now_s: int, at_s: int) -> FeatureRow:
    if state is None:
        return features.missing(id_)
    seen_s, described = state.profile.last_seen_s, user_row(state, now_s)
    return features.row(id_, seen_s, described, state.attributes, at_s)


def _session(asked: SessionId, state: UserState | None, features: _Compiled, at_s: int) -> FeatureRow:
    for session in [] if state is None else state.sessions.newest:
        if session.label == asked.session_id:
            return features.row(asked.session_id, session.end_s, None, session.attributes, at_s)
    return features.missing(asked.session_id)


def _item(id_: str, found: _Found, features: _Compiled, at_s: int, scopes: set[str]) -> FeatureRow:
    if id_ not in found.items:
        return features.missing(id_)
    described = item_row(found.items[id_], at_s, scopes)
    return features.row(id_, described.updated_s, described, found.of_items[id_], at_s)


def _category(name: str, states: ViewStates, features: _Compiled, at_s: int) -> FeatureRow:
    """Return the row of a category: found if any of the views that are asked for counted it."""
    updated_s = newest_arrival_s(states)
    return features.row(name, updated_s, None, states, at_s) if updated_s else features.missing(name)


def _with_service(query: FeatureQuery, definitions: Definitions) -> FeatureQuery:
    """Return a query with the features of its service among those of what is asked for."""
    if not query.feature_service:
        return query
    users = service_features(definitions, query.feature_service, "user")
    sessions = service_features(definitions, query.feature_service, "session")
    items = service_features(definitions, query.feature_service, "item")
    categories = service_features(definitions, query.feature_service, "category")
    if users is None or sessions is None or items is None or categories is None:
        detail = f"expected the name of a declared service, got {echo(query.feature_service)}"
        raise InvalidRequest([Fault(pointer="#/feature_service", detail=detail)])
    return msgspec.structs.replace(
        query,
        user_features=[*query.user_features, *(users if query.users else ())],
        session_features=[*query.session_features, *(sessions if query.sessions else ())],
        item_features=[*query.item_features, *(items if query.items else ())],
        category_features=[*query.category_features, *(categories if query.categories else ())],
    )


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
        found.setdefault(keys[row.key], []).append(ITEM_ROWS.body(row.state))
    return found


def _checked(query: FeatureQuery, declared: Declared) -> _Asked:
    """Return the features that are asked for, compiled."""
    faults: list[Fault] = []
    asked = (
        (query.users, query.user_features),
        (query.items, query.item_features),
        (query.sessions, query.session_features),
        (query.categories, query.category_features),
    )
    entities = sum([len(ids) for ids, _ in asked])
    if not 1 <= entities <= ENTITIES_MAX:
        detail = f"expected 1 to {ENTITIES_MAX} users, items, sessions and categories, got {entities}"
        faults.append(Fault(pointer="#", detail=detail))
    cells = sum([len(ids) * len(features) for ids, features in asked])
    if cells > CELLS_MAX:
        faults.append(Fault(pointer="#", detail=f"expected at most {CELLS_MAX} cells, got {cells}"))
    users = _compiled("user_features", query.user_features, USER_FEATURES, "user", declared, faults)
    items = _compiled("item_features", query.item_features, ITEM_FEATURES, "item", declared, faults)
    sessions = _compiled("session_features", query.session_features, (), "session", declared, faults)
    categories = _compiled("category_features", query.category_features, (), "category", declared, faults)
    if faults:
        raise InvalidRequest(faults)
    return _Asked(users, items, sessions, categories)


def _compiled(
    member: str,
    names: Sequence[str],
    features: Sequence[Feature[R]],
    entity: Entity,
    declared: Declared,
    faults: list[Fault],
) -> _Compiled:
    found = _Compiled([], {})
    for position, name in enumerate(names[:CELLS_MAX]):
        asked = asked_for(declared, name, entity)
        getter = compiled(name, features) if asked is None else _nothing
        if asked is not None:
            found.declared[position] = asked
        if getter is None:
            pointer = f"#/{member}/{position}"
            faults.append(Fault(pointer=pointer, detail=f"expected the name of a feature, got {echo(name)}"))
        else:
            found.getters.append(getter)
    return found


def _nothing(_: object) -> None:
    """Stand where a declared feature's value will be."""
