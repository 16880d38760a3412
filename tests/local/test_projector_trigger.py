"""What triggers the projector: nothing that was committed is missed, what fails is tried again and said."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from tapstack.errors import Unavailable
from tapstack_emulator.event_source_mapping import InvokeResult
from tapstack_local.projector_trigger import Item, ProjectorTrigger
from tapstack_local.reconciliation.journal import PROJECTIONS

ARN = "arn:aws:dynamodb:eu-central-1:000000000000:table/behaviour/stream/local"
FAILED = InvokeResult.failed(b'{"errorType": "Unavailable", "errorMessage": "throttled"}')


class Projector:
    """A table of heads and watermarks, and a projector that moves the watermarks to the heads."""

    def __init__(self, failures: int = 0, folds: int = 10**9) -> None:
        self.heads: dict[int, int] = {}
        self.marks: dict[int, int] = {}
        self.events: list[Any] = []
        self.failures = failures
        self.folds = folds  # how many entries of a lane it gets through
        self.spoke = asyncio.Event()
        self.silences = 0  # queries that the table does not answer

    async def query(self, partition: str) -> Sequence[Item]:
        if self.silences:
            self.silences -= 1
            self.spoke.set()
            raise Unavailable("not now")
        if partition == "L#":
            return [{"sk": {"S": f"{lane:04}"}, "v": {"N": str(head)}} for lane, head in self.heads.items()]
        state = base64.b64encode(msgspec.msgpack.encode([self.marks, 0])).decode()
        return [{"sk": {"S": name}, "s": {"B": state}} for name in PROJECTIONS]

    async def invoke(self, payload: bytes) -> InvokeResult:
        self.events.append(msgspec.json.decode(payload))
        if self.failures:
            self.failures -= 1
            return FAILED
        self.marks = {lane: min(head, self.folds) for lane, head in self.heads.items()}
        return InvokeResult.success()

    @contextlib.asynccontextmanager
    async def triggered(self, interval_s: float = 30.0) -> AsyncIterator[ProjectorTrigger]:
        trigger = ProjectorTrigger(
            self.query, self.invoke, stream_arn=ARN, interval_s=interval_s, patience_s=0.3
        )
        task = asyncio.create_task(trigger.run())
        try:
            async with asyncio.timeout(20):
                yield trigger
        finally:
            task.cancel()
            await asyncio.wait([task])


def settled(projector: Projector) -> tuple[str, ProjectorTrigger]:
    async def main() -> tuple[str, ProjectorTrigger]:
        async with projector.triggered() as trigger:
            return await trigger.settle(), trigger

    return asyncio.run(main())


def test_an_event_names_the_newest_entry_of_each_lane_as_lambda_spells_it() -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-example.html, read 2026-11-29
    projector = Projector()
    projector.heads = {0: 3, 17: 1}
    assert settled(projector)[0] == ""
    [event] = projector.events
    first, second = event["Records"]
    assert first["dynamodb"]["Keys"] == {"pk": {"S": "J#0000"}, "sk": {"S": f"{3:020}"}}
    assert second["dynamodb"]["Keys"] == {"pk": {"S": "J#0017"}, "sk": {"S": f"{1:020}"}}
    assert (first["eventSource"], first["awsRegion"]) == ("aws:dynamodb", "eu-central-1")
    assert (first["eventName"], first["dynamodb"]["StreamViewType"]) == ("INSERT", "KEYS_ONLY")
    assert first["eventSourceARN"] == ARN


def test_nothing_new_invokes_nobody() -> None:
    projector = Projector()

    async def main() -> None:
        async with projector.triggered(interval_s=0.0) as trigger:
            for head in (1, 1, 2):
                projector.heads = {0: head}
                for _ in range(3):
                    assert await trigger.settle() == ""
                    await asyncio.sleep(0)

    asyncio.run(main())
    assert len(projector.events) == 2


def test_who_waits_for_the_end_does_not_wait_for_the_interval_even_if_entries_come_meanwhile() -> None:
    projector = Projector()

    async def main() -> None:
        async with projector.triggered(interval_s=3_600.0) as trigger:
            for head in range(1, 4):
                projector.heads = {0: head}
                assert await trigger.settle() == ""
                assert projector.marks == {0: head}

    asyncio.run(main())


def test_what_failed_is_delivered_again_until_it_works() -> None:
    projector = Projector(failures=3)
    projector.heads = {0: 1}
    left, trigger = settled(projector)
    assert (left, trigger.failure_count, trigger.last_failure) == ("", 3, "Unavailable: throttled")
    assert (
        len({msgspec.json.encode(event["Records"][0]["dynamodb"]["Keys"]) for event in projector.events}) == 1
    )


def test_a_table_that_does_not_answer_the_trigger_is_asked_again() -> None:
    projector = Projector()
    projector.silences = 1

    async def main() -> None:
        async with projector.triggered(interval_s=0.0) as trigger:
            await projector.spoke.wait()
            projector.heads = {0: 1}
            assert await trigger.settle() == ""

    asyncio.run(main())
    assert projector.marks == {0: 1}


@pytest.mark.parametrize(
    ("projector", "why"),
    [
        (Projector(failures=10**9), "; its last failure: Unavailable: throttled"),
        (Projector(folds=2), ""),
    ],
    ids=["it fails", "it gets stuck"],
)
def test_a_projection_that_does_not_end_is_said_in_words(projector: Projector, why: str) -> None:
    projector.heads = {0: 2, 5: 1_007}
    left = {"0005": "1,005"} if not why else {"0000": "2", "0005": "1,007"}
    counts = ", ".join(
        f"{count} for {name} of lane {lane}" for name in PROJECTIONS for lane, count in left.items()
    )
    expected = f"the projector left journal entries unfolded: {counts}{why}"
    assert settled(projector)[0] == expected
