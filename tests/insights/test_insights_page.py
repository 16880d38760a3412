"""The page on the insights API lists the routes as they are, and its examples are answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
from insights_world import NOON_S, Rows, item_of, user_of
from read_units import CountingRows

from event_strategies import stream_event
from tapstack.core.aggregates import (
    MICROS,
    WINDOWS,
    Counters,
    add_in_windows,
    new_counters,
    window_numbers,
)
from tapstack.core.amounts import RATINGS, RATINGS_SUM, UNITS_SOLD
from tapstack.core.attributes.declared import Declared
from tapstack.core.attributes.reading import read_definitions
from tapstack.core.categories import Categories, Category
from tapstack.core.events import TYPE_CODE, Event
from tapstack.core.impressions import (
    SHOP,
    Shown,
    count_showing,
    list_placement,
    recommendation_placement,
)
from tapstack.core.item_facts import Facts
from tapstack.core.journal import Watermark, encode_watermark, head_key, watermark_key
from tapstack.core.links import POINTER_STATE, user_pointer, visitor_pointer
from tapstack.core.ranking import Board
from tapstack.core.rows import (
    SHOWING_ROWS,
    anonymous_key,
    board_partition,
    categories_partition,
    item_partition,
    known_user_key,
    showings_partition,
    stripe_sort_key,
    terms_partition,
)
from tapstack.core.search_terms import Term
from tapstack.http import BadRequest, Gone, MethodNotAllowed, NotFound, Request, RequestError
from tapstack.insights.freshness import FreshnessCache
from tapstack.insights.problems import problem
from tapstack.insights.readers import Forbidden, Scope, Unauthorized
from tapstack.insights.respond import respond
from tapstack.insights.route import ID_CHARS_MAX, METHODS
from tapstack.insights.routes import ROUTES, route_at

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "insights-api.md").read_text()
ATTRIBUTES = (Path(__file__).parents[2] / "docs" / "reference" / "attributes.md").read_text()
DECLARED = Declared(read_definitions(ATTRIBUTES.split("```toml\n")[1].split("```")[0]))
# A request in a heading, then prose, then the answer.
EXAMPLES: dict[str, str] = dict(
    re.findall(r"^### `GET (\S+)`$(?:(?!^#)[\s\S])*?^```json\n([\s\S]*?)^```$", PAGE, re.MULTILINE)
)


def shop(into: Rows | None = None) -> Rows:
    """Ann looks at a mug and buys it with a lamp, at noon; others look at them, too."""
    rows = Rows() if into is None else into
    rows.put(
        *known_user_key("ann"),
        user_of(
            stream_event(
                event_id="1",
                occurred_at="2026-03-10T11:58:00Z",
                anonymous_id="a-17",
                session_id="s-1",
                items=[{"item_id": "mug", "category": "kitchen"}],
                context={"locale": "de-DE"},
                traits={"plan": "pro"},
            ),
            stream_event(
                event_id="2",
                event_type="purchase",
                occurred_at="2026-03-10T11:59:30Z",
                session_id="s-1",
                items=[{"item_id": "mug", "price": 12.5, "quantity": 2}, {"item_id": "lamp", "price": 40}],
                currency="EUR",
                value=65,
            ),
            declared=DECLARED,
        ),
    )
    for lane, head in enumerate((1_042, 988)):
        rows.put_state(*head_key(lane), b"", version=head)
    for projection in ("items", "leaderboards", "search_terms", "impressions", "categories"):
        rows.put_state(*watermark_key(projection), encode_watermark(Watermark({0: 1_042, 1: 988})))
    view, purchase = TYPE_CODE["item_view"], TYPE_CODE["purchase"]
    mug = item_of((NOON_S, view), (NOON_S - 120, view), viewed={"lamp": 3, "vase": 1})
    mug.bought_with = {"lamp": 1}
    bought: Counters = {purchase: 1, "EUR": 25 * MICROS}
    add_in_windows(mug.counters, bought, window_numbers(NOON_S - 30), NOON_S)
    mug.amounts = new_counters()
    add_in_windows(mug.amounts, {UNITS_SOLD: 2}, window_numbers(NOON_S - 30), NOON_S)
    add_in_windows(
        mug.amounts, {RATINGS: 2, RATINGS_SUM: 9 * MICROS}, window_numbers(NOON_S - 9 * 86_400), NOON_S
    )
    mug.facts = Facts((NOON_S, "kitchen"), (NOON_S, "Acme"), (NOON_S, "Mug"), (NOON_S, 12_500_000, "EUR"))
    rows.put(item_partition("mug"), stripe_sort_key(0), mug)
    lamp = item_of(*[(NOON_S, view)] * 5, (NOON_S, purchase), viewed={"mug": 4, "shade": 5})
    rows.put(item_partition("lamp"), stripe_sort_key(0), lamp)
    day = WINDOWS[2]
    interest = {"mug": {view: {0: 3}}, "lamp": {view: {0: 2}}, "clock": {view: {0: 2}}}
    rows.put(board_partition(day), stripe_sort_key(0), Board(day.number(NOON_S), interest, {}))  # type: ignore[arg-type]
    window, items = WINDOWS[0], {"mug": {view: {0: 2}, purchase: {1: 1}}, "lamp": {purchase: {1: 1}}}
    state = Board(window.number(NOON_S), {**items, "vase": {view: {12: 1}}}, {})  # type: ignore[arg-type]
    rows.put(board_partition(window), stripe_sort_key(0), state)
    kitchen = Category({view: 2, purchase: 1, "EUR": 25 * MICROS})
    light = Category({view: 1})
    rows.put(
        categories_partition(window, window.number(NOON_S) - 1),
        stripe_sort_key(0),
        Categories({view: 3, purchase: 1, "EUR": 25 * MICROS}, {"kitchen": kitchen, "lighting": light}),
    )
    window = WINDOWS[1]
    terms = {1: Term(12, 0, "mug"), 2: Term(7, 0, "red lamp"), 3: Term(2, 0, "vase"), 4: Term(3, 0)}
    rows.put(terms_partition(window, window.number(NOON_S)), stripe_sort_key(0), terms)
    put_showings(rows)
    put_person(rows)
    return rows


def put_showings(rows: Rows) -> None:
    """What was shown at home and by a recommendation, and the shop's steps."""
    shown, clicked, purchase = (TYPE_CODE[name] for name in ("item_list_view", "item_click", "purchase"))
    steps = zip(("item_view", "cart_add", "checkout_start", "purchase"), (40, 10, 4, 2), strict=True)
    home, recommended = list_placement("home"), recommendation_placement("r-7")
    for place, found in {
        home: [(shown, 4, {1: 4, 2: 4}), (clicked, 2, {1: 2})],
        recommended: [(shown, 1, {1: 1, 2: 1}), (clicked, 1, {2: 1}), (purchase, 1, {})],
        SHOP: [(TYPE_CODE[name], count, {}) for name, count in steps],
    }.items():
        state = SHOWING_ROWS.new()
        for code, count, positions in found:
            count_showing(state, Shown(place, code, NOON_S, count, positions), NOON_S)
        rows.put(showings_partition(place), stripe_sort_key(0), state)


def put_person(rows: Rows) -> None:
    """Cleo looked at a lamp on her phone before she logged in there; she shares a tablet with Ann."""

    def lamp(event_id: str, at: str, **ids: str | None) -> Event:
        when = f"2026-03-10T{at}:00Z"
        return stream_event(event_id=event_id, occurred_at=when, items=[{"item_id": "lamp"}], **ids)

    rows.put(*known_user_key("cleo"), user_of(lamp("3", "11:50", user_id="cleo", session_id="s-2")))
    phone = lamp("4", "11:40", user_id=None, anonymous_id="phone", session_id="s-2")
    rows.put(*anonymous_key("phone"), user_of(phone))
    for user_id, visitor in (("cleo", "phone"), ("cleo", "tablet"), ("ann", "tablet")):
        pointers = (known_user_key(user_id)[0], visitor), (anonymous_key(visitor)[0], user_id)
        rows.put_state(*visitor_pointer(*pointers[0]), POINTER_STATE)
        rows.put_state(*user_pointer(*pointers[1]), POINTER_STATE)


def asked(target: str) -> Request:
    parts = urlsplit(target)
    return Request(
        method="GET",
        path=tuple(parts.path.removeprefix("/").split("/")),
        query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
    )


def test_every_route_has_an_example_and_a_row_and_nothing_else_has() -> None:
    assert sorted(EXAMPLES) == sorted(set(EXAMPLES))
    routes = [route_at(asked(target).path) for target in EXAMPLES if "linked" not in target]
    read = [route for route in ROUTES if route.method == "GET"]
    assert routes == [route for route in read if route.answer not in {dict, str}]
    listed = re.findall(r"^\| `([A-Z]+) ([^`?]+)", PAGE, re.MULTILINE)
    assert listed == [(route.method, route.path) for route in ROUTES]


@pytest.mark.parametrize("target", EXAMPLES)
def test_an_example_is_what_is_answered(target: str) -> None:
    answer: Any = json.loads(respond(asked(target), shop(), NOON_S, declared=DECLARED).body)
    assert json.loads(EXAMPLES[target]) == answer
    assert list(json.loads(EXAMPLES[target])) == list(answer)


SCOPES = re.findall(r"^\| `(\w+)` \| (`/.*) \|$", PAGE, re.MULTILINE)
SENT = re.findall(
    r"^### `POST (\S+)`$(?:(?!^#)[\s\S])*?^```json\n([\s\S]*?)^```$[\s\S]*?^```json\n([\s\S]*?)^```$",
    PAGE,
    re.MULTILINE,
)


def posted(path: str, body: str) -> Request:
    return Request(method="POST", path=tuple(path[1:].split("/")), raw_body=body.encode())


def test_an_example_of_what_is_sent_is_answered_as_shown() -> None:
    assert [path for path, _, _ in SENT] == [route.path for route in ROUTES if route.method == "POST"]
    for path, body, answer in SENT:
        assert json.loads(respond(posted(path, body), shop(), NOON_S, declared=DECLARED).body) == json.loads(
            answer
        )


def test_every_parameter_is_listed_with_what_it_must_be() -> None:
    listed = dict(re.findall(r"^\| `[A-Z]+ ([^`?]+)\??([^`]*)`", PAGE, re.MULTILINE))
    for route in ROUTES:
        assert listed[route.path] == "&".join(f"{parameter.name}=" for parameter in route.parameters)
        for parameter in route.parameters:
            default = f"`{parameter.default}`" if parameter.default else "none"
            assert f"`{parameter.name}`: {parameter.expected}; {default} by default" in PAGE
    assert f"1 to {ID_CHARS_MAX} characters" in PAGE
    assert ", ".join(METHODS) in PAGE


def test_the_page_says_what_is_not_kept_at_all() -> None:
    [named] = re.findall(r"not at all \(`no-store`\) for (.*), what is asked for by POST, and errors\.", PAGE)
    not_kept = {route.path for route in ROUTES if route.method == "GET" and not route.max_age_s}
    assert set(re.findall("`([^`]+)`", named)) == not_kept
    assert all(not route.max_age_s for route in ROUTES if route.method == "POST")


def test_the_page_lists_which_scope_opens_what() -> None:
    opened = {scope: set(re.findall(r"`(/[^`]+)`", paths)) for scope, paths in SCOPES}
    expected = {scope: {each.path for each in ROUTES if scope in each.scopes} for scope in get_args(Scope)}
    assert opened == expected
    (free,) = re.findall(r"^(.*) need no key\.$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(/[^`]+)`", free)) == {each.path for each in ROUTES if not each.scopes}


@pytest.mark.parametrize("error", [BadRequest, Unauthorized, Forbidden, NotFound, Gone, MethodNotAllowed])
def test_every_error_is_listed(error: type[RequestError]) -> None:
    assert f"| {error.status} `{error.code}` |" in PAGE


MESSAGES = re.findall(r"^`GET (\S+)` is answered `\d+`: `(.*)`$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("target", "message"), MESSAGES)
def test_an_example_of_an_error_is_what_is_answered(target: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        respond(asked(target), shop(), NOON_S)
    assert json.loads(caught.value.response().body)["message"] == message


def test_the_example_of_a_problem_is_what_is_answered() -> None:
    (example,) = re.findall(r"^```json\n(\{\n  \"type\"[\s\S]*?)^```$", PAGE, re.MULTILINE)
    (target,) = re.findall(r"^This is the answer to `GET (\S+)`\.$", PAGE, re.MULTILINE)
    with pytest.raises(RequestError) as caught:
        respond(asked(target), shop(), NOON_S)
    assert json.loads(problem(caught.value).body) == json.loads(example)


def test_there_are_examples_of_errors() -> None:
    assert len(MESSAGES) >= 2


COSTS = {
    path: float(units)
    for path, units in re.findall(r"^\| `(/[^`]+)` \| .* \| ([\d.]+) \|$", PAGE, re.MULTILINE)
}


LINKS_COST, VISITOR_COST = 1, 1.5
VISITORS = 2  # of Cleo


def test_the_page_says_what_each_route_costs() -> None:
    assert list(COSTS) == [route.path for route in ROUTES]
    assert "`linked` adds a unit, and one and a half for each visitor" in PAGE


ASKED = [
    *[asked(target) for target in [*EXAMPLES, "/v1/openapi.json", "/v1/docs"]],
    *[posted(path, body) for path, body, _ in SENT],
]


@pytest.mark.parametrize("request_", ASKED, ids=lambda request: "/".join(request.path))
def test_an_example_costs_what_the_page_says(request_: Request) -> None:
    rows = CountingRows()
    shop(rows)
    freshness = FreshnessCache(rows)
    freshness.progress(NOON_S)
    rows.units = 0
    respond(request_, rows, NOON_S, freshness, declared=DECLARED)
    route = route_at(request_.path)
    assert route is not None
    linked = LINKS_COST + VISITORS * VISITOR_COST if ("linked", "true") in request_.query else 0
    assert rows.units == COSTS[route.path] + linked
