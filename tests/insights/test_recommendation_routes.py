"""The routes of the recommender: what they take, and what they say of what they do not take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import NOON_S, Away, Rows, item_of, user_of

from event_strategies import stream_event
from tapstack.core.journal import head_key
from tapstack.core.rows import item_partition, known_user_key, stripe_sort_key
from tapstack.errors import Unavailable
from tapstack.http import BadRequest, Request
from tapstack.insights.respond import respond

SESSION, RANK = "/v1/sessions:recommend", "/v1/items:rank"


def shop() -> Rows:
    """Ann bought a mug; mugs go with lamps, lamps with shades and vases."""
    rows = Rows()
    rows.put_state(*head_key(0), b"", version=1)
    said = {"event_type": "purchase", "items": [{"item_id": "mug"}]}
    rows.put(*known_user_key("ann"), user_of(stream_event(**said)))
    pairs = {"mug": {"lamp": 4}, "lamp": {"mug": 4, "shade": 2, "vase": 1}}
    for item_id, viewed in pairs.items():
        rows.put(item_partition(item_id), stripe_sort_key(0), item_of(viewed=viewed))
    return rows


def post(path: str, body: Any, rows: Any = None) -> Any:
    packed = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(method="POST", path=tuple(path[1:].split("/")), raw_body=packed)
    return json.loads(respond(request, shop() if rows is None else rows, NOON_S).body)


def names(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


WISHES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a session": ({"items": ["lamp"]}, ["mug", "shade", "vase"]),
    "as many as wanted": ({"items": ["lamp"], "n": 1}, ["mug"]),
    "what is bought is left out": ({"items": ["lamp"], "user_id": "ann"}, ["shade", "vase"]),
    "unless wanted": (
        {"items": ["lamp"], "user_id": "ann", "include_bought": True, "include_seen": True},
        ["mug", "shade", "vase"],
    ),
    "some are excluded": ({"items": ["lamp"], "exclude": ["shade", "mug"]}, ["vase"]),
    "nobody is known": ({"items": ["x"], "user_id": "nobody"}, []),
    "nothing is looked at": ({"items": []}, []),
    "what was seen": ({"items": ["vase", "lamp"], "include_seen": True, "n": 2}, ["mug", "vase"]),
}


@pytest.mark.parametrize(("wish", "found"), WISHES.values(), ids=WISHES)
def test_a_session_gets_what_it_wishes(wish: dict[str, Any], found: list[str]) -> None:
    assert names(post(SESSION, wish)) == found


def test_items_are_ranked_for_a_user_or_a_session_each_once() -> None:
    items = ["sofa", "vase", "shade", "sofa", "lamp"]
    assert names(post(RANK, {"items": items, "user_id": "ann"})) == ["lamp", "shade", "vase", "sofa"]
    assert names(post(RANK, {"items": items, "session": ["lamp"]})) == ["shade", "lamp", "vase", "sofa"]
    assert names(post(RANK, {"items": items})) == ["sofa", "vase", "shade", "lamp"]


BAD: dict[str, tuple[str, bytes]] = {
    "no items": (SESSION, b"{}"),
    "null": (SESSION, b'{"items": null}'),
    "a number": (SESSION, b'{"items": ["a", 5]}'),
    "too many": (SESSION, json.dumps({"items": ["a"] * 101}).encode()),
    "n": (SESSION, b'{"items": [], "n": 101}'),
    "diversity": (SESSION, b'{"items": [], "diversity": 91}'),
    "yes": (SESSION, b'{"items": [], "include_seen": "yes"}'),
    "unknown": (SESSION, b'{"items": [], "limit": 5}'),
    "an empty id": (RANK, b'{"items": [""]}'),
    "a long id": (RANK, json.dumps({"items": ["a" * 257]}).encode()),
    "none to rank": (RANK, b'{"items": []}'),
    "too many to rank": (RANK, json.dumps({"items": ["a"] * 501}).encode()),
}


@pytest.mark.parametrize(("path", "body"), BAD.values(), ids=BAD)
def test_what_is_wrong_with_a_body_is_refused_before_the_table_is_asked(path: str, body: bytes) -> None:
    with pytest.raises(BadRequest):
        post(path, body, Away())


@given(st.sampled_from([SESSION, RANK]), st.binary() | st.text().map(str.encode))
def test_no_body_is_worse_than_a_bad_request(path: str, body: bytes) -> None:
    with pytest.raises(BadRequest):
        post(path, body, Away())


@pytest.mark.parametrize("path", [SESSION, RANK])
def test_a_table_that_is_away_is_an_error(path: str) -> None:
    with pytest.raises(Unavailable):
        post(path, {"items": ["a"]}, Away())
