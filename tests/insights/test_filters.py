"""Filters: only items that are known to match are listed, recommended, ranked or trend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from insights_world import NOON_S, VIEW, Away, Rows, board, get, item_of

from tapstack.core.item_facts import Facts
from tapstack.core.journal import head_key
from tapstack.core.rows import item_partition, stripe_sort_key
from tapstack.http import Request
from tapstack.insights.filters import Filter
from tapstack.insights.problems import InvalidRequest
from tapstack.insights.respond import respond
from tapstack.insights.routes import ROUTES

EUR = {"currency": "EUR"}
SHOES, HATS = (NOON_S, "shoes"), (NOON_S, "hats")


@pytest.mark.parametrize(
    ("wanted", "facts", "accepted"),
    [
        (Filter(), Facts(), True),
        (Filter(category="shoes"), Facts(category=SHOES), True),
        (Filter(category=" shoes "), Facts(category=SHOES), True),
        (Filter(category="shoes"), Facts(category=HATS), False),
        (Filter(category="shoes"), Facts(brand=SHOES), False),
        (Filter(category=" "), Facts(), False),
        (Filter(brand=" "), Facts(category=HATS), False),
        (Filter(brand="Acme"), Facts(brand=(NOON_S, "Acme")), True),
        (Filter(brand="Acme"), Facts(), False),
        (Filter(currency="EUR", price_max=5), Facts(price=(NOON_S, 5_000_000, "EUR")), True),
        (Filter(currency="EUR", price_max=5), Facts(price=(NOON_S, 5_000_001, "EUR")), False),
        (Filter(currency="EUR", price_min=5), Facts(price=(NOON_S, 4_999_999, "EUR")), False),
        (Filter(currency="EUR", price_max=5), Facts(), False),
        (Filter(currency="EUR", price_max=5), Facts(price=(NOON_S, 1_000_000, "JPY")), False),
        (Filter(currency="EUR"), Facts(price=(NOON_S, 1_000_000, "EUR")), True),
        (Filter(currency="EUR"), Facts(price=(NOON_S, 1_000_000, "XXX")), False),
        (Filter(currency="XXX", price_max=5), Facts(price=(NOON_S, 1_000_000, "XXX")), True),
        (Filter(price_max=5), Facts(price=(NOON_S, 1_000_000, "EUR")), False),  # compared with nothing
        (
            Filter(category="hats", currency="JPY", price_min=1, price_max=2),
            Facts(HATS, price=(NOON_S, 1_500_000, "JPY")),
            True,
        ),
    ],
)
def test_what_a_filter_accepts(wanted: Filter, facts: Facts, *, accepted: bool) -> None:
    assert wanted.accepts(facts) == accepted


def shop() -> Rows:
    """A mug that goes with lamps and shoes; boards of all of them."""
    rows = Rows()
    rows.put_state(*head_key(0), b"")
    rows.put_state(*head_key(4), b"")
    partners = {"lamp": 3, "boot": 2, "clog": 1}
    for name, facts in {
        "mug": Facts((NOON_S, "kitchen")),
        "lamp": Facts((NOON_S, "light"), price=(NOON_S, 40_000_000, "EUR")),
        "boot": Facts((NOON_S - 9, "hats"), (NOON_S, "Acme"), price=(NOON_S, 90_000_000, "EUR")),
        "clog": Facts(SHOES, price=(NOON_S, 20_000_000, "EUR")),
        "hat": Facts(HATS),
    }.items():
        item = item_of(viewed=partners if name == "mug" else {})
        item.facts = facts
        rows.put(item_partition(name), stripe_sort_key(0), item)
    later = item_of()
    later.facts = Facts(SHOES)  # another stripe heard later what the boot is
    rows.put(item_partition("boot"), stripe_sort_key(1), later)
    for position in range(3):
        board(rows, 0, {"mug": 5, "lamp": 4, "boot": 3, "clog": 2, "hat": 1}, position=position)
    return rows


def ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_recommendations_match_and_keep_their_order_and_reasons() -> None:
    rows = shop()
    whole = get(rows, "/v1/items/mug/similar")
    assert ids(whole) == ["lamp", "boot", "clog", "hat"]
    shoes = get(rows, "/v1/items/mug/similar", category="shoes")
    assert shoes["items"] == whole["items"][1:3]
    assert ids(get(rows, "/v1/items/mug/similar", category="shoes", n="1")) == ["boot"]
    assert ids(get(rows, "/v1/items/mug/similar", category="shoes", price_max="50", **EUR)) == ["clog"]
    assert ids(get(rows, "/v1/items/mug/similar", brand="Acme")) == ["boot"]
    assert ids(get(rows, "/v1/items/mug/similar", price_min="40", price_max="90", **EUR)) == ["lamp", "boot"]
    assert ids(get(rows, "/v1/items/mug/similar", currency="JPY")) == []
    assert ids(get(rows, "/v1/users/nobody/recommendations", category="hats")) == ["hat"]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("sessions:recommend", {"items": ["mug"], "category": "shoes"}, ["boot", "clog"]),
        ("sessions:recommend", {"items": ["mug"], "category": "shoes", "diversity": 50}, ["boot", "clog"]),
        ("sessions:recommend", {"items": ["mug"], "price_max": 40, **EUR}, ["lamp", "clog"]),
        (
            "items:rank",
            {"items": ["clog", "hat", "boot"], "session": ["mug"], "category": "shoes"},
            ["boot", "clog"],
        ),
        ("items:rank", {"items": ["unknown", "hat"], "category": "hats"}, ["hat"]),
        ("items:rank", {"items": ["clog", "boot"], "currency": "EUR", "price_max": 50}, ["clog"]),
        ("sessions:recommend", {"items": ["mug"], "currency": "EUR", "price_min": 50}, ["boot"]),
    ],
)
def test_a_body_says_what_items_must_be(path: str, body: dict[str, Any], expected: list[str]) -> None:
    request = Request(method="POST", path=("v1", path), raw_body=json.dumps(body).encode())
    assert ids(json.loads(respond(request, shop(), NOON_S).body)) == expected


def test_trends_of_a_category_say_what_they_may_miss() -> None:
    rows = shop()
    answer = get(rows, "/v1/trending", category="shoes")
    assert [(each["item_id"], each["score"]) for each in answer["items"]] == [("boot", 3), ("clog", 2)]
    assert answer["count_error_max"] == 0
    board(rows, 0, {"boot": 3, "lamp": 9}, evicted={VIEW: {0: 2}, -1: {0: 2}})
    # A shoe without a place may have two views.
    assert get(rows, "/v1/trending", category="shoes")["count_error_max"] == 2
    assert get(rows, "/v1/trending", category="shoes", n="1")["count_error_max"] == 0


@pytest.mark.parametrize("text", ["", "abc", "1e13", "nan", "inf", "1_0", "--1", "\u0661"])
def test_a_bound_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="price_max: expected a number from"):
        get(shop(), "/v1/trending", price_max=text)


def test_a_currency_that_is_empty_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="currency: expected an ISO 4217 code such as EUR, got ''"):
        get(shop(), "/v1/trending", currency="")


PATHS = [route.path for route in ROUTES if "price_max" in {each.name for each in route.parameters}]


@pytest.mark.parametrize("path", PATHS)
def test_a_price_in_no_currency_is_refused_beside_all_else_that_is_wrong(path: str) -> None:
    missing = (
        "price_min: expected currency beside it, got none; price_max: expected currency beside it, got none"
    )
    with pytest.raises(InvalidRequest, match=f"n: expected .*; {missing}"):
        get(Away(), path.replace("{id}", "mug"), price_min="1", price_max="2", n="0")
    with pytest.raises(InvalidRequest, match="currency: expected an ISO 4217 code such as EUR, got 'eur'"):
        get(Away(), path.replace("{id}", "mug"), price_max="2", currency="eur")


CROSSED = "expected at least price_min, which is"


@pytest.mark.parametrize("path", PATHS)
def test_bounds_with_nothing_between_them_are_refused(path: str) -> None:
    path = path.replace("{id}", "mug")
    with pytest.raises(InvalidRequest, match=rf"^price_max: {CROSSED} '9', got '8\.5'$"):
        get(Away(), path, price_max="8.5", price_min="9", **EUR)
    missing = "price_max: expected currency beside it, got none"
    with pytest.raises(InvalidRequest, match=f"{missing}; price_max: {CROSSED} '1', got '0'$"):
        get(Away(), path, price_min="1", price_max="0")
    with pytest.raises(InvalidRequest, match=r"^price_min: expected a number from [^;]*$"):
        get(Away(), path, price_min="1e99", price_max="0", **EUR)


@pytest.mark.parametrize("path", ["sessions:recommend", "items:rank"])
def test_a_body_with_bounds_that_have_nothing_between_them_is_refused(path: str) -> None:
    body = json.dumps({"items": ["mug"], "price_min": 9, "price_max": 8.5, **EUR})
    request = Request(method="POST", path=("v1", path), raw_body=body.encode())
    with pytest.raises(InvalidRequest, match=rf"{CROSSED} 9\.0, got 8\.5$"):
        respond(request, Away(), NOON_S)


def test_bounds_may_be_the_same() -> None:
    assert ids(get(shop(), "/v1/items/mug/similar", price_min="90", price_max="90", **EUR)) == ["boot"]


@pytest.mark.parametrize("path", ["sessions:recommend", "items:rank"])
def test_a_body_with_a_price_in_no_currency_is_refused(path: str) -> None:
    body = json.dumps({"items": ["mug"], "user_id": "ann", "price_max": 5})
    request = Request(method="POST", path=("v1", path), raw_body=body.encode())
    with pytest.raises(InvalidRequest, match="#/price_max: expected currency beside it, got none"):
        respond(request, Away(), NOON_S)
