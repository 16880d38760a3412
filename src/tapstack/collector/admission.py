"""Who sent a request, by its write key, and whether that source may send what it holds.

401 and 403 make no SDK send again, 429 and 503 make each of them (docs/reference/wire-formats.md). So a
request is refused for good only by sources that were read seconds ago.
"""

from __future__ import annotations

from tapstack.collector.known_sources import KnownSources
from tapstack.collector.wire_format import Format
from tapstack.collector.write_keys import KEY_HEADER, presented_key
from tapstack.core.sources import Source, Sources
from tapstack.http import Request, RequestError, Response, error_response
from tapstack.ports import Clock

BURST_S = 2  # of a source's rate: what it may send at once after a pause


class Unauthorized(RequestError):  # noqa: N818 - named as HTTP names it
    """No source has the request's write key, or it has none."""

    status = 401
    code = "unauthorized"


class Forbidden(RequestError):  # noqa: N818 - likewise
    """The source may not send this."""

    status = 403
    code = "forbidden"


class TooManyRequests(RequestError):  # noqa: N818 - likewise
    """The source sends faster than it may."""

    status = 429
    code = "rate_limited"

    def response(self) -> Response:
        """Return the answer, with when to send again."""
        return error_response(self.status, self.code, str(self), {"retry-after": "1"})


class Admission:
    """Lets requests in, for one execution environment.

    Parameters
    ----------
    known
        The sources.
    clock
        The time, for rates.
    """

    def __init__(self, known: KnownSources, clock: Clock) -> None:
        self.known = known
        self._clock = clock
        self._buckets: dict[str, tuple[float, int]] = {}  # by source: events that it may send, and since when

    def admit(self, request: Request, spoken: Format, body_bytes_max: int) -> Source:
        """Return the source of a request.

        Parameters
        ----------
        request
            The request.
        spoken
            Its wire format.
        body_bytes_max
            What its body may have after decompression.

        Raises
        ------
        Unauthorized, Forbidden
            If it is refused for good.
        TooManyRequests
            If it is to be sent again later.
        Unavailable
            If the sources are not known.
        """
        key = presented_key(request, spoken, body_bytes_max)
        try:
            source = _source(self.known.current(), key, request, spoken.NAME)
        except (Unauthorized, Forbidden):  # perhaps by what an operator has changed since
            source = _source(self.known.latest(), key, request, spoken.NAME)
        if source.events_per_s_max is not None and self._left(source.id, source.events_per_s_max) <= 0:
            raise TooManyRequests(f"{source.id} may send {source.events_per_s_max} events a second here")
        return source

    def count(self, source: Source, events_count: int) -> None:
        """Take events out of the source's bucket; a large request leaves a debt, and the next ones wait."""
        if source.events_per_s_max is not None:
            left = self._left(source.id, source.events_per_s_max) - events_count
            self._buckets[source.id] = left, self._clock.now_ms()

    def _left(self, source_id: str, events_per_s: int) -> float:
        """Return how many events a source may send now."""
        now_ms, burst = self._clock.now_ms(), events_per_s * BURST_S
        left, since_ms = self._buckets.get(source_id, (float(burst), now_ms))
        return min(float(burst), left + events_per_s * max(0, now_ms - since_ms) / 1_000)


def _source(sources: Sources, key: str | None, request: Request, format_name: str) -> Source:
    """Return the source of a key, if it may send such a request."""
    found = sources.without_key(format_name) if key is None else sources.of_key(key)
    if found is None and key is None:
        places = f"as the user of Basic, as Bearer, in {KEY_HEADER}, in the query or in the body"
        raise Unauthorized(f"expected a write key: {places}")
    if found is None:
        raise Unauthorized("the write key is that of no source")
    if not found.takes(format_name):
        raise Forbidden(f"the source {found.id} may not send in the format {format_name}")
    origin = request.headers.get("origin")
    if origin is not None and found.origins and origin not in found.origins:
        raise Forbidden(f"the source {found.id} may not be used by web pages of this origin")
    return found
