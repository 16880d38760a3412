"""The OpenAPI document says what the routes do, and the page says what the document does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from inspect import cleandoc
from textwrap import indent
from typing import Any

import msgspec
import pytest
from insights_world import NOON_S, Rows

from tapstack import openapi
from tapstack.http import Request
from tapstack.insights.respond import respond
from tapstack.insights.route import Route
from tapstack.insights.routes import ROUTES


def got(path: str) -> Any:
    return respond(Request(method="GET", path=tuple(path[1:].split("/"))), Rows(), NOON_S)


DOCUMENT: dict[str, Any] = json.loads(got("/v1/openapi.json").body)
PAGE = got("/v1/docs")


def operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][route.path][route.method.lower()]
    return found


def test_every_route_is_an_operation_with_a_name_of_its_own() -> None:
    told = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
    assert told == [(route.path, route.method.lower()) for route in ROUTES]
    assert len({operation(route)["operationId"] for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_an_operation_takes_what_its_route_takes(route: Route) -> None:
    told = operation(route)
    parameters = {each["name"]: each["schema"] for each in told["parameters"] if each["in"] == "query"}
    assert list(parameters) == [parameter.name for parameter in route.parameters]
    for parameter in route.parameters:
        schema = parameters[parameter.name]
        assert parameter.read(str(schema.get("default", ""))) is not None
        for text in schema.get("enum", [schema.get("minimum"), schema.get("maximum")]):
            assert parameter.read(str(text)) is not None
    assert ("404" in told["responses"]) == bool(route.subject)
    assert ("304" in told["responses"]) == route.has_tag
    assert ("requestBody" in told) == (route.body is not None)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for name, each in value.items() if name == "$ref")
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 10
    for reference in found:
        place: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
        assert place["description"]


def test_what_a_docstring_says_of_a_field_is_said_of_it() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Item"]["properties"]["since"]["description"].startswith("What was counted before")
    for name, schema in schemas.items():
        kind = next((route.answer for route in ROUTES if route.answer.__name__ == name), None)
        listed = re.findall(r"^(\w+)\n    ", cleandoc((kind and kind.__doc__) or ""), re.MULTILINE)
        for field in listed:
            assert schema["properties"][field]["description"]
        assert "----" not in msgspec.json.encode(schema).decode()


class Shoe(msgspec.Struct):
    """A shoe.

    Parameters
    ----------
    size, width
        As they are called
        in Europe.
    colour
        Of its leather.
    """

    size: int
    width: int
    colour: str


def described(kind: type[msgspec.Struct]) -> Any:
    made = openapi.document("t", "d", paths={}, types=[kind], responses={}, security_schemes={})
    return made["components"]["schemas"]["Shoe"]


def test_docstrings_are_read_with_the_indentation_that_any_python_leaves_them() -> None:
    # From 3.13 on the compiler takes it off; docs.python.org/3/whatsnew/3.13.html, read 2026-12-01
    schema = described(Shoe)
    assert schema["description"] == "A shoe."
    said = {name: field["description"] for name, field in schema["properties"].items()}
    size = "As they are called in Europe."
    assert said == {"size": size, "width": size, "colour": "Of its leather."}
    for docstring in (cleandoc(Shoe.__doc__ or ""), indent(cleandoc(Shoe.__doc__ or ""), "    ").lstrip()):
        other = msgspec.defstruct("Shoe", [("size", int), ("width", int), ("colour", str)])
        other.__doc__ = docstring
        assert described(other)["properties"] == schema["properties"]


class Reader(HTMLParser):
    """Reads a page strictly: where its links lead, which names it has, what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src", "action"}:
                self.links.append(value or "")
            if name == "id":
                self.names.append(value or "")


def test_the_page_shows_every_operation_and_type_and_needs_nothing_from_elsewhere() -> None:
    assert PAGE.headers["content-type"].startswith("text/html")
    assert PAGE.headers["content-security-policy"].startswith("default-src 'none'")
    reader = Reader()
    reader.feed(PAGE.body.decode())
    assert not reader.tags & {"script", "img", "link", "iframe", "form"}
    assert [link for link in reader.links if not link.startswith("#")] == ["openapi.json"]
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.names)
    assert len(set(reader.names)) == len(reader.names)
    assert set(reader.names) == {
        *(operation(route)["operationId"] for route in ROUTES),
        *DOCUMENT["components"]["schemas"],
    }
