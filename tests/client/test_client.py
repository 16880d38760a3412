"""The client: what it asks for, what it makes of answers, and when it asks again."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapstack
from tapstack.client import AsyncInsights, Insights, Refused, calls
from tapstack.entrypoints.alb import read_request
from tapstack.errors import Unavailable
from tapstack.insights.problems import problem_response
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
def serving(*script: tuple[int, Any]) -> Iterator[Server]:
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
            status, answer = server.script.pop(0)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
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


CALLS = [
    calls.user("a/b"),
    calls.history("ann", "purchase", 5, "c"),
    calls.history("ann", None, None, None, linked=True),
    calls.user("ann", linked=True),
    calls.sessions("ann"),
    calls.item(".."),
    calls.partners("x", "also-viewed", 3),
    calls.partners("x", "also-bought", None),
    calls.similar("x", 5),
    calls.recommendations("ann", 5, 20, include_seen=True, include_bought=False),
    calls.for_session(["a", "b"], "ann", 5, 20, ["c"]),
    calls.for_session([], None, None, None, []),
    calls.rank(["a"], ["b"], "ann"),
    calls.rank(["a"], [], None),
    calls.trending("1h", 5),
    calls.categories("1h", 5),
    calls.category("a/b", None),
    calls.search_terms(None, None),
    calls.impressions("home", 3),
    calls.recommendation("r/1"),
    calls.conversion("24h"),
    calls.changes(5, "c"),
    calls.features(["ann"], ["event_count"], ["mug"], ["event_count_1h"]),
    calls.features([], [], [], [], [("ann", "s-1")], ["visit:views_lifetime"], "home"),
    calls.attributes(),
    calls.status(),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_a_call_asks_for_what_a_route_answers(call: calls.Call[Any]) -> None:
    request = read_request({"httpMethod": "GET", "path": call.path})
    route = route_at(request.path)
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
    called = [route_at(read_request({"httpMethod": "GET", "path": call.path}).path) for call in CALLS]
    left = {route.path for route in ROUTES if route not in called}
    assert left == {"/v1/openapi.json", "/v1/docs", "/healthz"}


def test_a_key_and_gzip_are_sent() -> None:
    with serving((200, STATUS)) as server, Insights(server.url, key="k") as insights:
        assert insights.status().version == "1"
    method, path, headers, _ = server.asked[0]
    assert (method, path, headers["authorization"]) == ("GET", "/v1/status", "Bearer k")
    assert headers["accept-encoding"] == "gzip"


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


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_an_answer_of_somebody_else_is_no_answer(body: bytes) -> None:
    with serving((200, body)) as server, Insights(server.url) as insights, pytest.raises(Unavailable):
        insights.status()


def test_nobody_there_is_unavailable() -> None:
    with Insights("http://127.0.0.1:1", retries=0) as insights, pytest.raises(Unavailable):
        insights.status()


@pytest.mark.parametrize("url", ["", "events.internal", "ftp://x", "http://"])
def test_a_url_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url: expected"):
        Insights(url)


def test_coroutines_get_the_same() -> None:
    async def body(url: str) -> None:
        async with AsyncInsights(url) as insights:
            first, second = await asyncio.gather(insights.status(), insights.status())
            assert (first.version, second.version) == ("1", "1")
            assert await insights.item("nothing") is None

    with serving((200, STATUS), (200, STATUS), problem(404, "not_found")) as server:
        asyncio.run(body(server.url))
