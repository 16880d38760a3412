"""`make producer-crash-test`: a producer is killed 200 times, against the whole pipeline under faults.

Shown on the embedded cloud only.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from random import Random

import aiohttp
import pytest
from crashes import Crashed, crash

from tapstack_emulator.lambda_host.config import REGION
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.cloud_functions import LATE_BUCKET, QUARANTINE_BUCKET
from tapstack_local.reconciliation.accepted_events import CODES
from tapstack_local.reconciliation.tables import Reader, Tables

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

KILLS = int(os.environ.get("KILLS", "200"))
ITEM_VIEW = CODES["item_view"]


def counted(tables: Tables) -> dict[str, int]:
    """Return how often each event was counted: each has an item of its own."""
    return {
        item: sum(row.lifetime.get(ITEM_VIEW, 0) for row in stripes.values())
        for item, stripes in tables.items.items()
    }


def test_a_producer_that_is_killed_200_times_loses_nothing_and_has_nothing_counted_twice(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("SEED", Random().randrange(2**32)))
    tell(f"seed {seed}, {KILLS} kills")

    async def main() -> tuple[Crashed, Tables, dict[str, int], str]:
        async with EmbeddedCloud(CloudConfig(shards=2, faults="some", seed=seed)) as cloud:
            crashed = await asyncio.to_thread(crash, cloud.base_url, tmp_path, KILLS, Random(seed), tell)
            unfolded = await cloud.drain()
            async with aiohttp.ClientSession() as session:
                reader = Reader(session, cloud.emulator_url, cloud.emulator_url, REGION)
                tables = await reader.read_all(cloud.table, LATE_BUCKET, QUARANTINE_BUCKET)
            return crashed, tables, cloud.counts, unfolded

    crashed, tables, counts, unfolded = asyncio.run(main())
    items = counted(tables)
    users = sum(row.counters.get(ITEM_VIEW, 0) for row in tables.users.values())
    tell(
        f"{crashed.deaths} deaths, {len(crashed.tried)} events tried, {len(crashed.taken)} taken, "
        f"{users} counted; lost {len(crashed.taken - items.keys())}, "
        f"counted twice {sum(count > 1 for count in items.values())}; {counts}"
    )
    if missing := sorted(crashed.taken - items.keys()):
        tell(f"missing: {missing[:20]}; not folded: {unfolded!r}; late: {tables.late[:3]}")
    assert unfolded == ""  # else items are not counted to the end
    assert crashed.deaths == KILLS
    assert len(crashed.taken) > 5 * KILLS
    assert crashed.taken - items.keys() == set()
    assert items.keys() - crashed.tried == set()
    assert set(items.values()) == {1}
    assert users == len(items)
    assert tables.late == []
    gaps = [gaps for row in tables.users.values() for _, gaps, _ in row.clients.values()]
    assert gaps
    assert not any(gaps)  # a number that is missing would mean a lost event


def tell(text: str) -> None:
    """Say how far it is, whatever pytest captures."""
    print(text, file=sys.__stderr__, flush=True)
