"""The collector's OpenAPI document has every path of every wire format, and a page that shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from format_world import Stream, ask

from collectors import dependencies_of
from event_strategies import client_event
from tapstack.collector.formats import FORMATS
from tapstack.collector.wire_format import Format, Route
from tapstack.entrypoints.collector_request import take

DOCUMENT: dict[str, Any] = ask("GET", "/v1/events/openapi.json").json
ROUTES = [(each, route, method) for each in FORMATS for route in each.ROUTES for method in route.methods]


def operation(route: Route, method: str) -> dict[str, Any]:
    path = "/".join("{part1}" if part == "*" else part for part in route.path.split("/"))
    found: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return found


def test_every_route_is_an_operation_with_a_name_of_its_own() -> None:
    told = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
    assert len(told) == len(ROUTES)
    assert len({operation(route, method)["operationId"] for _, route, method in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize(("spoken", "route", "method"), ROUTES, ids=lambda each: getattr(each, "path", ""))
def test_an_answer_is_one_that_the_document_has(spoken: Format, route: Route, method: str) -> None:
    told = operation(route, method)
    assert told["tags"] == [spoken.NAME]
    for is_open in (True, False):
        for body in (None, b"{}", b"[]", b"?"):
            answer = ask(method, route.path.replace("*", "x"), body, is_open=is_open)
            assert str(answer.status) in told["responses"]
            responses = told["responses"] if answer.status == 200 else DOCUMENT["components"]["responses"]
            assert list(responses[str(answer.status)]["content"]) == [answer.headers["content-type"]]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for name, each in value.items() if name == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_leads_somewhere_that_is_described() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 8
    for reference in found:
        place: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
        assert place["description"]


def test_the_fields_of_an_event_are_those_that_are_taken() -> None:
    event = client_event(properties={"a": 1})
    assert set(event) <= set(DOCUMENT["components"]["schemas"]["ClientEvent"]["properties"])
    assert ask("POST", "/v1/events", event).status == 200


def test_the_page_shows_every_operation() -> None:
    page = ask("GET", "/v1/events/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    text = page.body.decode()
    for _, route, method in ROUTES:
        assert f'id="{operation(route, method)["operationId"]}"' in text


class Nobody:
    """An admission that must not be asked."""


def test_neither_needs_a_key() -> None:
    nobody: Any = Nobody()
    for name in ("openapi.json", "docs"):
        taken = take(
            {"httpMethod": "GET", "path": f"/v1/events/{name}", "headers": {}},
            dependencies_of(Stream(is_open=True)),
            request_bytes_max=1_000,
            event_bytes_max=1_000,
            admission=nobody,
        )
        assert taken.answer["statusCode"] == 200


def test_other_methods_are_refused() -> None:
    assert ask("POST", "/v1/events/openapi.json", b"{}").status == 405
    assert json.loads(ask("GET", "/v1/events").body)["code"] == "method_not_allowed"
