"""What may be asked, by which method and which parameters, and what is said to whoever asks otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from insights_world import NOON_S, VIEW, Away, Rows, board, get, item_of, user_of

from event_strategies import client_event, stream_event
from tapstack.core.client_events import decode_client_event
from tapstack.core.journal import head_key
from tapstack.core.ranking import BOARD_PLACES
from tapstack.core.rows import anonymous_key, item_partition, known_user_key
from tapstack.entrypoints.alb import read_request
from tapstack.errors import InvalidEvent, Unavailable
from tapstack.http import BadRequest, MethodNotAllowed, NotFound, Request
from tapstack.insights.answers import DeclaredAttributes
from tapstack.insights.problems import FAULTS_TOLD_MAX, Fault, InvalidRequest, problem
from tapstack.insights.respond import respond
from tapstack.insights.route import ID_CHARS_MAX, METHODS, Route
from tapstack.insights.routes import ROUTES, route_at
from tapstack.insights.routes.choices import LISTED_DEFAULT, LISTED_MAX
from tapstack.ports import Key, Row

READ = [route for route in ROUTES if route.method == "GET"]
EACH_ROUTE = pytest.mark.parametrize("route", READ, ids=lambda route: route.path)
KEY_BYTES_MAX = 2_048  # of a partition key: Constraints.html in DynamoDB's developer guide, read 2026-11-29


def path_of(route: Route, id_: str = "ann") -> tuple[str, ...]:
    return tuple(id_ if part == "{id}" else part for part in route.path.strip("/").split("/"))


def ask(rows: Any, method: str, path: tuple[str, ...], *query: tuple[str, str]) -> Any:
    return respond(Request(method=method, path=path, query=query), rows, NOON_S)


# Paths.


UNKNOWN: dict[str, tuple[str, str]] = {
    "user": ("/v1/users/ann", "no user of this id has been seen"),
    "user whose id no screen shows": ("/v1/users/\x00", "no user of this id has been seen"),
    "item": ("/v1/items/a", "no item of this id has been seen"),
    "item's partners": ("/v1/items/a/also-viewed", "no item of this id has been seen"),
    "path": ("/v1/nothing", "no such path; GET /v1/docs lists those there are"),
    "user without id": ("/v1/users", "no such path; GET /v1/docs lists those there are"),
    "user with more": ("/v1/users/ann/more", "no such path; GET /v1/docs lists those there are"),
    "two slashes": ("/v1//users/ann", "no such path; GET /v1/docs lists those there are"),
    "root": ("/", "no such path; GET /v1/docs lists those there are"),
}


@pytest.mark.parametrize(("path", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_known_is_not_found(path: str, message: str) -> None:
    with pytest.raises(NotFound) as caught:
        get(Rows(), path)
    assert str(caught.value).startswith(message)


@given(st.sampled_from(ROUTES), st.text())
def test_a_route_is_found_whatever_the_id(route: Route, id_: str) -> None:
    assert route_at(path_of(route, id_)) is route


@given(
    st.lists(st.sampled_from(["v1", "users", "items", "trending", "healthz", "also-viewed", "x"]), max_size=5)
)
def test_a_path_has_a_route_or_is_not_found(path: list[str]) -> None:
    route = route_at(path)
    assert route is None or route.method == "GET"
    try:
        ask(Rows(), "GET", tuple(path))
    except NotFound as error:
        assert str(error).startswith("no such path") == (route is None)  # noqa: PT017 - either is right
    else:
        assert route is not None
        assert not route.subject


def test_no_two_routes_share_a_path_and_each_parameter_has_a_name_of_its_own() -> None:
    assert len({route.path for route in ROUTES}) == len(ROUTES)
    for route in ROUTES:
        assert bool(route.subject) == ("{id}" in route.path)
        assert len({parameter.name for parameter in route.parameters}) == len(route.parameters)
        for parameter in route.parameters:
            assert parameter.read(parameter.default) is not None


# Methods.


@EACH_ROUTE
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "get", "", "SECRET"])
def test_a_path_that_is_only_read_names_the_methods_it_takes(route: Route, method: str) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        ask(Away(), method, path_of(route))
    assert caught.value.allowed == METHODS == ("GET", "HEAD", "OPTIONS")


@EACH_ROUTE
def test_the_methods_are_told_without_asking_the_table(route: Route) -> None:
    response = ask(Away(), "OPTIONS", path_of(route))
    assert (response.status, response.headers, response.body) == (204, {"allow": "GET, HEAD, OPTIONS"}, b"")


@EACH_ROUTE
def test_an_answer_says_how_long_it_may_be_kept_and_has_a_tag_if_it_may(route: Route) -> None:
    rows = Rows()
    rows.put(*known_user_key("ann"), user_of(stream_event()))
    try:
        response = ask(rows, "GET", path_of(route))
    except NotFound:
        assert route.subject in {"item", "list", "recommendation"}
        return
    if route.answer is not str:
        msgspec.json.decode(response.body, type=route.answer)
    kept = f"private, max-age={route.max_age_s}" if route.max_age_s else "no-store"
    assert response.headers["content-type"] == route.media_type
    assert response.headers["cache-control"] == kept
    assert ("etag" in response.headers) == (route.max_age_s > 0)


def test_a_tag_changes_with_the_answer_and_not_with_as_of() -> None:
    def tag(now_s: int, **changes: Any) -> str:
        rows = Rows()
        rows.put(item_partition("a"), "0000", item_of((NOON_S, VIEW), **changes))
        asked = Request(method="GET", path=("v1", "items", "a", "also-viewed"))
        return respond(asked, rows, now_s).headers["etag"]

    assert tag(NOON_S) == tag(NOON_S + 1)
    assert tag(NOON_S) != tag(NOON_S, viewed={"b": 1})


# Ids.


@pytest.mark.parametrize("route", [route for route in ROUTES if route.subject], ids=lambda route: route.path)
@pytest.mark.parametrize(("id_", "got"), [("x" * (ID_CHARS_MAX + 1), 257), ("😀" * 3_000, 3_000), ("", 0)])
def test_an_id_that_no_event_can_have_is_refused_before_the_table_is_asked(
    route: Route, id_: str, got: int
) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(Away(), "GET", path_of(route, id_))
    assert str(caught.value) == f"id: expected 1 to 256 characters, got {got}"


@pytest.mark.parametrize("id_", ["😀" * ID_CHARS_MAX, "x" * ID_CHARS_MAX, "x"])
def test_every_id_that_is_taken_makes_a_key_that_dynamodb_takes(id_: str) -> None:
    for key in (known_user_key(id_)[0], anonymous_key(id_)[0], item_partition(id_)):
        assert len(key.encode()) <= KEY_BYTES_MAX
    with pytest.raises(NotFound):
        ask(Rows(), "GET", ("v1", "users", id_))


class Keys(Rows):
    """Rows that note the keys that they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()
        self.put_state(*head_key(0), b"", version=1)

    def get(self, key: Key) -> Row | None:
        self.asked |= {key.pk, key.sk}
        return super().get(key)

    def query(self, pk: str, *, consistent: bool = False) -> Sequence[Row]:
        self.asked.add(pk)
        return super().query(pk, consistent=consistent)

    def read_all(self, keys: Sequence[Key], *, consistent: bool = False) -> Mapping[Key, Row]:
        self.asked.update(part for key in keys for part in key)
        return super().read_all(keys, consistent=consistent)


ODD_IDS = [".", "..", "a/b", "/", "%", "%2e%2e", "100%25", "a b", "+", "?n=1", "#", "😀", "\u202e"]
HOSTILE_IDS = [
    *ODD_IDS,
    "😀" * ID_CHARS_MAX,
    "\x00",
    "U#ann",
    "ann#",
    "0000",
    "-",
    "~",
    "\r\nx: y",
    "' OR 1=1",
]


@given(st.sampled_from(ODD_IDS) | st.text(min_size=1, max_size=ID_CHARS_MAX))
def test_every_user_that_an_event_may_have_can_be_read(user_id: str) -> None:
    event = msgspec.json.encode(client_event(user_id=user_id.encode(errors="ignore").decode()))
    try:
        user_id = decode_client_event(event).user_id or ""
    except InvalidEvent:
        return
    if not user_id:
        return
    rows = Rows()
    rows.put(*known_user_key(user_id), user_of(stream_event()))
    asked = read_request({"httpMethod": "GET", "path": f"/v1/users/{quote(user_id, safe='')}"})
    assert json.loads(respond(asked, rows, NOON_S).body)["user_id"] == user_id


@pytest.mark.parametrize("route", [route for route in ROUTES if route.subject], ids=lambda route: route.path)
@given(id_=st.sampled_from(HOSTILE_IDS) | st.text(min_size=1, max_size=ID_CHARS_MAX))
def test_whatever_the_id_it_is_answered_or_not_known_and_makes_keys_that_dynamodb_takes(
    route: Route, id_: str
) -> None:
    rows = Keys()
    asked = read_request({"httpMethod": "GET", "path": route.path.replace("{id}", quote(id_, safe=""))})
    assert asked.path == path_of(route, id_)
    try:
        assert respond(asked, rows, NOON_S).status == 200
    except NotFound as error:
        assert str(error) == f"no {route.subject} of this id has been seen"  # noqa: PT017 - either is right
    assert max(len(key.encode()) for key in rows.asked) <= KEY_BYTES_MAX
    assert "U#ann" not in rows.asked or id_ == "ann"


# Parameters.


TRENDING_TAKES = "this path takes window, type, n, category, brand, currency, price_min, price_max"
N = "n: expected an integer from 1 to 100, got "
BAD: dict[str, tuple[str, list[tuple[str, str]], str]] = {
    "window": ("/v1/trending", [("window", "2h")], "window: expected one of 5m, 1h, 24h, 7d, got '2h'"),
    "no window": ("/v1/trending", [("window", "")], "window: expected one of 5m, 1h, 24h, 7d, got ''"),
    "no number": ("/v1/trending", [("n", "ten")], N + "'ten'"),
    "none": ("/v1/trending", [("n", "0")], N + "'0'"),
    "too many": ("/v1/items/a/also-viewed", [("n", "101")], N + "'101'"),
    "negative": ("/v1/items/a/also-bought", [("n", "-1")], N + "'-1'"),
    "a fraction": ("/v1/trending", [("n", "5.0")], N + "'5.0'"),
    "a blank before it": ("/v1/trending", [("n", " 5")], N + "' 5'"),
    "empty": ("/v1/trending", [("n", "")], N + "''"),
    "Arabic digits": ("/v1/trending", [("n", "٣")], N + "'٣'"),
    "without end": ("/v1/trending", [("n", "9" * 5_000)], N + f"'{'9' * 64}'..."),
    "twice": ("/v1/trending", [("n", "1"), ("n", "1")], "n: expected once, got 2 times"),
    "unknown": ("/v1/trending", [("limit", "5")], f"limit: unknown parameter; {TRENDING_TAKES}"),
    "in capitals": ("/v1/trending", [("N", "5")], f"N: unknown parameter; {TRENDING_TAKES}"),
    "without a name": ("/v1/trending", [("", "5")], f"'': unknown parameter; {TRENDING_TAKES}"),
    "of another path": (
        "/v1/items/a/also-viewed",
        [("window", "5m")],
        "window: unknown parameter; this path takes n",
    ),
    "of a path that has none": ("/v1/status", [("n", "5")], "n: unknown parameter; this path takes none"),
    "of the health": ("/healthz", [("deep", "")], "deep: unknown parameter; this path takes none"),
    "several": (
        "/v1/trending",
        [("n", "x"), ("window", "y"), ("z", "")],
        f"z: unknown parameter; {TRENDING_TAKES}; "
        "window: expected one of 5m, 1h, 24h, 7d, got 'y'; " + N + "'x'",
    ),
}


@pytest.mark.parametrize(("path", "query", "message"), BAD.values(), ids=BAD)
def test_a_bad_parameter_is_named(path: str, query: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(Away(), "GET", tuple(path[1:].split("/")), *query)
    assert str(caught.value) == message
    told = json.loads(problem(caught.value).body)
    assert (told["status"], told["detail"], told["message"]) == (400, message, message)
    assert "; ".join(str(Fault(**each)) for each in told["errors"]) == message


def test_all_that_is_wrong_is_listed_though_the_message_names_only_a_few() -> None:
    query = [(f"x{number}", "") for number in range(9)]
    with pytest.raises(InvalidRequest) as caught:
        ask(Away(), "GET", ("v1", "trending"), *query)
    told = json.loads(problem(caught.value).body)
    assert [each["parameter"] for each in told["errors"]] == [name for name, _ in query]
    assert told["message"].count("unknown parameter") == FAULTS_TOLD_MAX


@given(st.sampled_from(ROUTES), st.text(), st.lists(st.tuples(st.text(), st.text(min_size=100)), min_size=1))
def test_however_much_is_wrong_the_message_stays_short(
    route: Route, id_: str, query: list[tuple[str, str]]
) -> None:
    with pytest.raises(BadRequest) as caught:
        ask(Away(), route.method, path_of(route, id_), *query, *[("x" * 9_000, "")] * 99, ("n", "9" * 9_000))
    assert len(str(caught.value)) < 5_000
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("query", "count"), [({}, LISTED_DEFAULT), ({"n": "1"}, 1), ({"n": "100"}, LISTED_MAX)]
)
def test_as_many_as_asked_for_are_listed(query: dict[str, str], count: int) -> None:
    rows = Rows()
    for stripe in range(3):
        board(rows, stripe, {f"{stripe}-{number}": 1 for number in range(BOARD_PLACES)})
    assert len(get(rows, "/v1/trending", **query)["items"]) == count


# The table.


def test_health_is_the_tables() -> None:
    assert get(Rows(), "/healthz") == {"status": "ok"}


@pytest.mark.parametrize(
    "route",
    [each for each in READ if each.answer not in {dict, str, DeclaredAttributes}],
    ids=lambda route: route.path,
)
def test_a_table_that_is_away_is_said_to_be(route: Route) -> None:
    with pytest.raises(Unavailable):
        ask(Away(), "GET", path_of(route))
