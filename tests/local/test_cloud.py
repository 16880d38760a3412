"""The embedded cloud with the real handlers: it counts, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tapstack.errors import Unavailable, UsageError
from tapstack_emulator.processes.scratch import scratch_folder
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.cloud_functions import embedded

pytestmark = pytest.mark.emulator


def events(count: int) -> list[dict[str, Any]]:
    now = datetime.now(UTC).isoformat()
    return [
        {
            "event_type": "item_view",
            "event_id": f"e{number}",
            "occurred_at": now,
            "user_id": f"u{number % 10}",
            "items": [{"item_id": "i1"}],
        }
        for number in range(count)
    ]


async def send(session: aiohttp.ClientSession, batch: list[dict[str, Any]]) -> None:
    """Send until the collector says it has them."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with session.post("/v1/events", json=batch) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)


async def item_count(session: aiohttp.ClientSession, item: str) -> int:
    async with asyncio.timeout(60):
        while True:
            try:
                async with session.get(f"/v1/items/{item}") as answer:
                    if answer.status == 200:
                        return int((await answer.json())["events"])
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)


def running(pids: list[int]) -> list[int]:
    words = subprocess.run(
        ["ps", "-eo", "pid=,stat="], capture_output=True, text=True, check=True
    ).stdout.split()
    alive = {int(pid) for pid, state in zip(words[::2], words[1::2], strict=True) if "Z" not in state}
    return [pid for pid in pids if pid in alive]


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)


@pytest.mark.parametrize("faults", ["none", "many"])
def test_every_event_is_counted_once_and_no_process_is_left(faults: Any) -> None:
    pids: list[int] = []
    folders: list[Path] = []

    async def main() -> None:
        async with EmbeddedCloud(CloudConfig(shards=2, faults=faults, seed=11, batch_size=50)) as cloud:
            pids.extend(cloud.processes)
            folders.append(cloud.folder)
            async with aiohttp.ClientSession(cloud.base_url) as session:
                everything = events(600)
                await asyncio.gather(*(send(session, everything[at : at + 20]) for at in range(0, 600, 20)))
                await asyncio.wait_for(cloud.drain(), 90)
                assert await item_count(session, "i1") == 600
            assert cloud.backlog == 0
            assert bool(cloud.faults) == (faults == "many")
            assert cloud.counts["http_200"] >= 31

    asyncio.run(asyncio.wait_for(main(), 180))
    assert len(pids) == 9
    assert not running(pids)
    assert not folders[0].exists()


def test_a_consumer_that_is_held_counts_nothing_until_it_is_let_go() -> None:
    async def main() -> None:
        async with (
            EmbeddedCloud(CloudConfig(shards=2)) as cloud,
            aiohttp.ClientSession(cloud.base_url) as session,
        ):
            await send(session, events(10))
            await cloud.drain()
            async with cloud.held():
                await send(session, events(30)[10:])
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(cloud.drain(), 0.5)
                assert await item_count(session, "i1") == 10
            await cloud.drain()
            assert await item_count(session, "i1") == 30

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_projector_that_fails_fails_no_batch_and_is_told() -> None:
    blueprint = embedded(shards=1, lanes=1)
    broken = tuple(
        replace(each, timeout_s=0.001) if each.name == blueprint.projector else each
        for each in blueprint.functions
    )
    config = CloudConfig(blueprint=replace(blueprint, functions=broken), projection_patience_s=1.0)

    async def main() -> None:
        async with EmbeddedCloud(config) as cloud, aiohttp.ClientSession(cloud.base_url) as session:
            await send(session, events(10))
            left = await cloud.drain()
            assert left.startswith("the projector left journal entries unfolded: 1 for items of lane 0000, ")
            assert "its last failure: " in left
            async with session.get("/v1/users/u1") as answer:
                assert answer.status == 200
            assert "mapping_Invocations.function_error" not in cloud.counts
            assert cloud.failed_folds > 0

    asyncio.run(asyncio.wait_for(main(), 60))


def test_a_port_in_use_is_one_clear_line() -> None:
    async def main(port: int) -> None:
        cloud = EmbeddedCloud(CloudConfig(port=port))
        with pytest.raises(UsageError, match=f"port {port} is in use"):
            async with cloud:
                raise AssertionError("it must not start")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asyncio.run(main(taken.getsockname()[1]))


@pytest.mark.parametrize(
    ("victim", "named"),
    [
        (-1, "ministack"),
        (0, "a worker of tapstack-collector"),
        (2, "a worker of tapstack-consumer"),
        (3, "a worker of tapstack-projector"),
    ],
)
def test_the_death_of_a_part_ends_whatever_waits_in_the_cloud_and_names_it(victim: int, named: str) -> None:
    pids: list[int] = []

    async def main() -> None:
        async with EmbeddedCloud(CloudConfig(shards=1)) as cloud:
            pids.extend(cloud.processes)
            os.kill(pids[victim], signal.SIGKILL)
            await asyncio.Event().wait()

    with pytest.raises(Unavailable, match=rf"^{named}.* \(process [0-9]+\) was ended by SIGKILL") as told:
        asyncio.run(asyncio.wait_for(main(), 20))
    assert str(pids[victim]) in str(told.value)
    assert not running(pids)


def test_who_talks_to_a_dead_part_is_told_of_its_death_and_not_of_a_connection() -> None:
    async def main() -> None:
        async with EmbeddedCloud(CloudConfig(shards=1)) as cloud:
            os.kill(cloud.processes[-1], signal.SIGKILL)
            async with aiohttp.ClientSession() as session:
                while True:
                    await session.get(cloud.emulator_url)

    with pytest.raises(Unavailable, match=r"^ministack"):
        asyncio.run(asyncio.wait_for(main(), 20))


def test_a_mapping_that_fails_ends_the_cloud() -> None:
    class Broken:
        def request(self, method: str, headers: Any) -> None: ...
        def put(self, body: bytes) -> None: ...

    async def main() -> None:
        cloud = EmbeddedCloud(CloudConfig(shards=1), witness=Broken())

        async def broken(payload: bytes) -> Any:
            raise ZeroDivisionError("a bug")

        cloud._consume = broken  # type: ignore[method-assign]
        async with cloud, aiohttp.ClientSession(cloud.base_url) as session:
            await send(session, events(1))
            await cloud.drain()

    with pytest.raises(Unavailable, match=r"^the event source mapping failed: ZeroDivisionError"):
        asyncio.run(asyncio.wait_for(main(), 20))


def test_no_web_page_gets_in_but_an_allowed_one_which_may_read_the_answer() -> None:
    page, other = "http://localhost:3000", "https://evil.example"

    async def main() -> None:
        async with (
            EmbeddedCloud(CloudConfig(shards=1, origins=(page,))) as cloud,
            aiohttp.ClientSession(cloud.base_url) as session,
        ):
            for headers, status in (
                ({"Origin": page}, 200), ({"Origin": other}, 403), ({"Host": "evil.example"}, 403), ({}, 200)
            ):  # fmt: skip
                async with session.post("/v1/events", json=events(1), headers=headers) as answer:
                    assert answer.status == status, headers
                    allowed = answer.headers.get("Access-Control-Allow-Origin")
                    assert allowed == (page if headers.get("Origin") == page else None)
            await cloud.drain()
            assert cloud.kinesis.record_count(cloud.stream) == 0
            assert await item_count(session, "i1") == 1

    asyncio.run(asyncio.wait_for(main(), 60))


def test_an_exception_inside_stops_everything(tmp_path: Path) -> None:
    pids: list[int] = []

    async def main() -> None:
        async with EmbeddedCloud(CloudConfig(shards=1), keep_logs=tmp_path) as cloud:
            pids.extend(cloud.processes)
            raise LookupError("the caller's own")

    with pytest.raises(LookupError):
        asyncio.run(main())
    assert pids
    assert not running(pids)
    assert (tmp_path / "ministack.log").exists()


PARENT = textwrap.dedent(
    """
    import asyncio, json, signal
    from tapstack_local.cloud import CloudConfig, EmbeddedCloud
    async def main():
        async with EmbeddedCloud(CloudConfig(shards=1, faults="some")) as cloud:
            print(json.dumps([str(cloud.folder), *cloud.processes]), flush=True)
            await asyncio.sleep(120)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
    asyncio.run(main())
    """
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=str)
def test_no_process_outlives_a_supervisor_that_is_stopped_or_killed(
    number: signal.Signals, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "TMPDIR": str(tmp_path)},  # elsewhere another run may remove what is left
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        folder, *pids = json.loads(parent.stdout.readline())
        assert running(pids) == pids
        os.kill(parent.pid, number)
        parent.wait(20)
    until(lambda: not running(pids))
    assert Path(folder).exists() == (number == signal.SIGKILL)
    with scratch_folder(tmp_path):
        pass
    assert not Path(folder).exists()
