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
from tapstack.collector.wire_format import Format, Route

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


def spoken_at(path: Sequence[str], formats: Sequence[Format]) -> Spoken | None:
    """Return the format that answers a path's decoded segments, if one does."""
    for each in formats:
        for route in each.ROUTES:
            if route.matches(path):
                return Spoken(each, route)
    return None
