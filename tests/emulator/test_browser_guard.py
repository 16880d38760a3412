"""Which requests of browsers come in: by whose page they are, and by which name they found us."""

from __future__ import annotations

import json

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from tapstack_emulator.load_balancer.browsers import BrowserGuard

PAGE = "http://localhost:3000"


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def status(method: str, *pairs: tuple[str, str]) -> int | None:
    answer = BrowserGuard([PAGE]).answer(method, headers(*pairs))
    return None if answer is None else answer.status


@pytest.mark.parametrize(
    ("host", "comes_in"),
    [
        ("127.0.0.1:8080", True), ("localhost:8080", True), ("LocalHost", True), ("[::1]:8080", True),
        ("127.0.0.1", True), ("localhost:9", True),
        ("evil.example:8080", False), ("localhost.evil.example", False), ("evil.example#localhost", False),
        ("127.0.0.1.evil.example", False), ("127.0.0.2:8080", False), ("0.0.0.0:8080", False), ("", False),
        ("localhost:", False), ("localhost:8080@evil.example", False), ("127.0.0.1\x00", False),
        ("\udcff", False),
    ],
)  # fmt: skip
def test_a_request_comes_in_under_our_own_names_only(host: str, comes_in: bool) -> None:
    assert status("POST", ("Host", host)) == (None if comes_in else 403)


def test_a_request_written_by_hand_may_call_the_host_by_any_word() -> None:
    assert status("POST", ("Host", "x")) is None
    assert status("POST", ("Host", "x"), ("User-Agent", "Mozilla/5.0")) == 403
    assert status("POST", ("Host", "x"), ("User-Agent", "")) == 403
    assert status("POST", ("Host", "x"), ("Origin", "http://x")) == 403
    assert status("POST", ("Host", "evil.example")) == 403


def test_without_a_host_or_with_two_it_does_not_come_in() -> None:
    assert status("GET") == 403
    assert status("GET", ("Host", "localhost"), ("Host", "evil.example")) == 403


@pytest.mark.parametrize(
    ("origin", "comes_in"),
    [
        (PAGE, True), ("http://localhost:8080", True),
        ("https://localhost:8080", False), ("http://localhost:3001", False), ("http://127.0.0.1:8080", False),
        ("https://evil.example", False), ("null", False), ("", False), (f"{PAGE}.evil.example", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_page_may_use_it_if_it_is_allowed_or_our_own(method: str, origin: str, comes_in: bool) -> None:
    assert status(method, ("Host", "localhost:8080"), ("Origin", origin)) == (None if comes_in else 403)


def test_the_refusal_says_what_to_do_and_quotes_in_bounds() -> None:
    answer = BrowserGuard().answer("POST", headers(("Host", "localhost"), ("Origin", "x" * 9_000)))
    assert answer is not None
    said = json.loads(answer.body)
    assert said["code"] == "forbidden"
    assert "--allow-origin" in said["message"]
    assert len(answer.body) < 400


def test_a_browser_that_asks_first_is_told_that_an_allowed_page_may_post_json() -> None:
    asked = headers(
        ("Host", "localhost:8080"),
        ("Origin", PAGE),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    )
    guard = BrowserGuard([PAGE])
    answer = guard.answer("OPTIONS", asked)
    assert answer is not None
    said = {**answer.headers, **guard.granted(asked)}
    assert answer.status == 204
    assert said["Access-Control-Allow-Origin"] == PAGE
    assert "POST" in said["Access-Control-Allow-Methods"]
    assert said["Access-Control-Allow-Headers"] == "content-type"


def test_nobody_else_is_granted_anything() -> None:
    guard = BrowserGuard([PAGE])
    assert guard.granted(headers(("Host", "localhost"))) == {}
    assert guard.granted(headers(("Host", "localhost"), ("Origin", "http://localhost"))) == {}
