"""The producer for coroutines."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from producer_world import FakeCollector, ImpatientClock, ManualClock, StuckCollector, identity, never

from tapstack.producer import AsyncProducer, BufferFull, EventId, InvalidEvent, Search


def asynchronous(to: Any, **options: Any) -> AsyncProducer:
    return AsyncProducer(to, **{"clock": ManualClock(), "jitter": never, **options})


@pytest.mark.parametrize(
    "options", [{}, {"journal": "journal"}, {"journal": "journal", "journal_fsync": "always"}]
)
def test_coroutines_send_and_everything_is_delivered(tmp_path: Path, options: dict[str, Any]) -> None:
    if "journal" in options:
        options = {**options, "journal": tmp_path / "journal"}
    collector = FakeCollector(["lost answer", "half"])

    async def visit(events: AsyncProducer, user: str) -> list[EventId | None]:
        return [await events.track("search", user_id=user, query=str(n)) for n in range(10)]

    async def main() -> list[EventId | None]:
        async with asynchronous(collector, batch_events_max=7, **options) as events:
            visits = await asyncio.gather(*(visit(events, f"u-{n}") for n in range(5)))
            assert await events.flush(10**6)
            assert events.stats.delivered == 50
        return [each for ids in visits for each in ids]

    ids = asyncio.run(main())
    assert set(map(identity, collector.stored)) == set(ids)
    assert collector.is_closed


def test_the_event_loop_goes_on_while_a_coroutine_waits_for_room() -> None:
    collector = StuckCollector()

    async def main() -> None:
        events = asynchronous(collector, buffer_events_max=2)
        await events.send(Search(user_id="u"))
        await events.send(Search(user_id="u"))
        waiting = asyncio.create_task(events.send(Search(user_id="u")))
        await asyncio.to_thread(collector.asked.wait, 5)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        collector.may_answer.set()
        assert (await waiting) is not None
        await events.close()
        assert events.stats.delivered == 3

    asyncio.run(main())


@pytest.mark.parametrize("when_full", ["raise", "block", "drop_newest"])
def test_without_room_a_coroutine_follows_the_policy(when_full: str) -> None:
    collector = StuckCollector()

    async def main() -> None:
        events = asynchronous(collector, clock=ImpatientClock(), buffer_events_max=1, when_full=when_full)
        await events.send(Search(user_id="u"))
        if when_full == "drop_newest":
            assert await events.send(Search(user_id="u")) is None
            assert events.stats.dropped == 1
        else:
            with pytest.raises(BufferFull):
                await events.send(Search(user_id="u"))
            assert events.stats.dropped == 0
        collector.may_answer.set()
        await events.close(1)

    asyncio.run(main())


def test_a_wrong_event_is_refused_at_the_call() -> None:
    async def main() -> None:
        async with asynchronous(FakeCollector()) as events:
            with pytest.raises(InvalidEvent, match=r"^user_id: "):
                await events.track("search")
            assert (events.stats.accepted, events.last_tag) == (0, 0)

    asyncio.run(main())
