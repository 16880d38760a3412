"""Declared attributes as they are served: values are those of the events, and what is missing is said."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import NOON_S, Rows

from event_strategies import stream_event_dict
from tapstack.core.attributes.declared import NOTHING_DECLARED, Declared
from tapstack.core.attributes.reading import read_definitions
from tapstack.core.events import decode_event
from tapstack.core.fold import fold_event
from tapstack.core.rows import UserState, known_user_key
from tapstack.http import Request
from tapstack.insights.batch import FeatureQuery, SessionId
from tapstack.insights.problems import InvalidRequest
from tapstack.insights.respond import respond
from tapstack.insights.routes import route_at
from tapstack_local.reconciliation.attributes import Seen, covered_from_s, expected

ATTRIBUTES: list[dict[str, Any]] = [
    {
        "name": "views",
        "aggregation": "counter",
        "events": ["item_view"],
        "windows": ["5m", "1h", "24h", "7d", "lifetime"],
    },
    {
        "name": "spend",
        "aggregation": "sum",
        "property": "value",
        "windows": ["24h"],
        "hop": "2h",
        "default": 0,
    },
    {"name": "last", "aggregation": "last", "property": "items.item_id", "windows": ["1h", "lifetime"]},
    {
        "name": "seen",
        "aggregation": "unique_list",
        "property": "items.item_id",
        "limit": 2,
        "windows": ["7d"],
    },
    {"name": "kinds", "aggregation": "category_count", "property": "event_type", "limit": 1},
    {"name": "age", "aggregation": "time_since_last"},
]
FEATURES = [
    f"stats:{each['name']}_{window}" for each in ATTRIBUTES for window in each.get("windows", ["lifetime"])
]
VISITS = [f"visit:{name.partition(':')[2]}" for name in FEATURES]


def file() -> str:
    views = [("stats", "user"), ("visit", "session")]
    lines = ["version = 1"]
    for name, entity in views:
        lines += ["[[feature_view]]", f'name = "{name}"', f'entity = "{entity}"']
        for each in ATTRIBUTES:
            lines += ["[[feature_view.attribute]]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in each.items()]
    lines += ["[[feature_service]]", 'name = "home"', 'features = ["stats:views_1h", "visit:age_lifetime"]']
    return "\n".join(lines)


DECLARED = Declared(read_definitions(file()))


def fold(user: UserState, event: dict[str, Any], arrived_s: int, declared: Declared = DECLARED) -> Seen:
    data = msgspec.json.encode(event)
    read = decode_event(data)
    at_s = int(read.occurred_at.timestamp())
    fold_event(user, read, at_s, arrived_s, declared, data)
    at_ms = at_s * 1_000 + read.occurred_at.microsecond // 1_000 if at_s <= arrived_s else arrived_s * 1_000
    return Seen(event, at_ms, arrived_s)


def ask(rows: Rows, now_s: int, declared: Declared = DECLARED, **query: Any) -> Any:
    request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=json.dumps(query).encode())
    return json.loads(respond(request, rows, now_s, declared=declared).body)


def event(at_s: int, event_type: str = "item_view", **more: Any) -> dict[str, Any]:
    return stream_event_dict(event_type=event_type, occurred_at=time_text(at_s), **more)


_said = st.tuples(
    st.sampled_from(["item_view", "purchase"]),
    st.sampled_from(["mug", "lamp", "vase"]),
    st.sampled_from([None, "s-1", "s-2"]),
    st.sampled_from([0, 60, 4_000, 90_000]),
    st.sampled_from([-600, 0, 0, 60, 7_000, 100_000]),
)


@given(st.lists(_said, min_size=1, max_size=10), st.sampled_from([0, 299, 3_600, 200_000]))
def test_what_is_answered_is_what_the_events_say(said: list[Any], later_s: int) -> None:
    user, arrived_s, counted = UserState(), NOON_S, []
    for place, (event_type, item_id, label, pause_s, late_s) in enumerate(said):
        arrived_s += pause_s
        more = {"items": [{"item_id": item_id}], "value": place, "event_id": str(place)}
        session = {} if label is None else {"session_id": label}
        counted.append(fold(user, event(arrived_s - late_s, event_type, **more, **session), arrived_s))
    rows, now_s = Rows(), arrived_s + later_s
    rows.put(*known_user_key("ann"), user)
    answer = ask(rows, now_s, users=["ann"], user_features=FEATURES)
    (row,) = answer["users"]["rows"]
    hold(row, FEATURES, counted, now_s, answer["windows"])
    assert "since" not in row


def hold(row: Any, names: list[str], counted: list[Seen], now_s: int, windows: Any) -> None:
    by_name = {each["name"]: each for each in ATTRIBUTES}
    for name, value in zip(names, row["values"], strict=True):
        attribute, _, window = name.partition(":")[2].rpartition("_")
        said = by_name[attribute]
        wanted = expected(said, window, counted, now_s)
        missing = row.get("missing_max", {}).get(name, 0)
        if said["aggregation"] == "category_count":
            assert all(wanted[kind] - missing <= count <= wanted[kind] for kind, count in value.items())
            assert all(kind in value or count <= missing for kind, count in wanted.items())
        else:
            assert value == pytest.approx(wanted)
        if window != "lifetime":
            start_s = covered_from_s(said, window, now_s)
            shown = windows[f"{window}/{said['hop']}" if "hop" in said else window]
            assert shown["start"] == time_text(start_s)
            assert shown["end"] == time_text(now_s)


def time_text(at_s: int | None) -> str:
    assert at_s is not None
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


def test_a_session_is_that_of_its_user() -> None:
    rows, ann, bob = Rows(), UserState(), UserState()
    counted = [fold(ann, event(NOON_S - 60, event_id="1", session_id="s-1"), NOON_S)]
    fold(ann, event(NOON_S - 30, event_id="2"), NOON_S)
    fold(bob, event(NOON_S - 30, event_id="3", session_id="s-1"), NOON_S)
    fold(bob, event(NOON_S - 20, event_id="4", session_id="s-1"), NOON_S)
    for name, user in (("ann", ann), ("bob", bob)):
        rows.put(*known_user_key(name), user)
    sessions = [{"user_id": user, "session_id": "s-1"} for user in ("ann", "bob", "eve")]
    answer = ask(
        rows, NOON_S, sessions=[*sessions, {"user_id": "ann", "session_id": "s-9"}], session_features=VISITS
    )
    found, other, *missing = answer["sessions"]["rows"]
    hold(found, VISITS, counted, NOON_S, answer["windows"])
    assert other["values"][0] == 2
    assert [row["status"] for row in missing] == ["not_found", "not_found"]
    assert found["updated_at"] == time_text(NOON_S - 60)


def test_what_is_missing_is_said() -> None:
    rows, user = Rows(), UserState()
    fold(user, event(NOON_S - 900, event_id="1"), NOON_S - 900, NOTHING_DECLARED)
    rows.put(*known_user_key("ann"), user)
    (row,) = ask(rows, NOON_S, users=["ann"], user_features=["stats:views_lifetime", "stats:spend_24h"])[
        "users"
    ]["rows"]
    assert (row["values"], row.get("since")) == ([None, 0], {"stats@1": time_text(NOON_S + 1)})
    for place, item in enumerate(("mug", "lamp", "vase")):
        fold(user, event(NOON_S - 60, event_id=item, items=[{"item_id": item}]), NOON_S - 60 + place)
    rows.put(*known_user_key("ann"), user)
    (row,) = ask(rows, NOON_S, users=["ann"], user_features=["stats:views_lifetime", "stats:seen_7d"])[
        "users"
    ]["rows"]
    assert row["values"] == [3, ["mug", "vase"]]
    assert row["since"] == {"stats@1": time_text(NOON_S - 59)}
    assert row["missing_max"] == {"stats:seen_7d": 1}


def test_a_service_adds_its_features_where_there_is_who_has_them() -> None:
    answer = ask(Rows(), NOON_S, users=["ann"], user_features=["event_count"], feature_service="home")
    assert answer["users"]["features"] == ["event_count", "stats:views_1h"]
    assert answer["sessions"]["features"] == []


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"users": ["a"], "user_features": ["visit:views_1h"]}, "#/user_features/0"),
        ({"users": ["a"], "user_features": ["stats:views_2h"]}, "#/user_features/0"),
        ({"items": ["a"], "item_features": ["stats:views_1h"]}, "#/item_features/0"),
        (
            {"sessions": [{"user_id": "a", "session_id": "b"}], "session_features": ["event_count"]},
            "#/session_features/0",
        ),
        ({"users": ["a"], "feature_service": "homes"}, "#/feature_service"),
        ({"sessions": [{"user_id": "a"}]}, "#/sessions/0"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_is_pointed_at(query: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(Rows(), NOON_S, **query)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


def test_nothing_declared_is_an_empty_list() -> None:
    request = Request(method="GET", path=("v1", "attributes"))
    assert json.loads(respond(request, Rows(), NOON_S).body) == {"views": [], "services": []}


def test_sessions_need_the_scope_of_users() -> None:
    query = FeatureQuery(sessions=[SessionId(user_id="ann", session_id="s-1")])
    route = route_at(("v1", "features:batchGet"))
    assert route is not None
    assert route.needed_scopes(query) == {"users"}
