"""Real SDKs, unmodified, against the embedded cloud: every event counted once, as what it is."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import msgspec
import pytest
from installed import OLDER, PATIENCE_S, SDKS, Sdk, command, run

from tapstack.core.events import StreamEvent
from tapstack_local.cloud import CloudConfig, EmbeddedCloud

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

COUNT = 1_000
COUNT_UNDER_FAULTS = 400
READS_MAX = 100  # of one row: under faults some fail


class Said(NamedTuple):
    """What a client says of an event, as far as it is counted."""

    event_type: str
    user: str
    item: tuple[str, float | None, int | None] | None = None
    value: float | None = None
    currency: str | None = None


def shop(n: int) -> Said:
    user, price = f"user-{n % 10}", 10.0 + n % 5
    if n % 4 == 3:
        return Said("page_view", user)
    kind = ["item_view", "cart_add", "purchase"][n % 4]
    value = 2 * price if kind == "purchase" else None
    return Said(kind, user, (f"item-{n % 7}", price, 2), value, "EUR")


def snowplow_python(n: int) -> Said:
    """As the shop, but for pings and structured events, which are custom."""
    return shop(n) if n % 8 != 7 else Said("custom", f"user-{n % 10}")


def personalize(n: int) -> Said:
    """Four events a request, whose items have no price and whose value no currency."""
    first = n - n % 4
    kind = ["item_view", "cart_add", "purchase", "page_view"][n % 4]
    item = (f"item-{n % 7}", None, None) if n % 4 != 3 else None
    return Said(kind, f"user-{first // 4 % 10}", item, 2.0 * (10 + first % 5) if n % 4 == 2 else None)


SAID: Mapping[str, Callable[[int], Said]] = {
    "snowplow_python.py": snowplow_python,
    "personalize_boto3.py": personalize,
}


class Witness:
    """Counts requests, and keeps what was put on the stream."""

    def __init__(self) -> None:
        self.requests = 0
        self.events: list[StreamEvent] = []

    def request(self, method: str, headers: Mapping[str, str]) -> None:
        self.requests += 1

    def put(self, body: bytes) -> None:
        for record in json.loads(body)["Records"]:
            self.events.append(msgspec.json.decode(base64.b64decode(record["Data"]), type=StreamEvent))


def found(event: StreamEvent) -> Said:
    (item,) = event.items or (None,)
    value = event.value if event.event_type == "purchase" else None
    currency = event.currency or (item.currency if item else None)
    return Said(
        event.event_type,
        event.user_id or "",
        item and (item.item_id, item.price, item.quantity),
        value,
        currency,
    )


async def read(session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
    for _ in range(READS_MAX):
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(path) as answer:
                if answer.status == 200:
                    return dict(await answer.json())
        await asyncio.sleep(0.02)
    raise AssertionError(f"no answer to {path}")


def expected_counts(said: Sequence[Said]) -> Iterator[tuple[str, Counter[str], dict[str, float]]]:
    """What the API says of each user and item: events by type, and what was bought by currency."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    bought: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in said:
        counts[f"users/{each.user}"][each.event_type] += 1
        if each.value is not None:
            bought[f"users/{each.user}"][each.currency or "XXX"] += each.value  # type: ignore[assignment]
        if each.item is not None:
            counts[f"items/{each.item[0]}"][each.event_type] += 1
            if each.event_type == "purchase" and each.item[1] is not None:
                bought[f"items/{each.item[0]}"]["EUR"] += each.item[1] * (each.item[2] or 1)  # type: ignore[assignment]
    for path, types in counts.items():
        yield path, types, dict(bought[path])


@pytest.mark.parametrize("sdk", [*SDKS.values(), *OLDER.values()], ids=[*SDKS, *OLDER])
def test_every_event_of_an_sdk_is_counted_once_as_what_it_is(sdk: Sdk) -> None:
    command(sdk)  # or skip
    witness = Witness()
    said = [SAID.get(sdk.script, shop)(n) for n in range(COUNT)]

    async def main() -> None:
        async with (
            EmbeddedCloud(CloudConfig(shards=2), witness=witness) as cloud,
            aiohttp.ClientSession(cloud.base_url) as session,
        ):
            began = datetime.now(UTC)
            code, words = await run(sdk, cloud.base_url, COUNT)
            assert code == 0, words
            ended = datetime.now(UTC)
            assert {name for name in cloud.counts if name.startswith("http_")} == {"http_200"}
            await asyncio.wait_for(cloud.drain(), PATIENCE_S)
            # One record an event: nothing was sent again after a success.
            assert len({event.event_id for event in witness.events}) == len(witness.events) == COUNT
            assert Counter(map(found, witness.events)) == Counter(said)
            for event in witness.events:
                assert event.clock_skew_ms == 0  # so the time is the client's
                assert began - timedelta(seconds=1) <= event.occurred_at <= ended
            for path, types, bought in expected_counts(said):
                row = await read(session, f"/v1/{path}")
                assert (row["counts"], row["value"]) == (types, bought), path
                assert row["events"] == types.total()

    asyncio.run(asyncio.wait_for(main(), 3 * PATIENCE_S))


@pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS)
def test_under_faults_an_event_that_reached_the_stream_is_counted_once(sdk: Sdk) -> None:
    """Connections are cut, answers lost, workers crash: SDKs send again, and some give up."""
    command(sdk)  # or skip
    witness = Witness()

    async def main() -> None:
        config = CloudConfig(shards=2, faults="some", seed=5)
        async with (
            EmbeddedCloud(config, witness=witness) as cloud,
            aiohttp.ClientSession(cloud.base_url) as session,
        ):
            await run(sdk, cloud.base_url, COUNT_UNDER_FAULTS)
            await asyncio.wait_for(cloud.drain(), PATIENCE_S)
            users = {event.user_id for event in witness.events}
            counted = sum([(await read(session, f"/v1/users/{user}"))["events"] for user in users])
            assert counted == len({event.event_id for event in witness.events})

    asyncio.run(asyncio.wait_for(main(), 3 * PATIENCE_S))
