"""The answers of compatible routes: 200, or an error that SDKs read; never 202, 204 or 413.

Some SDKs take 200 alone for a success, and send again what is answered otherwise; some fail on an error
without ``code`` and ``message``, and send again as well. So a request is refused only if none of its events
is valid. Then it is refused for good: 400 makes no SDK try again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tapstack.collector.intake import RETRY_AFTER_MS, Result
from tapstack.http import Response, error_response, json_response

GIF = (  # the smallest there is: one transparent pixel
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


class Rejected(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that was refused: its place in the request, from 0, and why; a schema, if that refuses it."""

    index: int
    field: str | None = None
    reason: str | None = None
    schema: str | None = None


def json_reply(results: Sequence[Result], success: Mapping[str, object]) -> Response:
    """Answer in JSON.

    Parameters
    ----------
    results
        Each event's fate.
    success
        The body that the SDK expects if all went well; what was rejected, and notes, stand beside.
    """
    rejected = _rejected(results)
    if rejected and len(rejected) == len(results):
        first = rejected[0]
        reason = f"{first.field}: {first.reason}" if first.field else str(first.reason)
        body = {"code": "invalid_events", "message": reason, "detail": reason, "rejected": rejected}
        return json_response(400, body)
    return accepted(results, success)


def accepted(results: Sequence[Result], success: Mapping[str, object]) -> Response:
    """Answer 200 whatever is wrong with the events, for SDKs that would send refused ones again."""
    if failure := unavailable(results):
        return failure
    rejected = _rejected(results)
    notes = {str(index): result.notes for index, result in enumerate(results) if result.notes}
    said = {"rejected": rejected, "notes": notes}
    return json_response(200, {**success, **{name: value for name, value in said.items() if value}})


def gif_reply(results: Sequence[Result]) -> Response:
    """Answer a pixel: an image even if the event is refused, since nobody would read why."""
    if failure := unavailable(results):
        return failure
    return Response(status=200, headers={"content-type": "image/gif", "cache-control": "no-store"}, body=GIF)


def unavailable(results: Sequence[Result]) -> Response | None:
    """Return the answer that makes an SDK send the request again, if some event has to be."""
    if all(result.status != "retry" for result in results):
        return None
    after = {"retry-after": str(RETRY_AFTER_MS // 1000)}
    return error_response(503, "unavailable", "send the request again, unchanged", after)


def _rejected(results: Sequence[Result]) -> list[Rejected]:
    return [
        Rejected(index, result.field, result.reason, result.schema)
        for index, result in enumerate(results)
        if result.status == "invalid"
    ]
