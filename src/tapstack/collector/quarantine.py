"""What is refused is kept, with the reason, before the sender is told: one object a request.

The payload is what the sender wrote of an event; of a request that cannot be split into events, or whose
events would be too large one by one, it is the body. Write keys are taken out, and names where accepted
events are stored without them. So an object has at most some times the bytes that a request may have,
whatever a sender does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from tapstack.collector.objects import CollectorDependencies, put_object
from tapstack.collector.translation.alone import query_alone
from tapstack.collector.wire_format import Format, Route
from tapstack.collector.write_keys import query_without_keys, text_without_keys
from tapstack.dead_letters import RefusedEvent, encode, request_key
from tapstack.errors import InvalidEvent
from tapstack.http import BadRequest, Request


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the refused events of one request go.

    Parameters
    ----------
    request, format, route, source
        The request, how it is read, and who sent it, if that is known.
    body_bytes_max
        What its body may have after decompression.
    dependencies
        The bucket, time.
    withheld
        Returns whether a payload may not be kept; None if each may.
    without_names
        Returns what of a payload may be kept; None if all may.
    """

    request: Request
    format: Format
    route: Route
    source: str | None
    body_bytes_max: int
    dependencies: CollectorDependencies
    withheld: Callable[[bytes], bool] | None = None
    without_names: Callable[[bytes], bytes] | None = None

    def keep(self, refused: Mapping[int, InvalidEvent], events_count: int) -> bool:
        """Store what was refused.

        Parameters
        ----------
        refused
            Why, by the events' positions; at least one.
        events_count
            How many events the request has.

        Returns
        -------
        bool
            Whether everything is known to be stored that may be; a request that says nothing leaves nothing
            to store.
        """
        request = query_without_keys(self.request, self.format)
        first = min(refused)
        # What `parse` could not split is not split here either: it would cost as much once more.
        payloads = None if refused[first].code == "unreadable" else self._payloads(request, events_count)
        if payloads is None:
            refused, payloads = {0: refused[first]}, [self._whole(request)]
        now_ms = self.dependencies.clock.now_ms()
        at = datetime.fromtimestamp(now_ms // 1000, UTC)
        request_id = f"{at:%H%M%S}{now_ms % 1000:03}-{self.dependencies.unique()}"
        letters = [
            RefusedEvent(
                reason=error.code,
                detail=str(error),
                request_id=request_id,
                index=index,
                format=self.format.NAME,
                path=self.route.path,
                arrived_at_s=now_ms // 1000,
                data=self._kept(payloads[index]),
                source=self.source,
                schema=error.schema or None,
            )
            for index, error in sorted(refused.items())
            if payloads[index] and not (self.withheld is not None and self.withheld(payloads[index]))
        ]
        if not letters:
            return True
        key, body = request_key(letters[0]), encode(letters)
        return put_object(self.dependencies.quarantine, key, body, self.dependencies)

    def _kept(self, payload: bytes) -> bytes:
        payload = text_without_keys(payload, self.format)
        return payload if self.without_names is None else self.without_names(payload)

    def _payloads(self, request: Request, events_count: int) -> list[bytes] | None:
        """Return what the sender wrote of each event; None if that cannot be told apart."""
        try:
            found = self.format.alone(request, self.body_bytes_max)
        except (BadRequest, InvalidEvent):
            return None
        return [bytes(each) for each in found] if len(found) == events_count else None

    def _whole(self, request: Request) -> bytes:
        """Return the body; as it was sent, if it cannot be decompressed."""
        try:
            body = request.body(self.body_bytes_max)
        except BadRequest:
            body = request.raw_body
        return body or b"".join(query_alone(request))
