"""What a collector answered for each event, and why valid events failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

EXAMPLES_MAX = 5  # events named for each reason
REASONS_MAX = 50  # different ones; further ones are summed up
OTHER = "other reasons"
_TOO_EARLY_OR_BUSY = frozenset({408, 425, 429})  # a 4xx that asks for another attempt

Kind = Literal["refused", "unanswered", "accepted"]
_PLACE = re.compile(r"\[\d+\]")


class Result(NamedTuple):
    """The answer to one event: ``ok``, ``duplicate``, ``invalid`` with the reason, else to be sent again."""

    status: str
    reason: str = ""


class Refusal(msgspec.Struct, kw_only=True):
    """Valid events that failed alike, or invalid ones that were taken.

    Parameters
    ----------
    kind
        ``refused``: a valid event was; ``unanswered``: never answered for; ``accepted``: an event that is
        invalid on purpose was.
    reason
        The collector's, without what an event says.
    count
        How many events.
    examples
        The first few, by line or number.
    """

    kind: Kind
    reason: str
    count: int = 0
    examples: list[str]


class Refusals:
    """Failures by kind and reason, in the order of their first event."""

    def __init__(self) -> None:
        self._found: dict[tuple[Kind, str], Refusal] = {}

    def __iter__(self) -> Iterator[Refusal]:
        """Yield them."""
        return iter(self._found.values())

    def add(self, kind: Kind, reason: str, where: str) -> None:
        """Count an event; reasons that differ by the place in a list alone are one."""
        key = (kind, _PLACE.sub("[]", reason))
        if key not in self._found and len(self._found) >= REASONS_MAX:
            key = (kind, OTHER)
        found = self._found.setdefault(key, Refusal(kind=kind, reason=key[1], examples=[]))
        found.count += 1
        if len(found.examples) < EXAMPLES_MAX:
            found.examples.append(where)


def read_results(status: int, text: bytes, count: int) -> list[Result]:
    """Read what was answered for each of a request's events.

    Parameters
    ----------
    status
        The HTTP status.
    text
        The body.
    count
        How many events the request had.

    Returns
    -------
    list[Result]
        One for each event. Where the answer has none for each, all fare alike: refused for good by a 4xx,
        else to be sent again.
    """
    answer = _decode(text)
    results = answer.get("results")
    if isinstance(results, list) and len(results) == count:
        return [_result(result) for result in results]
    if 400 <= status < 500 and status not in _TOO_EARLY_OR_BUSY:
        message = answer.get("message")
        said = f": {message}" if isinstance(message, str) else ""
        return [Result("invalid", f"the whole request, with {status}{said}")] * count
    return [Result("retry")] * count


def _decode(text: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _result(result: object) -> Result:
    if not isinstance(result, dict):
        return Result("retry")
    named, reason = result.get("field"), str(result.get("reason") or "without a reason")
    return Result(str(result.get("status")), f"{named}: {reason}" if named else reason)
