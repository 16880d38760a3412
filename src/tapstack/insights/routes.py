"""The API's routes as data: paths, parameters, and the types of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import get_args

import msgspec

from tapstack.core.aggregates import WINDOWS, Window
from tapstack.core.events import Id
from tapstack.http import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    Request,
    Response,
    echo,
    json_response,
    options_response,
)
from tapstack.insights.answers import Answer, Health, Item, Partners, SearchTerms, Trending, User
from tapstack.insights.views import (
    health_view,
    item_view,
    partners_view,
    search_terms_view,
    trending_view,
    user_view,
)
from tapstack.ports import RowReader

LISTED_DEFAULT = 20
LISTED_MAX = 100
# No event has a longer id. So each key of a read fits DynamoDB's 2,048 bytes, at four a character (tested).
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, read 2026-11-29
ID_CHARS_MAX: int = get_args(Id)[1].max_length
METHODS = ("GET", "HEAD", "OPTIONS")  # of each route
FAULTS_TOLD_MAX = 5  # of one request, in the message


class Asked(msgspec.Struct, kw_only=True):
    """What a route answers from: the table, the Unix seconds, the path's id, the query's parameters."""

    reader: RowReader
    now_s: int
    id: str = ""
    n: int = 0
    window: Window = WINDOWS[0]


class Integer(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that is an integer, ``low..high``; `default` is what leaving it out stands for."""

    name: str
    low: int
    high: int
    default: str

    @property
    def expected(self) -> str:
        """Return what it must be, in words."""
        return f"an integer from {self.low} to {self.high}"

    def read(self, text: str) -> int | None:
        """Return the value; None if `text` is not one."""
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            return None
        return int(text) if self.low <= int(text) <= self.high else None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that is one of several words, each for a value."""

    name: str
    values: Mapping[str, object]
    default: str

    @property
    def expected(self) -> str:
        """Return what it must be, in words."""
        return f"one of {', '.join(self.values)}"

    def read(self, text: str) -> object | None:
        """Return the value; None if `text` is not one."""
        return self.values.get(text)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A path that is read.

    Parameters
    ----------
    path
        Its segments; ``{id}`` stands for any.
    read
        Makes the answer; None if nothing is known.
    answer
        The answer's type.
    parameters
        Of the query, named as in `Asked`; each may be left out.
    subject
        What the id is an id of.
    """

    path: str
    read: Callable[[Asked], Answer | None]
    answer: type[Answer]
    parameters: tuple[Integer | Choice, ...] = ()
    subject: str = ""


_N = Integer(name="n", low=1, high=LISTED_MAX, default=str(LISTED_DEFAULT))
_WINDOW = Choice(name="window", values={window.name: window for window in WINDOWS}, default=WINDOWS[0].name)


def _partners(asked: Asked, *, bought: bool) -> Partners | None:
    return partners_view(asked.reader, asked.id, asked.now_s, bought=bought, n=asked.n)


ROUTES = (
    Route(
        path="/v1/users/{id}",
        read=lambda asked: user_view(asked.reader, asked.id, asked.now_s),
        answer=User,
        subject="user",
    ),
    Route(
        path="/v1/items/{id}",
        read=lambda asked: item_view(asked.reader, asked.id, asked.now_s),
        answer=Item,
        subject="item",
    ),
    Route(
        path="/v1/items/{id}/also-viewed",
        read=lambda asked: _partners(asked, bought=False),
        answer=Partners,
        parameters=(_N,),
        subject="item",
    ),
    Route(
        path="/v1/items/{id}/also-bought",
        read=lambda asked: _partners(asked, bought=True),
        answer=Partners,
        parameters=(_N,),
        subject="item",
    ),
    Route(
        path="/v1/trending",
        read=lambda asked: trending_view(asked.reader, asked.window, asked.now_s, asked.n),
        answer=Trending,
        parameters=(_WINDOW, _N),
    ),
    Route(
        path="/v1/search-terms",
        read=lambda asked: search_terms_view(asked.reader, asked.window, asked.now_s, asked.n),
        answer=SearchTerms,
        parameters=(_WINDOW, _N),
    ),
    Route(path="/healthz", read=lambda asked: health_view(asked.reader), answer=Health),
)
_SEGMENTS = tuple((route, tuple(route.path.strip("/").split("/"))) for route in ROUTES)


def route_at(path: Sequence[str]) -> Route | None:
    """Return the route of a path's decoded segments, if there is one."""
    for route, segments in _SEGMENTS:
        if len(segments) == len(path) and all(
            segment in {"{id}", found} for segment, found in zip(segments, path, strict=True)
        ):
            return route
    return None


def respond(request: Request, reader: RowReader, now_s: int) -> Response:
    """Answer a request; what HEAD asks for is answered like GET, and its body left out by the caller.

    Parameters
    ----------
    request
        The request.
    reader
        The table.
    now_s
        Unix seconds.

    Raises
    ------
    BadRequest
        Naming the parameters and what was expected.
    NotFound
        If there is no such path, or nothing known under it.
    MethodNotAllowed
        If the path is only read.
    Unavailable
        If the table does not answer.
    """
    route = route_at(request.path)
    if route is None:
        raise NotFound(f"no such path; GET {', '.join(route.path for route in ROUTES)}")
    if request.method == "OPTIONS":
        return options_response(METHODS)
    if request.method not in METHODS:
        raise MethodNotAllowed(*METHODS)
    answer = route.read(_asked(route, request, reader, now_s))
    if answer is None:
        raise NotFound(f"no {route.subject} of this id has been seen")
    return json_response(200, answer, {"cache-control": "private, max-age=1"})


def _asked(route: Route, request: Request, reader: RowReader, now_s: int) -> Asked:
    """Read the path's id and the query, all that is wrong in one message."""
    asked = Asked(reader=reader, now_s=now_s)
    faults: list[str] = []
    if route.subject:
        asked.id = request.path[route.path.strip("/").split("/").index("{id}")]
        if not 1 <= len(asked.id) <= ID_CHARS_MAX:
            faults.append(f"id: expected 1 to {ID_CHARS_MAX} characters, got {len(asked.id)}")
    known = {parameter.name: parameter for parameter in route.parameters}
    texts = {name: parameter.default for name, parameter in known.items()}
    times = Counter(name for name, _ in request.query)
    for name, text in request.query:
        if name not in known:
            faults.append(f"{echo(name)}: unknown parameter; this path takes {', '.join(known) or 'none'}")
        elif times[name] > 1:
            faults.append(f"{name}: expected once, got {times[name]} times")
        texts[name] = text
    for name, parameter in known.items():
        value = parameter.read(texts[name])
        if value is None:
            faults.append(f"{name}: expected {parameter.expected}, got {echo(texts[name])}")
        setattr(asked, name, value)
    if faults:
        raise BadRequest("; ".join(dict.fromkeys(faults[:FAULTS_TOLD_MAX])))
    return asked
