"""A request of the load balancer, its events collected, and the answer; dependencies are the caller's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any, NamedTuple

import msgspec

from tapstack.collector import cors
from tapstack.collector.admission import Admission
from tapstack.collector.enrichment.order import Enrichment, browser_of
from tapstack.collector.enrichment.refused_names import RefusedNames
from tapstack.collector.enrichment.withholding import may_deny
from tapstack.collector.formats import FORMATS, ROUTES, Routes, Spoken
from tapstack.collector.intake import RETRY_AFTER_MS, CheckSchemas, Enrich, Result, collect
from tapstack.collector.objects import CollectorDependencies, put_spilled
from tapstack.collector.quarantine import Quarantine
from tapstack.collector.translation.replies import unavailable
from tapstack.collector.wire_format import Limits
from tapstack.collector.write_keys import unkeyed
from tapstack.core.sources import Source
from tapstack.entrypoints.alb import read_request, write_response
from tapstack.errors import InvalidEvent, Unavailable
from tapstack.http import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    Request,
    RequestError,
    Response,
    error_response,
)


class Taken(NamedTuple):
    """Each event's fate, the answer that names it, who sent them, and why nobody can say who may."""

    results: Sequence[Result]
    answer: dict[str, Any]
    source: str | None = None
    error: str | None = None


def take(
    event: dict[str, Any],
    dependencies: CollectorDependencies,
    *,
    request_bytes_max: int,
    event_bytes_max: int,
    event_age_max: timedelta | None = None,
    allowed_origins: Collection[str] = (),
    admission: Admission | None = None,
    check_schemas: CheckSchemas | None = None,
    enrichment: Callable[[], Enrichment] | None = None,
    routes: Routes = ROUTES,
) -> Taken:
    """Take the events of a request.

    Parameters
    ----------
    event
        The request, as the load balancer spells it.
    dependencies
        The stream, the buckets, time.
    request_bytes_max
        What a body may have after decompression.
    event_bytes_max
        What an event may have.
    event_age_max
        How old an event may be and still be counted.
    allowed_origins
        Of the web pages that may send events.
    admission
        Decides by write keys who may send; None lets everybody.
    check_schemas
        Holds events to the operator's schemas; None if there are none.
    enrichment
        Returns what is added to events, or taken out; None if nothing is. It may raise `Unavailable`.
    routes
        The paths of the wire formats that are understood.
    """
    limits = Limits(request_bytes_max, event_bytes_max)
    try:
        request = read_request(event)
    except RequestError as error:
        return Taken((), write_response(error.response(), ""))
    grant: Mapping[str, str] = {}
    try:
        grant = cors.granted(request, _origins(request, allowed_origins, admission))
        spoken = _spoken(request, routes)
        if request.method == "OPTIONS":
            return _taken(request, grant, cors.options(request, spoken.route.allowed, grant))
        _check_method(request, spoken)
        source = _source(request, spoken, admission, request_bytes_max)
        enriching = None if enrichment is None else enrichment()
    except RequestError as error:
        return _taken(request, grant, error.response())
    except Unavailable as error:
        return _taken(request, grant, _not_ready())._replace(error=str(error))
    request = unkeyed(request)
    quarantine = _quarantine(request, spoken, source, enriching, request_bytes_max, dependencies)
    try:
        events = () if request.method == "HEAD" else spoken.format.parse(request, limits)
    except (BadRequest, InvalidEvent) as error:
        _count(admission, source, 1)
        results = _keep_unreadable(quarantine, error)
        refusal = error_response(400, "invalid_request", str(error))
        return _taken(request, grant, unavailable(results) or refusal, results)
    _count(admission, source, len(events))
    # Outside: what goes wrong from here on is no fault of the request.
    results = collect(
        events,
        dependencies,
        event_bytes_max=event_bytes_max,
        event_age_max=event_age_max,
        spill=partial(put_spilled, dependencies=dependencies),
        keep=quarantine.keep,
        source=source,
        check_schemas=check_schemas,
        enrich=_enrich(request, enriching),
    )
    sender = None if source is None else source.id
    return _taken(request, grant, spoken.format.reply(request, results), results, sender)


def _origins(request: Request, allowed: Collection[str], admission: Admission | None) -> Collection[str]:
    """Return the origins of the web pages that may send: a preflight does not say its source."""
    if admission is None or "origin" not in request.headers:
        return allowed
    return {*allowed, *admission.known.current().origins}


def _source(
    request: Request, spoken: Spoken, admission: Admission | None, body_bytes_max: int
) -> Source | None:
    """Return who sends events, before anything of them is read or kept; None if nobody is asked."""
    if admission is None or request.method == "HEAD" or not spoken.route.takes_events:
        return None
    return admission.admit(request, spoken.format, body_bytes_max)


def _count(admission: Admission | None, source: Source | None, events: int) -> None:
    if admission is not None and source is not None:
        admission.count(source, events)


def _not_ready() -> Response:
    after = {"retry-after": str(RETRY_AFTER_MS // 1000)}
    return error_response(503, "unavailable", "a secret cannot be read; send the request again", after)


def _quarantine(
    request: Request,
    spoken: Spoken,
    source: Source | None,
    enriching: Enrichment | None,
    body_bytes_max: int,
    dependencies: CollectorDependencies,
) -> Quarantine:
    """Return where the request's refused events go, without what accepted events are stored without."""
    return Quarantine(
        request=request,
        format=spoken.format,
        route=spoken.route,
        source=None if source is None else source.id,
        body_bytes_max=body_bytes_max,
        dependencies=dependencies,
        withheld=_withheld(enriching),
        without_names=_without_names(enriching),
    )


def _withheld(enriching: Enrichment | None) -> Callable[[bytes], bool] | None:
    """Return what decides whether a refused payload may be kept."""
    if enriching is None or enriching.consent == "off":
        return None
    return partial(may_deny, categories=enriching.categories)


def _without_names(enriching: Enrichment | None) -> Callable[[bytes], bytes] | None:
    """Return what puts pseudonyms into a refused payload, and cuts its addresses."""
    if enriching is None or (enriching.pseudonymise is None and "ip" not in enriching.steps):
        return None
    fields = () if enriching.pseudonymise is None else enriching.pseudonymise.fields
    return _refused_names(fields, enriching.key, cuts_addresses="ip" in enriching.steps)


@lru_cache(maxsize=1)  # longer to make than a request takes
def _refused_names(fields: tuple[str, ...], key: bytes, *, cuts_addresses: bool) -> RefusedNames:
    return RefusedNames(fields, [each.FIELDS for each in FORMATS], key, cuts_addresses=cuts_addresses)


def _enrich(request: Request, enriching: Enrichment | None) -> Enrich | None:
    if enriching is None:
        return None
    return partial(enriching.apply, browser=browser_of(request.headers.get("user-agent")))


def _keep_unreadable(quarantine: Quarantine, error: BadRequest | InvalidEvent) -> list[Result]:
    """Keep a request that cannot be split into events; it counts as one."""
    is_kept = quarantine.keep({0: InvalidEvent("", str(error), "unreadable")}, 1)
    return [Result("invalid" if is_kept else "retry", None, _UNREADABLE)]


_UNREADABLE = "the request cannot be split into events"  # for the log; the answer says more


def _taken(
    request: Request,
    grant: Mapping[str, str],
    response: Response,
    results: Sequence[Result] = (),
    source: str | None = None,
) -> Taken:
    if grant:
        response = msgspec.structs.replace(response, headers={**response.headers, **grant})
    return Taken(results, write_response(response, request.method), source)


def _spoken(request: Request, routes: Routes) -> Spoken:
    found = routes.find(request.path)
    if found is None:
        raise NotFound("no such path; POST /v1/events")
    return found


def _check_method(request: Request, spoken: Spoken) -> None:
    if request.method in spoken.route.methods or (request.method == "HEAD" in spoken.route.allowed):
        return
    raise MethodNotAllowed(*spoken.route.allowed)
