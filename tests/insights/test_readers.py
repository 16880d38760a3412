"""Who may read what: every route, with every set of scopes, with a key, with none, with another."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from itertools import chain, combinations
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import NOON_S, VIEW, Away, Rows, item_of, user_of

from event_strategies import stream_event
from tapstack.core.impressions import list_placement, recommendation_placement
from tapstack.core.rows import SHOWING_ROWS, item_partition, known_user_key, showings_partition
from tapstack.http import Request
from tapstack.insights.readers import (
    Forbidden,
    Readers,
    Scope,
    Unauthorized,
    presented_key,
    read_readers,
)
from tapstack.insights.respond import respond
from tapstack.insights.route import Route
from tapstack.insights.routes import ROUTES

KEY = "0b2bd2f5c3d14f6f9c4d0d6c3ab6d9c1a8e7f2b4c6d8e0f1"
SCOPES: tuple[str, ...] = get_args(Scope)
EVERY_SET = list(chain.from_iterable(combinations(SCOPES, size) for size in range(len(SCOPES) + 1)))
BATCH, SESSION, RANK = "/v1/features:batchGet", "/v1/sessions:recommend", "/v1/items:rank"
BODIES: dict[str, Any] = {
    BATCH: {"users": ["a"], "user_features": [], "items": ["a"], "item_features": []},
    SESSION: {"items": ["a"], "user_id": "a"},
    RANK: {"items": ["a"], "user_id": "a"},
}


def hashed(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def readers(*scopes: str, keys: tuple[str, ...] = (KEY,)) -> Readers:
    others = {"other": {"key_hashes": [hashed("another")], "scopes": list(SCOPES)}}
    own = {"key_hashes": [hashed(key) for key in keys], "scopes": list(scopes)}
    return read_readers(json.dumps({**others, "ranker": own}))


def rows() -> Rows:
    rows = Rows()
    rows.put(*known_user_key("a"), user_of(stream_event()))
    rows.put(item_partition("a"), "0000", item_of((NOON_S, VIEW)))
    for place in (list_placement("a"), recommendation_placement("a")):
        rows.put(showings_partition(place), "0000", SHOWING_ROWS.new())
    return rows


def ask(route: Route, known: Readers | None, table: Any = None, body: Any = None, **headers: str) -> int:
    path = tuple("a" if part == "{id}" else part for part in route.path[1:].split("/"))
    request = Request(
        method=route.method,
        path=path,
        headers=headers,
        raw_body=json.dumps(body or BODIES.get(route.path)).encode(),
    )
    return respond(request, table or rows(), NOON_S, readers=known).status


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_a_route_is_open_to_those_who_hold_all_its_scopes(route: Route) -> None:
    for scopes in EVERY_SET:
        if set(route.scopes) <= set(scopes):
            assert ask(route, readers(*scopes), authorization=f"Bearer {KEY}") == 200
        else:
            with pytest.raises(Forbidden) as caught:
                ask(route, readers(*scopes), Away(), authorization=f"Bearer {KEY}")
            assert all(scope in str(caught.value) for scope in set(route.scopes) - set(scopes))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "guessed"}, {"authorization": "Bearer"}], ids=str)
def test_without_a_known_key_a_route_is_closed(route: Route, headers: dict[str, str]) -> None:
    assert ask(route, None, **headers) == 200  # keys are off
    if not route.scopes:
        assert ask(route, readers(*SCOPES), **headers) == 200
        return
    for known in (readers(*SCOPES), read_readers("{}")):
        with pytest.raises(Unauthorized) as caught:
            ask(route, known, Away(), **headers)
        assert "guessed" not in str(caught.value)


def test_of_a_batch_each_part_needs_its_own_scope() -> None:
    (route,) = [route for route in ROUTES if route.path == BATCH]
    for scope, other in (("users", "items"), ("items", "users")):
        assert ask(route, readers(scope), body={scope: ["a"]}, **{"x-api-key": KEY}) == 200
        with pytest.raises(Forbidden):
            ask(route, readers(scope), Away(), body={other: ["a"]}, **{"x-api-key": KEY})


@pytest.mark.parametrize("path", [SESSION, RANK])
def test_of_recommendations_the_user_needs_a_scope_and_items_always_do(path: str) -> None:
    (route,) = [route for route in ROUTES if route.path == path]
    body = {"items": ["a"]}
    assert ask(route, readers("items"), body=body, **{"x-api-key": KEY}) == 200
    for scopes, said in ((("items",), {**body, "user_id": "a"}), (("users",), body)):
        with pytest.raises(Forbidden):
            ask(route, readers(*scopes), Away(), body=said, **{"x-api-key": KEY})


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


PRESENTED: dict[str, tuple[dict[str, str], str | None]] = {
    "bearer": ({"authorization": "Bearer k"}, "k"),
    "bearer in small letters": ({"authorization": "bearer  k "}, "k"),
    "basic": ({"authorization": basic("k:x")}, "k"),
    "basic without a colon": ({"authorization": basic("k")}, "k"),
    "header": ({"x-api-key": " k "}, "k"),
    "a signature beside a header": ({"authorization": "AWS4-HMAC-SHA256 x", "x-api-key": "k"}, "k"),
    "a signature": ({"authorization": "AWS4-HMAC-SHA256 Credential=x"}, None),
    "basic without a user": ({"authorization": basic(":k")}, None),
    "basic that is no base64": ({"authorization": "Basic %%%"}, None),
    "basic that is no text": ({"authorization": "Basic " + base64.b64encode(b"\xff").decode()}, None),
    "nothing": ({}, None),
    "empty": ({"authorization": "", "x-api-key": " "}, None),
}


@pytest.mark.parametrize(("headers", "key"), PRESENTED.values(), ids=PRESENTED)
def test_a_key_is_taken_from_where_clients_put_it(headers: dict[str, str], key: str | None) -> None:
    assert presented_key(Request(method="GET", path=("x",), headers=headers)) == key


@given(st.dictionaries(st.sampled_from(["authorization", "x-api-key"]), st.text()))
def test_whatever_is_presented_is_a_key_or_none(headers: dict[str, str]) -> None:
    request = Request(method="GET", path=("x",), headers=headers)
    with pytest.raises(Unauthorized):
        readers(*SCOPES).scopes_of(request)


def test_two_keys_of_a_reader_are_live() -> None:
    known = readers("items", keys=(KEY, "next"))
    for key in (KEY, "next"):
        request = Request(method="GET", path=("x",), headers={"x-api-key": key})
        assert known.scopes_of(request) == {"items"}


HASH = hashed(KEY)
ODD: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "truncated"),
    "a list": ("[]", "Expected `object`"),
    "an id in capitals": ('{"A": {"key_hashes": [], "scopes": []}}', "matching regex"),
    "no scopes": ('{"a": {"key_hashes": []}}', "scopes"),
    "an unknown scope": ('{"a": {"key_hashes": [], "scopes": ["all"]}}', "Invalid enum value"),
    "a key": ('{"a": {"key_hashes": ["secret"], "scopes": []}}', "matching regex"),
    "three keys": (
        json.dumps({"a": {"key_hashes": [hashed(str(n)) for n in range(3)], "scopes": []}}),
        "<= 2",
    ),
    "a key twice": (
        json.dumps({name: {"key_hashes": [HASH], "scopes": []} for name in "ab"}),
        "a key hash stands there twice",
    ),
    "an unknown member": ('{"a": {"key_hashes": [], "scopes": [], "role": ""}}', "role"),
}


@pytest.mark.parametrize(("text", "message"), ODD.values(), ids=ODD)
def test_readers_that_are_odd_are_refused_without_showing_a_key(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_readers(text)
    assert "secret" not in str(caught.value)
