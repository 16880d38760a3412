"""The client: what it asks for, what it makes of answers, and when it asks again."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "insights"))

from insights_world import Rows

import tapstack
from tapstack.client import AsyncInsights, Insights, Refused, calls
from tapstack.entrypoints.alb import read_request
from tapstack.errors import Unavailable
from tapstack.http import NotFound
from tapstack.insights.problems import problem_response
from tapstack.insights.respond import respond
from tapstack.insights.route import Route
from tapstack.insights.routes import ROUTES, route_at

STATUS = {"version": "1", "as_of": "2026-03-10T12:00:00Z", "heads": {}, "projections": {}}
Script = list[tuple[int, bytes]]


class Server:
    """Answers by a script, and keeps what it was asked."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""


@contextmanager
def serving(
    *script: tuple[int, Any], told: str | None = None, before: Callable[[], object] = bool
) -> Iterator[Server]:
    answers = [
        (status, body if isinstance(body, bytes) else json.dumps(body).encode()) for status, body in script
    ]
    server = Server(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append((self.command, self.path, headers, body))
            before()
            status, answer = server.script.pop(0)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            if told is not None and status != 200:
                self.send_header("retry-after", told)
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815 - as the server looks for it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def problem(status: int, code: str) -> tuple[int, bytes]:
    return status, problem_response(status, code, "told why").body


FILTERS: calls.Filters = {
    "category": "shoes",
    "brand": "Acme",
    "currency": "EUR",
    "price_min": 5,
    "price_max": 49.5,
}
CALLS = [
    calls.user("a/b"),
    calls.history("ann", "purchase", 5, "c"),
    calls.history("ann", None, None, None, linked=True),
    calls.user("ann", linked=True),
    calls.sessions("ann", linked=True),
    calls.item(".."),
    calls.partners("x", "also-viewed", 3),
    calls.partners("x", "also-bought", 1),
    calls.similar("x", 5, FILTERS),
    calls.recommendations("ann", 5, 20, FILTERS, include_seen=True, include_bought=True, linked=True),
    calls.for_session(["a", "b"], "ann", 5, 20, ["c"], FILTERS, include_seen=True),
    calls.for_session([], None, None, None, [], {}),
    calls.rank(["a"], ["b"], "ann", FILTERS, linked=True),
    calls.rank(["a"], [], None, {}),
    calls.trending("1h", 5, "purchase", FILTERS),
    calls.categories("1h", 5, "item_view"),
    calls.category("a/b", "1h"),
    calls.search_terms("5m", 5),
    calls.impressions("home", 3),
    calls.recommendation("r/1"),
    calls.conversion("24h"),
    calls.changes(5, "c"),
    calls.features(["ann"], ["event_count"], ["mug"], ["event_count_1h"]),
    calls.features([], [], [], [], [("ann", "s-1")], ["visit:views_lifetime"], "home"),
    calls.features([], [], [], [], categories=(["kitchen"], ["shelf:views_lifetime"])),
    calls.attributes(),
    calls.status(),
]


def route_of(call: calls.Call[Any]) -> Route | None:
    return route_at(read_request({"httpMethod": "GET", "path": call.path}).path)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_a_call_asks_for_what_a_route_answers(call: calls.Call[Any]) -> None:
    route = route_of(call)
    assert route is not None
    assert route.answer is call.answer
    assert route.method == ("GET" if call.body is None else "POST")
    assert {name for name, value in call.query.items() if value is not None} <= {
        parameter.name for parameter in route.parameters
    }
    if call.body is not None and route.body is not None:
        msgspec.convert(call.body, type=route.body)


@given(st.text(min_size=1))
def test_any_id_arrives_as_it_is(id_: str) -> None:
    if id_.encode(errors="ignore").decode() != id_:
        return
    path = f"/v1/users/{calls.segment(id_)}"
    assert {".", ".."}.isdisjoint(path.split("/"))
    assert read_request({"httpMethod": "GET", "path": path}).path == ("v1", "users", id_)


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, Any]:
        public = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
        return {name: inspect.signature(member) for name, member in public.items()}

    assert methods(Insights) == methods(AsyncInsights)
    assert tapstack.Insights is Insights
    assert tapstack.AsyncInsights is AsyncInsights


def test_every_route_has_a_method() -> None:
    """But for those that a person or a monitor reads."""
    called = [route_of(call) for call in CALLS]
    left = {route.path for route in ROUTES if route not in called}
    assert left == {"/v1/openapi.json", "/v1/docs", "/healthz"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_whatever_a_route_takes_can_be_said(route: Route) -> None:
    mine = [call for call in CALLS if route_of(call) is route]
    said = {name for call in mine for name, value in call.query.items() if value is not None}
    taken = {parameter.name for parameter in route.parameters}
    assert said == taken
    in_bodies = {name for call in mine for name in call.body or ()}
    assert in_bodies == set(route.body.__struct_fields__ if route.body else ())


def test_filters_are_sent_as_they_are_said() -> None:
    said = {"category": "a&b", "currency": "EUR", "price_max": 9.5}
    empty = {"recommendation_id": "r", "based_on": [], "items": [], "as_of": "x", "since": None}
    with serving((200, empty), (200, empty)) as server, Insights(server.url) as insights:
        insights.similar("mug", category="a&b", currency="EUR", price_max=9.5)
        insights.rank(["mug"], category="a&b", currency="EUR", price_max=9.5)
    assert dict(parse_qsl(urlsplit(server.asked[0][1]).query)) == {**said, "price_max": "9.5"}
    assert json.loads(server.asked[1][3]) == {"items": ["mug"], "session": [], "linked": False, **said}


def test_a_key_and_gzip_are_sent() -> None:
    with serving((200, STATUS)) as server, Insights(server.url, key="k") as insights:
        assert insights.status().version == "1"
    method, path, headers, _ = server.asked[0]
    assert (method, path, headers["authorization"]) == ("GET", "/v1/status", "Bearer k")
    assert headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize("call", [call for call in CALLS if call.body is None], ids=lambda call: call.path)
def test_a_call_knows_whether_there_may_be_no_answer(call: calls.Call[Any]) -> None:
    try:
        respond(read_request({"httpMethod": "GET", "path": call.path}), Rows(), 0)
    except NotFound:
        assert call.may_be_unknown
    else:
        assert not call.may_be_unknown


def test_what_is_not_known_is_none_and_a_wrong_path_is_refused() -> None:
    with serving(problem(404, "not_found"), problem(404, "not_found")) as server:
        insights = Insights(server.url)
        assert insights.user("nobody") is None
        with pytest.raises(Refused):
            insights.trending()
        insights.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_request"), (401, "unauthorized"), (403, "forbidden"), (500, "internal")],
)
def test_a_refusal_says_why_and_is_not_sent_again(status: int, code: str) -> None:
    with serving(problem(status, code)) as server, Insights(server.url) as insights:
        with pytest.raises(Refused) as caught:
            insights.item("a")
        assert (caught.value.status, caught.value.code, caught.value.message) == (status, code, "told why")
        assert len(server.asked) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_failure_is_sent_again_and_reported_when_it_lasts(status: int) -> None:
    with serving((status, b"<html>"), (200, STATUS)) as server, Insights(server.url) as insights:
        assert insights.status().version == "1"
    with (
        serving((status, b"<html>"), (status, b"<html>")) as server,
        Insights(server.url, retries=1) as insights,
    ):
        with pytest.raises(Unavailable):
            insights.features(items=["a"], item_features=["event_count"])
        assert [method for method, *_ in server.asked] == ["POST", "POST"]


@pytest.mark.parametrize("told", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT", "soon"])
def test_no_answer_makes_a_call_wait_for_longer_than_for_an_answer(told: str) -> None:
    """Or a proxy that says an hour would hold a page back for an hour."""
    with (
        serving((503, b"{}"), (200, STATUS), told=told) as server,
        Insights(server.url, timeout_s=0.25) as insights,
    ):
        assert insights.status().version == "1"


@pytest.mark.parametrize("status", [413, 429])
def test_what_is_refused_is_not_sent_again_whenever_it_is_told_to(status: int) -> None:
    with (
        serving((status, b"{}"), (200, STATUS), told="1") as server,
        Insights(server.url) as insights,
        pytest.raises(Refused),
    ):
        insights.status()
    assert len(server.asked) == 1


def test_an_error_says_what_failed_last() -> None:
    with (
        Insights("http://127.0.0.1:1", retries=1) as insights,
        pytest.raises(Unavailable, match=r"no answer \(NewConnectionError\)$"),
    ):
        insights.status()
    with (
        serving((404, b"<html>")) as server,
        Insights(server.url) as insights,
        pytest.raises(Refused, match=r"^404: no answer of the insights API$"),
    ):
        insights.user("ann")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"version": "\xff"}'])
def test_an_answer_of_somebody_else_is_no_answer(body: bytes) -> None:
    with serving((200, body)) as server, Insights(server.url) as insights, pytest.raises(Unavailable):
        insights.status()


def test_nobody_there_is_unavailable() -> None:
    with Insights("http://127.0.0.1:1", retries=0) as insights, pytest.raises(Unavailable):
        insights.status()


@pytest.mark.parametrize(
    "answer", [(503, b"<html>"), (503, msgspec.json.encode({"message": "why"})), (200, b"x")]
)
def test_no_error_names_the_user_whom_it_is_about(answer: tuple[int, bytes]) -> None:
    with serving(answer) as server, Insights(server.url, retries=0) as insights:
        with pytest.raises(Unavailable) as caught:
            insights.user("ann@example.org")
        assert "ann" not in str(caught.value)
        assert server.url in str(caught.value)


URLS = [
    "",
    "events.internal",
    "ftp://x",
    "http://",
    "http://a:b",
    "http://a:99999",
    "http://a b",
    "http://a?b=c",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url: expected"):
        Insights(url)


def test_a_password_in_a_url_is_refused_and_not_told() -> None:
    with pytest.raises(ValueError, match=r"got 'http://\.\.\.@events'$"):
        Insights("http://reader:secret@events")


@pytest.mark.parametrize("key", ["secret\n", " secret", "sécret", "secr\x00et"])
def test_a_key_that_no_header_carries_is_refused_and_not_told(key: str) -> None:
    with pytest.raises(ValueError, match=r"^key: expected printable ASCII") as caught:
        Insights("http://127.0.0.1:1", key=key)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1}, "retries: expected a whole number from 0, got -1"),
        ({"timeout_s": 0}, "timeout_s: expected a number above 0, got 0"),
        ({"timeout_s": float("nan")}, "timeout_s: expected a number above 0, got nan"),
    ],
)
def test_an_option_that_is_wrong_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Insights("http://127.0.0.1:1", **options)


@pytest.mark.parametrize("bound", [float("nan"), float("inf")])
def test_a_bound_that_json_lacks_is_not_left_out(bound: float) -> None:
    """It would be null, which is no bound, and every item be listed."""
    with Insights("http://127.0.0.1:1") as insights:
        with pytest.raises(ValueError, match=f"^price_max: expected a finite number, got {bound}$"):
            insights.for_session(["mug"], currency="EUR", price_max=bound)
        with pytest.raises(ValueError, match=r"^price_max: "):
            insights.rank(["mug"], currency="EUR", price_max=bound)


def test_one_id_is_not_taken_for_a_list_of_letters() -> None:
    with Insights("http://127.0.0.1:1") as insights:
        for ask in (insights.for_session, insights.rank, lambda users: insights.features(users=users)):
            with pytest.raises(TypeError, match=r"^expected a list of strings, got 'mug'$"):
                ask("mug")


def test_an_id_that_is_no_string_is_refused() -> None:
    insights, number = Insights("http://127.0.0.1:1"), cast("Any", 7)
    with insights, pytest.raises(TypeError, match=r"^id: expected a string, got 7$"):
        insights.user(number)


def test_as_many_calls_as_asyncio_has_threads_keep_their_connections(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls_at_once = 32
    all_are_there = threading.Barrier(calls_at_once, timeout=30)
    with (
        serving(*[(200, STATUS)] * calls_at_once, before=all_are_there.wait) as server,
        Insights(server.url, timeout_s=30) as insights,
        ThreadPoolExecutor(calls_at_once) as pool,
    ):
        for each in [pool.submit(insights.status) for _ in range(calls_at_once)]:
            assert each.result().version == "1"
    assert [record.getMessage() for record in caplog.records] == []


def test_coroutines_get_the_same() -> None:
    async def body(url: str) -> None:
        async with AsyncInsights(url) as insights:
            first, second = await asyncio.gather(insights.status(), insights.status())
            assert (first.version, second.version) == ("1", "1")
            assert await insights.item("nothing") is None

    with serving((200, STATUS), (200, STATUS), problem(404, "not_found")) as server:
        asyncio.run(body(server.url))
