"""The API's routes as data: paths, their parameters, and the types of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import msgspec

from tapstack import __version__
from tapstack.core.aggregates import WINDOWS, Window
from tapstack.core.events import TYPE_CODE, Id
from tapstack.core.history import HistoryBounds
from tapstack.core.ranking import DEFAULT_WEIGHTS, TRENDS, Trend, Weights
from tapstack.http import MethodNotAllowed, NotFound, Request, Response, echo, options_response
from tapstack.insights.answers import (
    Answer,
    Features,
    Health,
    Item,
    Partners,
    Recommendations,
    SearchTerms,
    Status,
    Trending,
    User,
    UserHistory,
)
from tapstack.insights.batch import FeatureQuery, batch_get
from tapstack.insights.bodies import read_body
from tapstack.insights.freshness import ITEMS, LEADERBOARDS, SEARCH_TERMS, Freshness, FreshnessCache
from tapstack.insights.history import ANY_TYPE, TYPES, history_view
from tapstack.insights.parameters import Choice, Integer, Text
from tapstack.insights.problems import Fault, InvalidRequest, parameter_fault
from tapstack.insights.readers import Readers, Scope, check_scopes
from tapstack.insights.recommendations import (
    NOTHING,
    History,
    ItemsToRank,
    SessionItems,
    Shelves,
    Wish,
    history_of,
    ranking_view,
    recommendations_view,
)
from tapstack.insights.representation import entity_tag
from tapstack.insights.trending import trending_view
from tapstack.insights.views import (
    health_view,
    item_view,
    partners_view,
    search_terms_view,
    status_view,
    user_view,
)
from tapstack.ports import RowReader

LISTED_DEFAULT = 20
LISTED_MAX = 100
DEFAULT_HISTORY = HistoryBounds()
# No event has a longer id. So each key of a read fits DynamoDB's 2,048 bytes, at four a character (tested).
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, read 2026-11-29
ID_CHARS_MAX: int = get_args(Id)[1].max_length
METHODS = ("GET", "HEAD", "OPTIONS")  # of each route that has no body
# Of the page: nothing may be loaded or run; its style is in it.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Asked(msgspec.Struct, kw_only=True):
    """What a route answers from: table, time, bounds, the path's id, the parameters, the body."""

    reader: RowReader
    freshness: FreshnessCache
    now_s: int
    bounds: HistoryBounds
    weights: Weights
    id: str = ""
    n: int = 0
    type: int = ANY_TYPE
    cursor: str = ""
    window: Window = WINDOWS[0]
    diversity: int = 0
    include_seen: bool = False
    include_bought: bool = False
    body: Any = None  # of the type that the route says
    trend: Trend = TRENDS[0]
    type_weights: Weights = {}  # of one type alone; empty for all types

    def fresh(self, projection: str) -> Freshness:
        """Return how fresh a projection's rows are; to be asked before they are read, consistently."""
        return self.freshness.of(projection, self.now_s)

    def shelves(self) -> tuple[Shelves, Freshness]:
        """Return where items and leaderboards are read, and how fresh the older of the two are."""
        items, boards = self.fresh(ITEMS), self.fresh(LEADERBOARDS)
        fresh = Freshness(min(items.as_of_s, boards.as_of_s), max(items.since_s, boards.since_s))
        return Shelves(self.reader, self.freshness.progress(self.now_s).heads, self.now_s), fresh

    def history(self, user_id: str | None) -> History:
        """Return what is remembered of a user, if there is one."""
        return NOTHING if user_id is None else history_of(self.reader, user_id, self.now_s)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A path that is read.

    Parameters
    ----------
    path
        Its segments; ``{id}`` stands for any.
    read
        Makes the answer; None if nothing is known.
    answer
        The answer's type; of ``str`` the text is sent as it is.
    summary
        What is answered, in a line.
    parameters
        Of the query, named as in `Asked`; each may be left out.
    subject
        What the id is an id of.
    max_age_s
        How long a reader may keep the answer, seconds; 0: not at all.
    method
        ``GET``, or ``POST`` if what is asked for is in the body.
    body
        The body's type.
    media_type
        Of the answer.
    scopes
        What a reader must be allowed to read, all of it; none: no key is asked for.
    scope_members
        Scopes that are needed only if a member of the body is not empty, each with that member.
    headers
        Further ones of the answer.
    """

    path: str
    read: Callable[[Asked], Answer | Mapping[str, Any] | str | None]
    answer: type[Answer | Mapping[str, Any] | str]
    summary: str
    parameters: tuple[Integer | Choice | Text, ...] = ()
    subject: str = ""
    max_age_s: int = 1
    method: str = "GET"
    body: type[msgspec.Struct] | None = None
    media_type: str = "application/json"
    scopes: tuple[Scope, ...] = ("users", "items")
    scope_members: Mapping[Scope, str] = {}
    headers: Mapping[str, str] = {}

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the methods that the path takes."""
        return METHODS if self.method == "GET" else (self.method, "OPTIONS")

    def needed_scopes(self, body: object) -> frozenset[str]:
        """Return the scopes that a request needs."""
        members = self.scope_members
        return frozenset(
            scope for scope in self.scopes if scope not in members or getattr(body, members[scope])
        )

    @property
    def has_tag(self) -> bool:
        """Return whether answers have a tag: those that a reader may keep."""
        return self.method == "GET" and self.max_age_s > 0

    @property
    def cache_control(self) -> str:
        """Return the header of that name; no proxy may keep what is known of a user."""
        return f"private, max-age={self.max_age_s}" if self.max_age_s else "no-store"


_N = Integer(name="n", low=1, high=LISTED_MAX, default=str(LISTED_DEFAULT))
_WINDOW = Choice(
    name="window",
    into="window",
    values={window.name: window for window in WINDOWS},
    default=WINDOWS[0].name,
)
_TREND = Choice(name="window", into="trend", values={trend.name: trend for trend in TRENDS}, default="1h")
_TYPES: Mapping[str, Weights] = {
    name: {code: 1} for name, code in TYPE_CODE.items() if code in DEFAULT_WEIGHTS
}
_ONE_TYPE = Choice(name="type", into="type_weights", values={"all": {}, **_TYPES}, default="all")
# A cursor holds an item id of up to four bytes a character, and a few numbers; a third longer in base64.
_CURSOR = Text(name="cursor", chars_max=1_500)
_TYPE = Choice(name="type", into="type", values=TYPES, default="any")


def _history(asked: Asked) -> UserHistory | None:
    return history_view(
        asked.reader,
        asked.id,
        asked.now_s,
        asked.bounds,
        type_code=asked.type,
        n=asked.n,
        cursor=asked.cursor,
    )


def _partners(asked: Asked, *, bought: bool) -> Partners | None:
    fresh = asked.fresh(ITEMS)
    return partners_view(asked.reader, asked.id, asked.now_s, fresh, bought=bought, n=asked.n)


_DIVERSITY = Integer(name="diversity", low=0, high=90, default="0")
_NO_YES = {"false": False, "true": True}
_INCLUDE_SEEN = Choice(name="include_seen", into="include_seen", values=_NO_YES, default="false")
_INCLUDE_BOUGHT = Choice(name="include_bought", into="include_bought", values=_NO_YES, default="false")


def _similar(asked: Asked) -> Recommendations:
    return recommendations_view(*asked.shelves(), History([asked.id]), Wish(n=asked.n))


def _for_user(asked: Asked) -> Recommendations:
    wish = Wish(
        n=asked.n,
        diversity=asked.diversity / 100,
        include_seen=asked.include_seen,
        include_bought=asked.include_bought,
    )
    return recommendations_view(*asked.shelves(), asked.history(asked.id), wish)


def _for_session(asked: Asked) -> Recommendations:
    body: SessionItems = asked.body
    wish = Wish(
        n=body.n,
        diversity=body.diversity / 100,
        include_seen=body.include_seen,
        include_bought=body.include_bought,
        exclude=body.exclude,
    )
    return recommendations_view(*asked.shelves(), asked.history(body.user_id).after(body.items), wish)


def _ranked(asked: Asked) -> Recommendations:
    body: ItemsToRank = asked.body
    history = asked.history(body.user_id).after(body.session)
    return ranking_view(*asked.shelves(), history, body.items)


def _openapi() -> Mapping[str, Any]:
    from tapstack.insights.openapi import document  # seldom asked for: a cold start does without

    return document(ROUTES)


def _docs() -> str:
    from tapstack.insights.docs_page import page  # likewise

    return page(_openapi())


ROUTES: tuple[Route, ...] = (
    Route(
        path="/v1/users/{id}",
        summary="a user, or if there is none the anonymous visitor of that id",
        scopes=("users",),
        read=lambda asked: user_view(asked.reader, asked.id, asked.now_s),
        answer=User,
        subject="user",
    ),
    Route(
        path="/v1/users/{id}/history",
        summary="a user's interactions with items, newest first, a part at a time",
        read=_history,
        answer=UserHistory,
        scopes=("users",),
        parameters=(_TYPE, _N, _CURSOR),
        subject="user",
    ),
    Route(
        path="/v1/items/{id}",
        summary="an item's counts and value, over its lifetime and in windows",
        scopes=("items",),
        read=lambda asked: item_view(asked.reader, asked.id, asked.now_s, asked.fresh(ITEMS)),
        answer=Item,
        subject="item",
    ),
    Route(
        path="/v1/items/{id}/also-viewed",
        summary="items viewed right before or after an item",
        scopes=("items",),
        read=lambda asked: _partners(asked, bought=False),
        answer=Partners,
        parameters=(_N,),
        subject="item",
    ),
    Route(
        path="/v1/items/{id}/also-bought",
        summary="items bought in one session with an item",
        scopes=("items",),
        read=lambda asked: _partners(asked, bought=True),
        answer=Partners,
        parameters=(_N,),
        subject="item",
    ),
    Route(
        path="/v1/items/{id}/similar",
        summary="items that go with an item, at one remove too, each with its reasons",
        scopes=("items",),
        read=_similar,
        answer=Recommendations,
        parameters=(_N,),
        subject="item",
    ),
    Route(
        path="/v1/users/{id}/recommendations",
        summary="items for a user or an anonymous visitor, each with its reasons",
        scopes=("users", "items"),
        read=_for_user,
        answer=Recommendations,
        parameters=(_N, _DIVERSITY, _INCLUDE_SEEN, _INCLUDE_BOUGHT),
        subject="user",
    ),
    Route(
        path="/v1/sessions:recommend",
        summary="items to follow those of a session, each with its reasons",
        scopes=("users", "items"),
        scope_members={"users": "user_id"},
        read=_for_session,
        answer=Recommendations,
        method="POST",
        body=SessionItems,
        max_age_s=0,
    ),
    Route(
        path="/v1/items:rank",
        summary="given items in the order that suits a session or a user, each with its reasons",
        scopes=("users", "items"),
        scope_members={"users": "user_id"},
        read=_ranked,
        answer=Recommendations,
        method="POST",
        body=ItemsToRank,
        max_age_s=0,
    ),
    Route(
        path="/v1/trending",
        summary="items with the highest scores in a window that slides",
        scopes=("items",),
        read=lambda asked: trending_view(
            asked.reader,
            asked.trend,
            asked.now_s,
            asked.fresh(LEADERBOARDS),
            weights=asked.type_weights or asked.weights,
            n=asked.n,
        ),
        answer=Trending,
        parameters=(_TREND, _ONE_TYPE, _N),
        max_age_s=5,
    ),
    Route(
        path="/v1/search-terms",
        summary="the terms that most searches of a window were for",
        scopes=("items",),
        read=lambda asked: search_terms_view(
            asked.reader, asked.window, asked.now_s, asked.fresh(SEARCH_TERMS), asked.n
        ),
        answer=SearchTerms,
        parameters=(_WINDOW, _N),
        max_age_s=5,
    ),
    Route(
        path="/v1/features:batchGet",
        summary="many features of many users and items",
        scopes=("users", "items"),
        scope_members={"users": "users", "items": "items"},
        read=lambda asked: batch_get(asked.reader, asked.body, asked.now_s, asked.freshness),
        answer=Features,
        method="POST",
        body=FeatureQuery,
        max_age_s=0,
    ),
    Route(
        path="/v1/status",
        summary="the version, and how far the journal and its projections have come",
        scopes=("operations",),
        read=lambda asked: status_view(asked.freshness.progress(asked.now_s), asked.fresh, __version__),
        answer=Status,
        max_age_s=0,
    ),
    Route(
        path="/v1/openapi.json",
        summary="this API as an OpenAPI 3.1 document",
        scopes=(),
        read=lambda _: _openapi(),
        answer=dict,
        max_age_s=300,
    ),
    Route(
        path="/v1/docs",
        summary="the OpenAPI document as a page to read",
        scopes=(),
        read=lambda _: _docs(),
        answer=str,
        max_age_s=300,
        media_type="text/html; charset=utf-8",
        headers={"content-security-policy": CONTENT_SECURITY_POLICY, "x-content-type-options": "nosniff"},
    ),
    Route(
        path="/healthz",
        summary="whether the function runs and its table answers",
        scopes=(),
        read=lambda asked: health_view(asked.reader),
        answer=Health,
        max_age_s=0,
    ),
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


def respond(
    request: Request,
    reader: RowReader,
    now_s: int,
    freshness: FreshnessCache | None = None,
    readers: Readers | None = None,
    history: HistoryBounds = DEFAULT_HISTORY,
    weights: Weights = DEFAULT_WEIGHTS,
) -> Response:
    """Answer a request; what HEAD asks for is answered like GET, and its body left out by the caller.

    Parameters
    ----------
    request
        The request.
    reader
        The table.
    now_s
        Unix seconds.
    freshness
        What is known of the journal; asked anew if not given.
    readers
        Who may read; None if no keys are asked for.
    history
        How much of a user's interactions is shown.
    weights
        What an event of each type adds to a trend's scores.

    Raises
    ------
    Unauthorized, Forbidden
        If the request has no key of a reader, or of one that may not read this.
    BadRequest
        Naming the parameters and what was expected.
    NotFound
        If there is no such path, or nothing known under it.
    MethodNotAllowed
        If the path takes other methods.
    Unavailable
        If the table does not answer.
    """
    route = route_at(request.path)
    if route is None:
        raise NotFound("no such path; GET /v1/docs lists those there are")
    if request.method == "OPTIONS":
        return options_response(route.methods)
    if request.method not in route.methods:
        raise MethodNotAllowed(*route.methods)
    scopes = readers.scopes_of(request) if readers is not None and route.scopes else None
    freshness = freshness or FreshnessCache(reader)
    asked = Asked(reader=reader, freshness=freshness, now_s=now_s, bounds=history, weights=weights)
    _read_request(asked, route, request)
    if scopes is not None:
        check_scopes(route.needed_scopes(asked.body), scopes)
    answer = route.read(asked)
    if answer is None:
        raise NotFound(f"no {route.subject} of this id has been seen")
    return _response(route, answer)


def _response(route: Route, answer: Answer | Mapping[str, Any] | str) -> Response:
    body = answer.encode() if isinstance(answer, str) else msgspec.json.encode(answer)
    headers = {"content-type": route.media_type, "cache-control": route.cache_control, **route.headers}
    if route.has_tag:
        headers["etag"] = _tag(answer, body)
    return Response(status=200, headers=headers, body=body)


def _tag(answer: Answer | Mapping[str, Any] | str, body: bytes) -> str:
    """Return the tag of an answer, which is the same while only `as_of` moves on."""
    if isinstance(answer, msgspec.Struct) and hasattr(answer, "as_of"):
        return entity_tag(msgspec.json.encode(msgspec.structs.replace(answer, as_of="")))
    return entity_tag(body)


def _read_request(asked: Asked, route: Route, request: Request) -> None:
    """Read the path's id and the query.

    Raises
    ------
    InvalidRequest
        Naming all that is wrong.
    """
    faults: list[Fault] = []
    if route.subject:
        asked.id = request.path[route.path.strip("/").split("/").index("{id}")]
        if not 1 <= len(asked.id) <= ID_CHARS_MAX:
            faults.append(
                parameter_fault("id", f"expected 1 to {ID_CHARS_MAX} characters, got {len(asked.id)}")
            )
    known = {parameter.name: parameter for parameter in route.parameters}
    texts = {name: parameter.default for name, parameter in known.items()}
    times = Counter(name for name, _ in request.query)
    for name, text in request.query:
        if name not in known:
            takes = f"unknown parameter; this path takes {', '.join(known) or 'none'}"
            faults.append(parameter_fault(name, takes))
        elif times[name] > 1:
            faults.append(parameter_fault(name, f"expected once, got {times[name]} times"))
        texts[name] = text
    for name, parameter in known.items():
        value = parameter.read(texts[name])
        if value is None:
            faults.append(parameter_fault(name, f"expected {parameter.expected}, got {echo(texts[name])}"))
        setattr(asked, parameter.into, value)
    if faults:
        raise InvalidRequest(faults)
    if route.body is not None:
        asked.body = read_body(request, route.body)
