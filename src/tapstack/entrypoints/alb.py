"""HTTP as an Application Load Balancer hands it to a Lambda function, and takes it back.

Multi-value headers are off. Path and query come as they stood in the request line: nothing is decoded, and
``..`` and ``%2e%2e`` stay [1]_; of a parameter or header that is repeated, the last value comes alone.

References
----------
.. [1] https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html,
   read 2026-11-23
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from tapstack.errors import TapstackError
from tapstack.http import BadRequest, Request, Response

# "The maximum size of the response JSON that the Lambda function can send is 1 MB" [1]; the smaller reading.
RESPONSE_JSON_BYTES_MAX = 1_000_000
_ESCAPED_BYTES_MAX = 12  # of a character that JSON writes as two surrogates, "\\ud83d\\ude00"


class MalformedInvocation(TapstackError):  # noqa: N818 - a cause, named for readers of the function's log
    """The event is not one that a load balancer with multi-value headers off sends.

    The function was called by something else, or its target group is set up otherwise. It fails the
    invocation, which the load balancer answers with 502: a sender must not take that for the refusal of its
    events and drop them. The message names the member, never a value.
    """


def read_request(event: object) -> Request:
    """Read the load balancer's event.

    Null is absent.

    Raises
    ------
    MalformedInvocation
        If a member is missing or has another type.
    BadRequest
        If what the client wrote there cannot be read.
    """
    if not isinstance(event, dict):
        raise MalformedInvocation(f"event: expected an object, got {_type_name(event)}")
    if event.get("headers") is None and event.get("multiValueHeaders") is not None:
        raise MalformedInvocation("multiValueHeaders: expected a target group with multi-value headers off")
    path = _text(event, "path")
    body = _text(event, "body", "")
    return Request(
        method=_text(event, "httpMethod"),
        path=tuple([_decoded("path", part) for part in _without_ends(path).split("/")]),
        query=tuple(
            [
                (_decoded("query", name), _decoded("query", value))
                for name, value in _texts(event, "queryStringParameters").items()
                if name or value  # what is left of a lone ampersand
            ]
        ),
        headers={name.lower(): value for name, value in _texts(event, "headers").items()},
        raw_body=_unwrap(body) if _flag(event, "isBase64Encoded") else body.encode(),
    )


def write_response(response: Response, method: str) -> dict[str, Any]:
    """Spell a response as the load balancer takes it.

    Parameters
    ----------
    response
        Text goes as it is, what is no UTF-8 in base64.
    method
        The request's: HEAD gets all but the body, whose length is said (RFC 9110, section 9.3.2).
    """
    headers = dict(response.headers)
    body = response.body
    if method == "HEAD":
        headers["content-length"] = str(len(body))
        body = b""
    try:
        text, in_base64 = body.decode(), False
    except UnicodeDecodeError:
        text, in_base64 = base64.b64encode(body).decode(), True
    return {"statusCode": response.status, "headers": headers, "body": text, "isBase64Encoded": in_base64}


def passes(written: Mapping[str, Any]) -> bool:
    """Return whether a response is small enough for the load balancer, however the runtime escapes it."""
    body: str = written["body"]
    if len(body) * _ESCAPED_BYTES_MAX < RESPONSE_JSON_BYTES_MAX // 2:
        return True  # the usual case, which needs no count
    import json  # a cold start does without

    return len(json.dumps(written)) <= RESPONSE_JSON_BYTES_MAX


def _text(event: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = event.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise MalformedInvocation(f"{name}: expected a string, got {_type_name(value)}")
    return _checked(name, value)


def _texts(event: Mapping[str, Any], name: str) -> Mapping[str, str]:
    values = event.get(name)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise MalformedInvocation(f"{name}: expected an object, got {_type_name(values)}")
    for value in values.values():
        if not isinstance(value, str):
            raise MalformedInvocation(f"{name}: expected strings, got {_type_name(value)}")
    _checked(name, "".join([*values, *values.values()]))
    return values


def _flag(event: Mapping[str, Any], name: str) -> bool:
    value = event.get(name)
    if value is not None and not isinstance(value, bool):
        raise MalformedInvocation(f"{name}: expected true or false, got {_type_name(value)}")
    return bool(value)


def _checked(name: str, text: str) -> str:
    """Refuse half a surrogate pair, which JSON can say and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{name}: expected UTF-8") from None
    return text


def _decoded(what: str, text: str) -> str:
    """Decode a path's segment or a part of a query, where a plus is a blank."""
    try:
        return (unquote_plus if what == "query" else unquote)(text, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest(f"{what}: expected percent-encoded UTF-8") from None


def _without_ends(path: str) -> str:
    return path.removeprefix("/").removesuffix("/")


def _unwrap(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        raise BadRequest("the body is not base64") from None


def _type_name(value: object) -> str:
    """Name a value's type as JSON does."""
    names: dict[type, str] = {bool: "true or false", str: "a string", list: "an array", dict: "an object"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")
