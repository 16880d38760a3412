"""``features:batchGet``: what each feature is, and what is said of a query that cannot be answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import NOON_S, PURCHASE, VIEW, Away, Rows, get, item_of, item_state, user_of

from event_strategies import stream_event
from tapstack.core.aggregates import MICROS, WINDOWS, Counters, add_in_windows, window_numbers
from tapstack.core.events import EVENT_TYPES
from tapstack.core.journal import (
    HEADS_PARTITION,
    LANES_A_STRIPE,
    WATERMARKS_PARTITION,
    Watermark,
    encode_watermark,
)
from tapstack.core.rows import anonymous_key, item_partition, known_user_key, stripe_sort_key
from tapstack.errors import Unavailable
from tapstack.http import BadRequest, Request
from tapstack.insights.batch import CELLS_MAX, ENTITIES_MAX
from tapstack.insights.bodies import BODY_BYTES_MAX
from tapstack.insights.features import ITEM_FEATURES, USER_FEATURES, WINDOW_NAMES, Feature, compiled
from tapstack.insights.problems import InvalidRequest, problem
from tapstack.insights.respond import respond

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "insights-api.md").read_text()
LENGTH_S = {"1h": 3_600, "24h": 86_400, "7d": 7 * 86_400}


def ask(rows: Any, now_s: int = NOON_S, **query: Any) -> Any:
    body = json.dumps(query).encode()
    request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=body)
    return json.loads(respond(request, rows, now_s).body)


def journal(stripes: int = 1) -> Rows:
    """Return rows of which the journal's lanes fill so many stripes, all of it folded."""
    rows = Rows()
    lanes = range(0, stripes * LANES_A_STRIPE, LANES_A_STRIPE)
    for lane in lanes:
        rows.put_state(HEADS_PARTITION, f"{lane:04d}", b"", version=1)
    rows.put_state(WATERMARKS_PARTITION, "items", encode_watermark(Watermark(dict.fromkeys(lanes, 1))))
    return rows


# Values.


@pytest.mark.parametrize("seed", range(40))
def test_a_windows_counts_are_those_of_the_events_it_says_it_covers(seed: int) -> None:
    """The law: recount the events whose time lies in the interval that the answer names."""
    rng = Random(seed)
    now_s = NOON_S + rng.randrange(100_000)
    rows = journal(stripes=3)
    events = []
    for stripe in range(3):
        item = item_state()
        # The newest may have arrived by a clock that is ahead of the reader's.
        arrivals = sorted(
            now_s - int(rng.random() ** 3 * 9 * 86_400) + 20 for _ in range(rng.randrange(1, 30))
        )
        for arrived_s in arrivals:
            at_s = arrived_s - int(rng.random() ** 4 * 2 * 86_400)
            code, bought = rng.choice(((VIEW, 0), (PURCHASE, rng.randrange(1, 9_999) * 10_000)))
            amounts: Counters = {code: 1, "EUR": bought} if bought else {code: 1}
            add_in_windows(item.counters, amounts, window_numbers(at_s), arrived_s)
            events.append((at_s, arrived_s, code, bought))
        rows.put(item_partition("a"), stripe_sort_key(stripe), item)
    kinds = [f"{name}_{window}" for window in WINDOW_NAMES for name in ("item_view_count", "value_EUR")]
    answer = ask(rows, now_s, items=["a"], item_features=[*kinds, "event_count", "value_EUR"])
    values = dict(zip(answer["items"]["features"], answer["items"]["rows"][0]["values"], strict=True))
    for window, tile in zip(WINDOW_NAMES, WINDOWS, strict=True):
        covered = answer["windows"][window]
        start_s, end_s = (seconds(covered[name]) for name in ("start", "end"))
        assert end_s == max(now_s, *(arrived_s for _, arrived_s, _, _ in events))
        assert 0 <= end_s - start_s - LENGTH_S[window] < tile.length_s
        inside = [each for each in events if each[0] >= start_s]
        assert values[f"item_view_count_{window}"] == sum(code == VIEW for _, _, code, _ in inside)
        assert values[f"value_EUR_{window}"] == sum(bought for *_, bought in inside) / MICROS
    assert values["event_count"] == len(events)
    assert values["value_EUR"] == sum(bought for *_, bought in events) / MICROS


def seconds(text: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(text).timestamp())


def test_a_users_features_are_what_its_answer_says() -> None:
    rows = Rows()
    rows.put(
        *known_user_key("ann"),
        user_of(
            stream_event(event_id="1", occurred_at="2026-03-10T09:00:00Z", items=[{"item_id": "lamp"}]),
            stream_event(
                event_id="2",
                occurred_at="2026-03-10T11:58:00Z",
                items=[{"item_id": "mug"}],
                context={"locale": "de-DE"},
                traits={"plan": "pro"},
            ),
            stream_event(
                event_id="3",
                event_type="purchase",
                occurred_at="2026-03-10T11:59:00Z",
                items=[{"item_id": "mug", "price": 12.5, "quantity": 2}],
                currency="EUR",
            ),
        ),
    )
    said = get(rows, "/v1/users/ann")
    expected = {
        "event_count": said["events"],
        **{f"{name}_count": said["counts"].get(name, 0) for name in EVENT_TYPES},
        "value_EUR": 25.0,
        "value_XXX": 0,
        "first_seen_age_s": 3 * 3_600,
        "last_seen_age_s": 60,
        "session_count": 2,
        "in_session": True,
        "session_age_s": 120,
        "session_event_count": 2,
        "session_purchase_count": 1,
        "session_viewed_items": ["mug"],
        "session_bought_items": ["mug"],
        "last_items": [recent["item_id"] for recent in said["recent_items"]],
        "last_item": "mug",
        "last_item_age_s": 60,
        "locale": "de-DE",
        "trait_plan": "pro",
        "trait_size": None,
    }
    answer = ask(rows, users=["ann"], user_features=list(expected))
    (row,) = answer["users"]["rows"]
    assert dict(zip(expected, row["values"], strict=True)) == expected
    assert row["updated_at"] == said["last_seen"]
    later = ask(
        rows,
        NOON_S + 3_600,
        users=["ann"],
        user_features=["in_session", "session_age_s", "session_event_count"],
    )
    assert later["users"]["rows"][0]["values"] == [False, None, 0]


def test_rows_come_as_asked_for_and_what_is_not_found_says_so() -> None:
    rows = journal()
    rows.put(*known_user_key("ann"), user_of(stream_event()))
    rows.put(*anonymous_key("visitor"), user_of(stream_event(), stream_event(event_id="2")))
    rows.put(*known_user_key("gone"), user_of(stream_event()), expires_at_s=NOON_S)
    rows.put(item_partition("a"), stripe_sort_key(0), item_of((NOON_S, VIEW)))
    answer = ask(
        rows,
        users=["nobody", "visitor", "ann", "ann", "gone"],
        user_features=["event_count", "last_item"],
        items=["b", "a"],
        item_features=["event_count"],
    )
    users, items = answer["users"]["rows"], answer["items"]["rows"]
    assert [(row["id"], row["status"], row["values"][0]) for row in users] == [
        ("nobody", "not_found", None),
        ("visitor", "found", 2),
        ("ann", "found", 1),
        ("ann", "found", 1),
        ("gone", "not_found", None),
    ]
    assert [(row["id"], row["status"], row["values"], row["updated_at"] is None) for row in items] == [
        ("b", "not_found", [None], True),
        ("a", "found", [1], False),
    ]


@given(st.lists(st.sampled_from([f"{name}_count" for name in EVENT_TYPES]), max_size=9), st.integers(0, 9))
def test_every_row_has_a_value_for_every_feature(names: list[str], count: int) -> None:
    answer = ask(journal(), items=[f"i{number}" for number in range(count + 1)], item_features=names)
    assert answer["items"]["features"] == names
    assert {len(row["values"]) for row in answer["items"]["rows"]} == {len(names)}


def test_what_was_not_read_is_not_said_to_be_missing() -> None:
    with pytest.raises(Unavailable):
        ask(Away(), users=["ann"], user_features=["event_count"])


# Queries that cannot be answered.


BAD: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"{}", "#", "expected 1 to 100 users, items, sessions and categories, got 0"),
    "no JSON": (b'{"users": [', "#", "expected JSON: it ends too early at byte 11"),
    "empty": (b"", "#", "expected JSON: it ends too early at byte 0"),
    "no object": (b"[]", "#", "expected an object, got an array"),
    "no UTF-8": (b'{"users": ["\xff"]}', "#", "expected JSON: it is not UTF-8"),
    "no list": (b'{"users": "ann"}', "#/users", "expected an array, got a string"),
    "no string": (b'{"items": ["a", 7]}', "#/items/1", "expected a string, got a number"),
    "null": (b'{"items": [null]}', "#/items/0", "expected a string, got null"),
    "an empty id": (b'{"users": [""]}', "#/users/0", "expected at least 1 character"),
    "a long id": (b'{"users": ["' + b"x" * 257 + b'"]}', "#/users/0", "expected at most 256 characters"),
    "an unknown member": (b'{"user": []}', "#", "unknown member 'user'"),
    "an unknown feature": (
        b'{"users": ["a"], "user_features": ["event_count", "clicks"]}',
        "#/user_features/1",
        "expected the name of a feature, got 'clicks'",
    ),
    "an item's feature of a user": (
        b'{"users": ["a"], "user_features": ["event_count_1h"]}',
        "#/user_features/0",
        "expected the name of a feature, got 'event_count_1h'",
    ),
    "no currency": (
        b'{"items": ["a"], "item_features": ["value_ABC"]}',
        "#/item_features/0",
        "expected the name of a feature, got 'value_ABC'",
    ),
    "too many entities": (
        json.dumps({"items": ["a"] * (ENTITIES_MAX + 1)}).encode(),
        "#",
        "expected 1 to 100 users, items, sessions and categories, got 101",
    ),
    "too many cells": (
        json.dumps({"items": ["a"], "item_features": ["event_count"] * (CELLS_MAX + 1)}).encode(),
        "#",
        "expected at most 20000 cells, got 20001",
    ),
}


@pytest.mark.parametrize(("body", "pointer", "detail"), BAD.values(), ids=BAD)
def test_a_query_that_is_wrong_is_told_where(body: bytes, pointer: str, detail: str) -> None:
    request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=body)
    with pytest.raises(InvalidRequest) as caught:
        respond(request, Away(), NOON_S)
    told = json.loads(problem(caught.value).body)
    assert told["errors"] == [{"detail": detail, "pointer": pointer}]


MEMBERS = st.sampled_from(["users", "items", "user_features", "item_features", "x"])
JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
)


@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_body_is_it_is_answered_or_refused(body: bytes) -> None:
    request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=body)
    try:
        assert respond(request, journal(), NOON_S).status == 200
    except BadRequest as error:
        assert 0 < len(str(error)) < 1_000  # noqa: PT017 - either is right


def test_a_body_is_bounded() -> None:
    request = Request(method="POST", path=("v1", "features:batchGet"), raw_body=b" " * (BODY_BYTES_MAX + 1))
    with pytest.raises(BadRequest):
        respond(request, Rows(), NOON_S)


# The page.


def listed(heading: str) -> list[tuple[str, ...]]:
    table = PAGE.partition(f"**{heading}**\n")[2].strip().splitlines()
    rows = [line for line in table[: table.index("") if "" in table else None] if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in rows[2:]]


@pytest.mark.parametrize(
    ("heading", "features"), [("Features of users", USER_FEATURES), ("Features of items", ITEM_FEATURES)]
)
def test_the_page_lists_the_features_as_they_are(heading: str, features: tuple[Feature[Any], ...]) -> None:
    names = [(" ".join(f"`{name}`" for name in each.name.split(", ")), each) for each in features]
    assert listed(heading) == [(name, each.json_type, each.meaning) for name, each in names]


WORDS = {
    "event_type": EVENT_TYPES,
    "currency": ["EUR", "XXX"],
    "window": WINDOW_NAMES,
    "name": ["plan", "x y"],
}


@pytest.mark.parametrize("features", [USER_FEATURES, ITEM_FEATURES])
def test_every_name_that_the_page_lists_is_a_feature(features: tuple[Feature[Any], ...]) -> None:
    for each in features:
        for pattern in each.name.split(", "):
            names = [pattern]
            for word in re.findall(r"{(\w+)}", pattern):
                names = [name.replace(f"{{{word}}}", value) for name in names for value in WORDS[word]]
            assert all(compiled(name, features) for name in names)
