"""Invokes the projector as Lambda does by the table's stream: when the journal has grown, until it worked.

The stream itself is not emulated. What it would say is read from the heads of the journal's lanes once an
interval: so nothing that was committed is missed, whoever committed it, and the last entry before silence
triggers too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from tapstack.core.journal import (
    HEADS_PARTITION,
    WATERMARKS_PARTITION,
    decode_watermark,
    entry_key,
    is_of_a_definition,
)
from tapstack.errors import Unavailable
from tapstack.projections.catalogue import PROJECTIONS
from tapstack_emulator.event_source_mapping import InvokeResult

RETRY_S = 1.0  # after a failure, unless the interval is shorter
POLL_S = 0.05  # while somebody waits for the end

Item = Mapping[str, Any]  # as DynamoDB's JSON has it
_base64 = msgspec.json.Decoder(bytes)


class ProjectorTrigger:
    """Watches the heads of the journal's lanes, and invokes the projector.

    Parameters
    ----------
    query
        Reads a partition of the table, without faults.
    invoke
        Invokes the projector.
    stream_arn
        Of the table's stream.
    interval_s
        Seconds between the beginnings of two invocations, as the mapping's batching window.
    patience_s
        How long to wait for the end without any progress.
    """

    def __init__(
        self,
        query: Callable[[str], Awaitable[Sequence[Item]]],
        invoke: Callable[[bytes], Awaitable[InvokeResult]],
        *,
        stream_arn: str,
        interval_s: float,
        patience_s: float,
    ) -> None:
        self.failure_count = 0
        self.last_failure = ""
        self._query = query
        self._invoke = invoke
        self._stream_arn = stream_arn
        self._interval_s = max(interval_s, POLL_S)
        self._patience_s = patience_s
        self._delivered: dict[int, int] = {}  # by lane, the last entry that an invocation was told of
        self._waiting_count = 0  # who waits for the end
        self._hurry = asyncio.Event()
        self._left: dict[str, int] = {}  # entries to be folded, as last seen, by projection and lane
        self._moved_s = time.monotonic()  # when that changed

    async def run(self) -> None:
        """Invoke the projector whenever there is something new, for ever."""
        while True:
            began_s = time.monotonic()
            try:
                worked = await self._deliver()
            except Unavailable:
                worked = False  # the emulator does not answer; if it has died, that ends the cloud
            pause_s = self._interval_s if worked else min(RETRY_S, self._interval_s)
            await self._pause(max(POLL_S, began_s + pause_s - time.monotonic()))

    async def settle(self) -> str:
        """Wait until every entry of the journal is folded into every projection.

        Returns
        -------
        str
            What is not, in words, if nothing has moved for `patience_s`; else empty.
        """
        self._waiting_count += 1
        self._hurry.set()
        try:
            while left := await self._look():
                if time.monotonic() - self._moved_s > self._patience_s:
                    return self._complaint(left)
                await asyncio.sleep(POLL_S)
        finally:
            self._waiting_count -= 1
        return ""

    async def _deliver(self) -> bool:
        """Invoke the projector if there are new entries; return whether it took them."""
        heads = await self._heads()
        news = {lane: last for lane, last in heads.items() if last > self._delivered.get(lane, 0)}
        if not news:
            return True
        result = await self._invoke(self._event(news))
        if result.kind == "success":
            self._delivered.update(news)
            return True
        self.failure_count += 1
        self.last_failure = _reason(result)
        return False

    async def _pause(self, pause_s: float) -> None:
        """Wait, but not while somebody waits for the end."""
        self._hurry.clear()
        if self._waiting_count:
            await asyncio.sleep(POLL_S)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):  # wait_for may swallow a cancellation
                await self._hurry.wait()

    async def _heads(self) -> dict[int, int]:
        """Return the number of the last entry of every lane."""
        return {int(row["sk"]["S"]): int(row["v"]["N"]) for row in await self._query(HEADS_PARTITION)}

    async def _look(self) -> dict[str, int]:
        """Return how many entries are to be folded, by projection and lane; nothing if all are."""
        heads = await self._heads()
        rows = await self._query(WATERMARKS_PARTITION)
        marks = {row["sk"]["S"]: decode_watermark(_bytes(row["s"]["B"])).marks for row in rows}
        begun = [name for name in marks if is_of_a_definition(name)]
        left = {
            f"{name} of lane {lane:04d}": head - marks.get(name, {}).get(lane, 0)
            for name in [*(projection.name for projection in PROJECTIONS), *begun]
            for lane, head in sorted(heads.items())
        }
        left = {where: count for where, count in left.items() if count}
        if left != self._left or not left:
            self._left, self._moved_s = left, time.monotonic()
        return left

    def _complaint(self, left: Mapping[str, int]) -> str:
        entries = ", ".join(f"{count:,} for {where}" for where, count in left.items())
        why = f"; its last failure: {self.last_failure}" if self.last_failure else ""
        return f"the projector left journal entries unfolded: {entries}{why}"

    def _event(self, news: Mapping[int, int]) -> bytes:
        """Encode what Lambda hands over, keys only [1]_; of each lane the newest entry stands for all.

        References
        ----------
        .. [1] https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html, read 2026-11-29
        """
        records = [self._record(*entry_key(lane, number)) for lane, number in sorted(news.items())]
        return msgspec.json.encode({"Records": records})

    def _record(self, pk: str, sk: str) -> dict[str, Any]:
        return {
            "eventID": f"{pk}/{sk}",
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": self._stream_arn.split(":")[3],
            "dynamodb": {
                "ApproximateCreationDateTime": int(time.time()),
                "Keys": {"pk": {"S": pk}, "sk": {"S": sk}},
                "SequenceNumber": sk,
                "SizeBytes": len(pk) + len(sk) + 4,
                "StreamViewType": "KEYS_ONLY",
            },
            "eventSourceARN": self._stream_arn,
        }


def _bytes(text: str) -> bytes:
    return _base64.decode(f'"{text}"')


def _reason(result: InvokeResult) -> str:
    """Return why an invocation failed, as Lambda said it."""
    try:
        said = msgspec.json.decode(result.payload, type=dict[str, Any])
    except msgspec.DecodeError:
        return result.kind
    return f"{said.get('errorType', result.kind)}: {said.get('errorMessage', '')}".removesuffix(": ")
