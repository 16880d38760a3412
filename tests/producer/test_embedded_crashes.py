"""`make producer-crash-test`: a producer is killed 200 times, against the whole pipeline under faults.

Shown on the embedded cloud only.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import aiohttp
import msgspec
import pytest
from crashes import Crashed, check, crash

from tapstack.core.events import StreamEvent
from tapstack_emulator.lambda_host.config import REGION
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.cloud_functions import LATE_BUCKET, QUARANTINE_BUCKET
from tapstack_local.reconciliation.accepted_events import AcceptedEvents
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.tables import Reader, Tables

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

KILLS = int(os.environ.get("KILLS", "200"))


class Witness:
    """Sees what the collector puts on the stream, done or not."""

    def __init__(self) -> None:
        self.records: list[bytes] = []

    def request(self, method: str, headers: Mapping[str, str]) -> None:
        """Look away."""

    def put(self, body: bytes) -> None:
        """Keep the records of a PutRecords."""
        self.records += [base64.b64decode(record["Data"]) for record in json.loads(body)["Records"]]


async def ran(seed: int, folder: Path) -> tuple[Crashed, Witness, Tables, Sequence[bytes], str]:
    """Kill producers, deliver the rest, let the pipeline come to its end, and read its tables."""
    witness = Witness()
    config = CloudConfig(shards=2, faults="some", seed=seed)
    async with EmbeddedCloud(config, witness=witness) as cloud, aiohttp.ClientSession() as session:
        crashed = await asyncio.to_thread(crash, cloud.base_url, folder, KILLS, Random(seed), tell)
        unfolded = await cloud.drain()
        reader = Reader(session, cloud.emulator_url, cloud.emulator_url, REGION)
        tables = await reader.read_all(cloud.table, LATE_BUCKET, QUARANTINE_BUCKET)
        return crashed, witness, tables, cloud.invalid_records, unfolded


def ledger_of(records: Sequence[bytes]) -> AcceptedEvents:
    """Return what should be in the tables: all that was in a journal, for the last flush delivered it."""
    ledger = AcceptedEvents()
    for record in records:
        ledger.accept(json.loads(record))
    return ledger


def test_a_producer_that_is_killed_200_times_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("SEED", Random().randrange(2**32)))
    tell(f"seed {seed}, {KILLS} kills")
    crashed, witness, tables, invalid_records, unfolded = asyncio.run(ran(seed, tmp_path))
    stored = [msgspec.json.decode(record, type=StreamEvent) for record in witness.records]
    distinct = check(crashed, stored)
    result = reconcile(ledger_of(witness.records), tables, invalid_records=invalid_records)
    tell(
        f"{crashed.deaths} deaths, {len(crashed.tried)} events tried, {len(crashed.taken)} taken, "
        f"{len(stored)} records of {distinct} events; lost {result.lost}, overcounted {result.overcounted}"
    )
    assert unfolded == ""
    assert crashed.deaths == KILLS
    assert len(crashed.taken) > 5 * KILLS
    assert [finding for finding in result.findings if finding.short or finding.over] == []
    assert (result.lost, result.overcounted) == (0, 0)
    assert tables.late == []
    gaps = [gaps for row in tables.users.values() for _, gaps, _ in row.clients.values()]
    assert gaps
    assert not any(gaps)  # a number that is missing would mean a lost event


def tell(text: str) -> None:
    """Say how far it is, whatever pytest captures."""
    print(text, file=sys.__stderr__, flush=True)
