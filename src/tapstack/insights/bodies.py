"""Bodies of requests: JSON of a route's type, and what is said of one that is not."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from tapstack.core.wording import expectation, malformed, place_of
from tapstack.http import Request, echo
from tapstack.insights.problems import Fault, InvalidRequest

BODY_BYTES_MAX = 1_000_000  # what the load balancer takes, also after decompression
_FIELD = r"(?s)Object (?P<fault>contains unknown|missing required) field `(?P<name>.*)`"

B = TypeVar("B", bound=msgspec.Struct)


def read_body(request: Request, kind: type[B]) -> B:
    """Read a request's body.

    Parameters
    ----------
    request
        The request; whatever its content type says, the body is JSON.
    kind
        The body's type.

    Raises
    ------
    BadRequest
        If it is too large or not compressed as it says; `InvalidRequest` with a JSON pointer if it is no
        JSON or has another type.
    """
    data = request.body(BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        fault = _misfit(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what, byte = malformed(error, data)
        place = "" if byte is None else f" at byte {byte}"
        fault = Fault(pointer="#", detail=f"expected JSON: {what}{place}")
    raise InvalidRequest([fault])


def _misfit(message: str) -> Fault:
    what, path = place_of(message)
    pointer = "#" + "".join(f"/{part}" for part in re.findall(r"[^.\[\]]+", path))
    field = re.fullmatch(_FIELD, what)
    if field is None:
        return Fault(pointer=pointer, detail=expectation(what))
    detail = "unknown member" if field["fault"] == "contains unknown" else "missing member"
    return Fault(pointer=pointer, detail=f"{detail} {echo(field['name'])}")
