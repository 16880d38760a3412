"""Everything that makes a function call AWS, once: traffic with faults, poison, late events, every read.

``python -m least_privilege.exercise`` in ``tests/`` says what it came to.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from infrastructure.toolbox import ROOT
from tapstack_emulator.call_recorder import CallRecorder, RecordedCall
from tapstack_local.blueprint import Blueprint
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.reconciliation.accepted_events import AcceptedEvents
from tapstack_local.reconciliation.checker import Reconciliation, reconcile
from tapstack_local.reconciliation.tables import Reader
from tapstack_local.run import shop
from tapstack_local.sender import Sender
from tapstack_local.stack.reading import read_stack
from tapstack_local.traffic import Payload, Request

EVENTS = 1_000
SEED = 7
LIMIT_S = 240
POISON = b"no event at all"
REFUSED = b'{"event_type":"of nobody"}'
READS = (
    "/v1/users/u-0",
    "/v1/items/i-0",
    "/v1/users/u-0/recommendations",
    "/v1/items/i-0/also-viewed",
    "/v1/trending?window=1h",
    "/healthz",
)
FEATURES = {
    "users": ["u-0"],
    "user_features": ["event_count"],
    "items": ["i-0"],
    "item_features": ["event_count"],
}


@dataclass(frozen=True, kw_only=True)
class Exercised:
    """What the runs came to.

    Attributes
    ----------
    calls
        Every AWS call.
    reconciliation
        Of the run with traffic.
    invalid_count
        Records that were no events.
    faults
        Injected, by name.
    """

    calls: Counter[RecordedCall]
    reconciliation: Reconciliation
    invalid_count: int
    faults: Mapping[str, int]


class NoWheels(Exception):  # noqa: N818 - reads as the reason of a skip
    """The zips cannot be built here; the message says why."""


def packaged(folder: Path) -> Path:
    """Give the zips that TAPSTACK_PACKAGES names, else build them for this machine.

    Raises
    ------
    NoWheels
        If the package index does not answer.
    """
    if named := os.environ.get("TAPSTACK_PACKAGES"):
        return Path(named)
    arch = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = ["--arch", arch, "--python", python, "--root", str(ROOT), "--output", str(folder)]
    command = [sys.executable, "-m", "tapstack.cli", "package", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 1:
        raise NoWheels(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return folder


def exercise(document: Mapping[str, Any], packages: Path) -> Exercised:
    """Run the stack of a state or a plan, twice: with traffic, and with a consumer that fails.

    Parameters
    ----------
    document
        Terraform's JSON.
    packages
        Folder of the zips.
    """
    with tempfile.TemporaryDirectory() as folder:
        blueprint = read_stack(document, packages=packages, folder=Path(folder))
        recorder = CallRecorder(blueprint.region, blueprint.account_id)

        async def both() -> Exercised:
            async with asyncio.timeout(LIMIT_S):
                result = await _traffic(blueprint, recorder)
                await _give_up(blueprint, recorder)
            return result

        return asyncio.run(both())


async def _traffic(blueprint: Blueprint, recorder: CallRecorder) -> Exercised:
    ledger = AcceptedEvents()
    config = CloudConfig(faults="many", seed=SEED, blueprint=blueprint)
    async with EmbeddedCloud(config, recorder=recorder) as cloud:
        sender = Sender(cloud.base_url, ledger, events_per_min=None, seed=SEED)
        now_ms = time.time_ns() // 1_000_000
        sets: tuple[Sequence[Payload], ...] = (_known_and_late(), _newest_first(), [REFUSED])
        own = [Request(at_ms=0, events=list(events)) for events in sets]
        await sender.run([*own, *shop(SEED, EVENTS, None, now_ms)])
        await cloud.drain()  # so that what comes now changes derived rows that are there
        with cloud.outage("put"):
            await sender.run([Request(at_ms=0, events=[{**_known_and_late()[0], "event_id": "spilled"}])])
        await cloud.drain()
        async with aiohttp.ClientSession(cloud.base_url) as session:
            for path in READS:
                await _read(session, path)
            await _read(session, "/v1/features:batchGet", FEATURES)
        async with aiohttp.ClientSession() as session:
            reader = Reader(session, cloud.emulator_url, cloud.emulator_url, blueprint.region)
            tables = await reader.read_all(cloud.table, blueprint.late_bucket, blueprint.quarantine_bucket)
        invalid = cloud.invalid_records
        return Exercised(
            calls=recorder.calls,
            reconciliation=reconcile(ledger, tables, invalid_records=invalid),
            invalid_count=len(invalid),
            faults=cloud.faults,
        )


def _known_and_late() -> list[dict[str, Any]]:
    """Give an event that every read finds, and one that is too old to be judged."""
    now = datetime.now(UTC)
    event = {"event_type": "item_view", "user_id": "u-0", "items": [{"item_id": "i-0"}, {"item_id": "i-1"}]}
    times = {"least-1": now, "least-2": now - timedelta(days=300)}
    return [{**event, "event_id": name, "occurred_at": at.isoformat()} for name, at in times.items()]


def _newest_first() -> list[dict[str, Any]]:
    """Return more events of one user than a row holds, newest first: pages of ids are read and written."""
    now = datetime.now(UTC)
    return [
        {
            "event_type": "page_view",
            "user_id": "u-backfill",
            "event_id": f"backfill-{number}",
            "occurred_at": (now - timedelta(seconds=number)).isoformat(),
        }
        for number in range(80)
    ]


def _put_poison(cloud: EmbeddedCloud) -> None:
    """Write what the collector would never write, as any other writer of the stream could."""
    for key in ("a", "b"):
        record = {"Data": base64.b64encode(POISON).decode(), "PartitionKey": key}
        body = {"StreamName": cloud.stream, "Records": [record]}
        cloud.kinesis.call("PutRecords", json.dumps(body).encode())


async def _read(session: aiohttp.ClientSession, path: str, body: object = None) -> None:
    """Read until it is answered: faults are on."""
    method = "GET" if body is None else "POST"
    while True:
        try:
            async with session.request(method, path, json=body) as answer:
                if answer.status == 200:
                    return
                assert answer.status in {502, 503}, f"{path}: {answer.status} {await answer.text()}"
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.05)


async def _give_up(blueprint: Blueprint, recorder: CallRecorder) -> None:
    """Let the mapping give up, which it never does as applied: no retries, and a consumer without time."""
    hurried = tuple(
        replace(function, timeout_s=0.001) if function.name == blueprint.consumer else function
        for function in blueprint.functions
    )
    mapping = blueprint.mapping.updated({"MaximumRetryAttempts": 0})
    config = CloudConfig(blueprint=replace(blueprint, functions=hurried, mapping=mapping))
    async with EmbeddedCloud(config, recorder=recorder) as cloud:
        _put_poison(cloud)
        await cloud.drain()


def main() -> int:
    """Run it and print the calls."""
    from .rendered import rendered

    with tempfile.TemporaryDirectory() as folder:
        done = exercise(rendered().document, packaged(Path(folder)))
    for call, count in sorted(done.calls.items()):
        sys.stdout.write(f"{count:6} {call.caller} {call.action} {call.resource}\n")
    sys.stdout.write(f"{done.reconciliation}\n{sum(done.faults.values())} faults\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
