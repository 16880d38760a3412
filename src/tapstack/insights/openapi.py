"""The OpenAPI 3.1 document of the API, made of the routes and of the answers' types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeGuard

import msgspec

from tapstack import openapi
from tapstack.http import HTML
from tapstack.insights.problems import MEDIA_TYPE, Problem
from tapstack.insights.route import ID_CHARS_MAX, Route
from tapstack.openapi import Json, reference, response, words_of

DESCRIPTION = (
    "What Tapstack knows of users and items, for recommendation engines. Times are UTC. "
    "Errors are problem details (RFC 9457) with a code and a message."
)
PROBLEMS = {
    400: "a parameter or the body is not what it must be; `errors` lists all that is wrong",
    413: "the answer is larger than the load balancer takes: ask for less, or accept gzip",
    500: "a row of the table cannot be read",
    503: "the table is throttled or does not answer; `Retry-After` says when to try again",
}
KEY_PROBLEMS = {
    401: "the stack asks readers for keys, and the request has none that is known",
    403: "the reader's key lacks a scope, which the message names",
}
# An empty one first: whether keys are asked for is the stack's choice.
SECURITY: list[Json] = [{}, {"bearer": []}, {"basic": []}, {"apiKey": []}]
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "the key is the user"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def document(routes: Sequence[Route]) -> Json:
    """Return the document."""
    types = [each for route in routes for each in (route.answer, route.body) if _is_struct(each)]
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    problems = {**PROBLEMS, **KEY_PROBLEMS, 404: _UNSEEN, 410: _GONE}
    responses = {
        str(status): response(meaning, MEDIA_TYPE, reference(Problem)) for status, meaning in problems.items()
    }
    return openapi.document(
        "Tapstack insights",
        DESCRIPTION,
        paths=paths,
        types=[*types, Problem],
        responses={**responses, "414": response(_TOO_LONG, HTML, {"type": "string"})},
        security_schemes=SECURITY_SCHEMES,
    )


_UNSEEN = "nothing has been seen under this id"
_TOO_LONG = "the request line has more than 16 KB; the load balancer answers with a page"
_GONE = "what the cursor leads to has expired; begin anew without one"


def _is_struct(kind: object) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _operation(route: Route) -> Json:
    """Describe what a route takes and answers."""
    own = [*([404] if route.subject else []), *([410] if route.may_be_gone else [])]
    own += [414] if route.subject or route.parameters else []
    statuses = sorted({*PROBLEMS, *own, *(KEY_PROBLEMS if route.scopes else [])})
    answers: Json = {"200": _answer(route)}
    if route.has_tag:
        answers["304"] = {"description": "the reader has this answer, as `If-None-Match` says"}
    answers |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}
    operation: Json = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": _scopes(route),
        "security": SECURITY if route.scopes else [],
        "parameters": list(_parameters(route)),
        "responses": answers,
    }
    if route.body is not None:
        content = {"application/json": {"schema": reference(route.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _scopes(route: Route) -> str:
    if not route.scopes:
        return "No key is needed."
    scopes = " and ".join(f"`{scope}`" for scope in route.scopes)
    of_body = ", each if its part of the body is not empty" if route.body and len(route.scopes) > 1 else ""
    return f"Scope of the key, where keys are asked for: {scopes}{of_body}."


def operation_id(route: Route) -> str:
    """Return a name for an operation, from its method and path: ``getItemsById``, ``getItemsAlsoViewed``."""
    path = route.path.removeprefix("/v1")
    words = words_of(path.replace("{id}", ""))
    return route.method.lower() + words + ("ById" if path.endswith("{id}") else "")


def _parameters(route: Route) -> Iterable[Json]:
    if route.subject:
        schema = {"type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX}
        yield {
            "name": "id",
            "in": "path",
            "required": True,
            "description": f"the {route.subject}'s id, percent-encoded, slashes included",
            "schema": schema,
        }
    for parameter in route.parameters:
        yield {
            "name": parameter.name,
            "in": "query",
            "description": f"{parameter.expected}; {parameter.default or 'none'} by default",
            "schema": parameter.schema,
        }


def _answer(route: Route) -> Json:
    schema: Json = {"type": "object" if route.answer is dict else "string"}
    if _is_struct(route.answer):
        schema = reference(route.answer)
    return response(route.summary, route.media_type, schema)
