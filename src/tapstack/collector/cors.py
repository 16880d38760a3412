"""Which web pages may send events, and read the answer: those of the origins that a setting names.

A page of another origin gets no word from a preflight, and its browser then sends nothing; a request that
needs none, such as a beacon of plain text, is taken like that of any other client [1]_.

References
----------
.. [1] https://fetch.spec.whatwg.org/#http-cors-protocol, read 2026-11-29
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tapstack.http import Request, Response, options_response

PREFLIGHT_MAX_AGE_S = 600
HEADERS_CHARS_MAX = 1_000  # of the names of headers that an answer repeats


def granted(request: Request, origins: Collection[str]) -> Mapping[str, str]:
    """Return the headers that let a page read the answer; none if its origin is not named."""
    origin = request.headers.get("origin")
    if origin is None or origin not in origins:
        return {}
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",  # Snowplow's tracker asks for it; no cookie is read
        "vary": "origin",
    }


def options(request: Request, methods: Collection[str], grant: Mapping[str, str]) -> Response:
    """Return the answer to OPTIONS: the methods of a path, and what a preflight asks, if it is granted."""
    answer = options_response(methods)
    if not grant or "access-control-request-method" not in request.headers:
        return answer
    asked = request.headers.get("access-control-request-headers", "content-type")
    return Response(
        status=answer.status,
        headers={
            **answer.headers,
            "access-control-allow-methods": ", ".join(methods),
            "access-control-allow-headers": asked[:HEADERS_CHARS_MAX],
            "access-control-max-age": str(PREFLIGHT_MAX_AGE_S),
        },
    )
