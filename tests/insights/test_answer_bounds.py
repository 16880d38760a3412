"""No answer is larger than the load balancer takes from a function, whatever the ids are."""

from __future__ import annotations

import json

import pytest
from insights_world import Rows, item_state

from event_strategies import NOON_S
from tapstack.core.aggregates import CURRENCIES_MAX, LARGE, LARGE_SUFFIX, MICROS, WINDOWS, Counters
from tapstack.core.categories import CATEGORIES_MAX, Categories, Category
from tapstack.core.cooccurrence import BOUGHT_WITH_MAX, PARTNER_BYTES_MAX, VIEWED_WITH_MAX
from tapstack.core.currencies import CURRENCIES, NO_CURRENCY
from tapstack.core.events import EVENT_TYPES
from tapstack.core.history import RECENT_MAX, Recent
from tapstack.core.impressions import (
    OTHER_POSITION,
    Shown,
    count_showing,
    list_placement,
    recommendation_placement,
)
from tapstack.core.item_facts import CATEGORY_BYTES_MAX, kept_category
from tapstack.core.journal import LANES_A_STRIPE, head_key
from tapstack.core.links import LINKS_MAX, POINTER_STATE, visitor_pointer
from tapstack.core.ranking import BOARD_PLACES, INTERESTED, Board
from tapstack.core.rows import (
    ALIASES_MAX,
    SHOWING_ROWS,
    ItemState,
    Profile,
    UserState,
    anonymous_key,
    board_partition,
    categories_partition,
    item_partition,
    known_user_key,
    showings_partition,
    stripe_sort_key,
    terms_partition,
)
from tapstack.core.search_terms import PLACES, TERM_BYTES_MAX, TERMS_MAX, Term
from tapstack.core.sessions import BOUGHT_MAX, SESSIONS_MAX, VIEWED_MAX, Session, Sessions
from tapstack.core.traits import TRAIT_CHARS_MAX, TRAITS_MAX
from tapstack.entrypoints.alb import write_response
from tapstack.http import Request
from tapstack.insights.answers import Changes, Recommendations
from tapstack.insights.recommendations import REASONS_MAX
from tapstack.insights.respond import respond
from tapstack.insights.route import Route
from tapstack.insights.routes import ROUTES
from tapstack.insights.routes.choices import LISTED_MAX

RESPONSE_BYTES_MAX = 1_000_000  # "1 MB", docs: lambda-functions.html, read 2026-11-23; the smaller reading
STRIPES = 4
# Each of these is longest in some spelling: twelve bytes in ASCII, seven, four.
CHARACTERS = pytest.mark.parametrize("character", ["😀", "\x01", '"'], ids=["emoji", "control", "quote"])


def ids(character: str, count: int, chars: int = 256) -> list[str]:
    return [f"{character * (chars - 3)}{number:03d}" for number in range(count)]


def counters(stripe: int = 0) -> Counters:
    every: Counters = dict.fromkeys(range(len(EVENT_TYPES)), 2**53)
    first = stripe * CURRENCIES_MAX
    currencies = [*sorted(CURRENCIES - {NO_CURRENCY})[first : first + CURRENCIES_MAX], NO_CURRENCY]
    large = {currency + LARGE_SUFFIX: 2**53 for currency in currencies}
    return every | large | dict.fromkeys(currencies, LARGE - MICROS // 7)


def session(character: str) -> Session:
    viewed, bought = ids(character, VIEWED_MAX), ids(character, BOUGHT_MAX)
    return Session(character * 128, NOON_S, NOON_S, counters(), viewed, bought)


def user(character: str) -> UserState:
    traits = ids(character, TRAITS_MAX, TRAIT_CHARS_MAX)
    return UserState(
        profile=Profile(
            NOON_S,
            NOON_S,
            character * 64,
            {name: name for name in traits},
            NOON_S,
            ids(character, ALIASES_MAX),
        ),
        counters=counters(),
        recent=[Recent(NOON_S, 3, item_id) for item_id in ids(character, RECENT_MAX)],
        sessions=Sessions([session(character) for _ in range(SESSIONS_MAX)]),
    )


def item(character: str, stripe: int) -> ItemState:
    state = item_state(
        viewed_with=partners(f"{stripe}{character}", VIEWED_WITH_MAX),
        bought_with=partners(f"{stripe}{character}", BOUGHT_WITH_MAX),
    )
    state.counters.lifetime.update(counters(stripe))
    for window, numbered in zip(WINDOWS, state.counters.windows, strict=True):
        newest = window.number(NOON_S)
        numbered.update({number: counters(stripe) for number in range(newest - window.kept, newest + 1)})
    return state


def partners(name: str, places: int) -> dict[str, int]:
    return {f"{name * 60}{number:03d}"[-256:]: 2**53 for number in range(places)}


def full(character: str, id_: str) -> Rows:
    rows = Rows()
    rows.put(*known_user_key(id_), user(character))
    for visitor in ids(character, LINKS_MAX, 250):
        rows.put_state(*visitor_pointer(known_user_key(id_)[0], visitor), POINTER_STATE)
        rows.put(*anonymous_key(visitor), user(character))
    for place in (list_placement(id_), recommendation_placement(id_)):
        positions = dict.fromkeys(range(OTHER_POSITION + 1), 2**53)
        state = SHOWING_ROWS.new()
        for code in range(len(EVENT_TYPES)):
            count_showing(state, Shown(place, code, NOON_S, 1, positions), NOON_S)
        rows.put(showings_partition(place), stripe_sort_key(0), state)
    for stripe in range(STRIPES):
        rows.put_state(*head_key(stripe * LANES_A_STRIPE), b"")
        rows.put(item_partition(id_), stripe_sort_key(stripe), item(character, stripe))
        names = [f"{stripe}{name[1:]}" for name in ids(character, BOARD_PLACES)]
        counts = {code: {0: 2**53} for code in INTERESTED}
        for window in WINDOWS:
            state = Board(window.number(NOON_S), dict.fromkeys(names, counts), {})
            rows.put(board_partition(window), stripe_sort_key(stripe), state)
        window = WINDOWS[0]
        longest = character * (TERM_BYTES_MAX // len(character.encode()) - 4)
        terms = {n: Term(2**53, 2**PLACES - 1, f"{stripe}{n:03d}{longest}") for n in range(TERMS_MAX)}
        rows.put(terms_partition(window, window.number(NOON_S)), stripe_sort_key(stripe), terms)
        long = character * (CATEGORY_BYTES_MAX // len(character.encode()) - 4)
        names = [kept_category(id_), *(f"{stripe}{n:03d}{long}" for n in range(CATEGORIES_MAX - 1))]
        categories = Categories(counters(stripe), {name: Category(counters(stripe)) for name in names})
        for ago in range(13):
            partition = categories_partition(window, window.number(NOON_S) - ago)
            rows.put(partition, stripe_sort_key(stripe), categories)
    return rows


@CHARACTERS
@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.method == "GET" and route.answer not in {Recommendations, Changes}],
    ids=lambda route: route.path,
)
def test_the_largest_answer_passes_the_load_balancer(route: Route, character: str) -> None:
    id_ = character * 256
    path = tuple(id_ if part == "{id}" else part for part in route.path.strip("/").split("/"))
    most = {"n": str(LISTED_MAX), "linked": "true"}
    query = tuple((each.name, most[each.name]) for each in route.parameters if each.name in most)
    response = respond(Request(method="GET", path=path, query=query), full(character, id_), NOON_S)
    written = write_response(response, "GET")
    if "n" in dict(query):
        answer = json.loads(response.body)
        assert len(answer.get("items") or answer.get("terms") or answer["categories"]) > BOUGHT_WITH_MAX
    for ascii_only in (True, False):  # as the runtime writes it
        assert len(json.dumps(written, ensure_ascii=ascii_only).encode()) < RESPONSE_BYTES_MAX


@CHARACTERS
def test_the_most_recommendations_pass_it_too(character: str) -> None:
    rows, names = Rows(), ids(character, 110, 3 + (PARTNER_BYTES_MAX - 3) // len(character.encode()))
    rows.put_state(*head_key(0), b"", version=1)
    for name in names:
        state = item_state(viewed_with={other: 2**53 - n for n, other in enumerate(names) if other != name})
        rows.put(item_partition(name), stripe_sort_key(0), state)
    body = {"items": names[:10], "n": LISTED_MAX}
    path = ("v1", "sessions:recommend")
    response = respond(Request(method="POST", path=path, raw_body=json.dumps(body).encode()), rows, NOON_S)
    answer = json.loads(response.body)
    assert len(answer["items"]) == LISTED_MAX
    assert all(len(item["why"]) == REASONS_MAX for item in answer["items"])
    assert any(reason["via"] for item in answer["items"] for reason in item["why"])
    written = write_response(response, "POST")
    for ascii_only in (True, False):
        assert len(json.dumps(written, ensure_ascii=ascii_only).encode()) < RESPONSE_BYTES_MAX
