"""Real SDKs while Kinesis takes nothing, or S3, or both: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from installed import PATIENCE_S, SDKS, Sdk, command, run
from test_sdks import SAID, expected_counts, read, shop

from tapstack_emulator.call_recorder import CallRecorder
from tapstack_local.cloud import CloudConfig, EmbeddedCloud

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

COUNT = 20
POLL_S = 0.05
# With one, S3 is behind a proxy, which can fail.
RECORDER = CallRecorder("us-east-1", "123456789012")
Send = Callable[[EmbeddedCloud], Awaitable[tuple[int | None, str]]]


def counted_after(sdk: Sdk, send: Send) -> tuple[dict[str, int], int]:
    """Let an SDK send its events, and hold the API's answers to them.

    Returns how many answers had which status, and how many events the drainer brought to the stream.
    """
    command(sdk)  # or skip
    said = [SAID.get(sdk.script, shop)(n) for n in range(COUNT)]

    async def main() -> tuple[dict[str, int], int]:
        async with (
            EmbeddedCloud(CloudConfig(shards=2), recorder=RECORDER) as cloud,
            aiohttp.ClientSession(cloud.base_url) as session,
        ):
            code, words = await send(cloud)
            assert code == 0, words
            statuses = {name: count for name, count in cloud.counts.items() if name.startswith("http_")}
            await asyncio.wait_for(cloud.drain(), PATIENCE_S)
            for path, types, bought in expected_counts(said):
                row: dict[str, Any] = await read(session, f"/v1/{path}")
                assert (row["counts"], row["value"]) == (types, bought), path
                assert row["events"] == types.total(), path
            return statuses, cloud.counts["drained_events"]

    return asyncio.run(asyncio.wait_for(main(), 3 * PATIENCE_S))


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_while_kinesis_takes_nothing_events_are_spilled_and_counted_once(sdk: Sdk) -> None:
    async def send(cloud: EmbeddedCloud) -> tuple[int | None, str]:
        with cloud.outage("put"):
            return await run(sdk, cloud.base_url, COUNT)

    statuses, drained = counted_after(sdk, send)
    assert set(statuses) == {"http_200"}
    assert drained == COUNT


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_while_s3_takes_nothing_kinesis_does(sdk: Sdk) -> None:
    async def send(cloud: EmbeddedCloud) -> tuple[int | None, str]:
        with cloud.outage("s3"):
            return await run(sdk, cloud.base_url, COUNT)

    statuses, drained = counted_after(sdk, send)
    assert set(statuses) == {"http_200"}
    assert drained == 0


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_while_both_take_nothing_an_sdk_is_told_so_and_sends_again(sdk: Sdk) -> None:
    # By GET, Snowplow's tracker goes by the answer to the last request of a batch, and loses others.
    refused = COUNT if "get" in sdk.arguments else 1

    async def send(cloud: EmbeddedCloud) -> tuple[int | None, str]:
        with cloud.outage("put", "s3"):
            sending = asyncio.create_task(run(sdk, cloud.base_url, COUNT))
            for _ in range(int(PATIENCE_S / POLL_S)):
                if sending.done() or cloud.counts.get("http_503", 0) >= refused:
                    break
                await asyncio.sleep(POLL_S)
        return await sending

    statuses, _ = counted_after(sdk, send)
    assert statuses["http_503"] >= refused
    assert set(statuses) == {"http_200", "http_503"}
