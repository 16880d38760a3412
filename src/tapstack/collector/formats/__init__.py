"""Wire formats: a module each, and its line in `FORMATS`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tapstack.collector.formats import (
    cloudevents,
    google,
    native,
    personalize,
    posthog,
    segment,
    snowplow,
)
from tapstack.collector.wire_format import ANY_SEGMENT, Format, Route

FORMATS: Sequence[Format] = (
    native,
    segment,
    snowplow,
    posthog,
    personalize,
    cloudevents,
    google,
)


class Spoken(NamedTuple):
    """The format of a request, and the path that says so."""

    format: Format
    route: Route


class Routes:
    """Which format answers a path.

    Parameters
    ----------
    formats
        No two of them have a path in common.
    """

    def __init__(self, formats: Sequence[Format]) -> None:
        routes = [Spoken(each, route) for each in formats for route in each.ROUTES]
        self._exact = {each.route.segments: each for each in routes}
        self._patterns = [each for each in routes if ANY_SEGMENT in each.route.segments]

    def find(self, path: tuple[str, ...]) -> Spoken | None:
        """Return the format that answers a path's decoded segments, if one does."""
        found = self._exact.get(path)
        if found is None:
            found = next((each for each in self._patterns if each.route.matches(path)), None)
        return found


ROUTES = Routes(FORMATS)
