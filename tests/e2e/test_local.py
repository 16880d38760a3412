"""The whole pipeline through its command line, under faults; and the reconciliation notices what is wrong.

Shown on the embedded cloud only.
"""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tapstack_emulator.lambda_host.config import REGION
from tapstack_local import run as local
from tapstack_local.cloud import CloudConfig, EmbeddedCloud
from tapstack_local.cloud_functions import LATE_BUCKET, QUARANTINE_BUCKET, TABLE
from tapstack_local.external_traffic import ExternalTraffic
from tapstack_local.reconciliation.accepted_events import AcceptedEvents
from tapstack_local.reconciliation.checker import reconcile
from tapstack_local.reconciliation.tables import Reader
from tapstack_local.sender import AGENT, Sender

pytestmark = [pytest.mark.emulator, pytest.mark.slow]

TIMEOUT_S = 120
COMMAND = (sys.executable, "-m", "tapstack.cli", "local", "--port", "0", "--rate", "max", "--exit", "--json")
RECORDING = Path(__file__).parents[3] / "shared" / "data" / "diginetica-item-views.csv"


def tapstack(folder, *arguments):
    """Run the command to its end with its temporary files in `folder`; tell its exit code and its object."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env={"PATH": os.environ["PATH"], "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.stdout.count("\n") == 1, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def writers_into(folder):
    """Return the processes whose output goes to a file in `folder`: every child's does."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            output = (process / "fd" / "1").readlink()
        except OSError:
            continue
        if str(output).startswith(str(folder)):
            found.append(int(process.name))
    return found


def test_three_thousand_events_under_many_faults_are_counted_exactly_once(tmp_path):
    code, summary, err = tapstack(
        tmp_path, "--events", "3000", "--faults", "many", "--shards", "4", "--seed", "5"
    )
    assert (summary["lost"], summary["overcounted"], code) == (0, 0, 0), err
    assert summary["sent"] == 3_000
    assert summary["accepted"] == summary["applied"] + summary["duplicates"] + summary["late"]
    assert {name.split()[0] for name in summary["faults"]} >= {"C1", "D1", "D2", "D3", "E1", "S3"}
    assert writers_into(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not RECORDING.exists(), reason="the recording ../shared/data is not here")
def test_two_thousand_rows_of_a_real_recording_are_counted_exactly_once(tmp_path):
    with RECORDING.open(newline="") as file:
        rows = list(islice(file, 2_001))
    recording = tmp_path / "views.csv"
    recording.write_text("".join(rows))
    code, summary, err = tapstack(tmp_path, "--input", str(recording), "--faults", "some", "--shards", "2")
    assert (summary["lost"], summary["overcounted"], code) == (0, 0, 0), err
    assert (summary["sent"], summary["applied"], summary["invalid"]) == (2_000, 2_000, 0)
    assert writers_into(tmp_path) == []
    assert list(tmp_path.iterdir()) == [recording]


async def dynamodb(session, url, operation, **request):
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": f"DynamoDB_20120810.{operation}",
        "authorization": f"AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/dynamodb/aws4_request",
    }
    async with session.post(url, data=msgspec.json.encode(request), headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json(content_type=None)


async def a_users_row(session, url):
    rows = (await dynamodb(session, url, "Scan", TableName=TABLE))["Items"]
    return next(row for row in rows if row["pk"]["S"].startswith("U#"))


async def lose(session, url):
    """Delete a user's row behind everybody's back."""
    row = await a_users_row(session, url)
    await dynamodb(session, url, "DeleteItem", TableName=TABLE, Key={"pk": row["pk"], "sk": row["sk"]})


async def count_twice(session, url):
    """Count a user's events once more under another name."""
    row = await a_users_row(session, url)
    await dynamodb(session, url, "PutItem", TableName=TABLE, Item=row | {"pk": {"S": "U#somebody-else"}})


def after(damage):
    """Make a reader that finds the damage done."""

    class Late(Reader):
        async def read_all(self, table, late_bucket, quarantine_bucket):
            await damage(self._session, self._dynamodb_url)
            return await super().read_all(table, late_bucket, quarantine_bucket)

    return Late


@pytest.mark.parametrize(("damage", "name"), [(lose, "lost"), (count_twice, "overcounted")])
def test_damage_behind_the_pipelines_back_is_told_and_ends_with_1(monkeypatch, capsys, damage, name):
    monkeypatch.setattr(local, "Reader", after(damage))
    options = local.Options(events=300, events_per_min=None, shards=1, port=0, leave=True, json=True, seed=1)
    assert local.run(options) == 1
    out, err = capsys.readouterr()
    other = {"lost": "overcounted", "overcounted": "lost"}[name]
    summary = json.loads(out)
    assert summary[name] > 0
    assert summary[other] == 0
    assert "NOT exact" in err


def test_shards_that_split_and_merge_between_requests_change_no_count():
    async def main():
        ledger = AcceptedEvents()
        async with EmbeddedCloud(CloudConfig(shards=2, reshard=True, seed=3, batch_size=100)) as cloud:
            before = cloud.open_shards
            requests = local.shop(3, 3_000, None, local._now_ms())
            await Sender(cloud.base_url, ledger, events_per_min=None).run(requests)
            await cloud.drain()
            assert (cloud.backlog, before) == (0, 2)
            shards = cloud.kinesis.shards(cloud.stream)
            async with aiohttp.ClientSession() as session:
                reader = Reader(session, cloud.emulator_url, cloud.emulator_url, REGION)
                tables = await reader.read_all(cloud.table, LATE_BUCKET, QUARANTINE_BUCKET)
            return reconcile(ledger, tables), cloud.faults, shards

    result, faults, shards = asyncio.run(asyncio.wait_for(main(), TIMEOUT_S))
    assert (result.lost, result.overcounted) == (0, 0)
    assert {name.split()[0] for name in faults} == {"S3"}
    assert any(shard.parent_shard_id for shard in shards)


async def post_by_hand(cloud, numbers):
    """Send events as a person does: some without a time, some by a clock that is ahead, and each twice."""
    async with aiohttp.ClientSession(cloud.base_url) as session:
        for number in numbers:
            event = {"event_type": "item_view", "event_id": f"mine-{number}", "user_id": f"me-{number % 3}"}
            event |= {"items": [{"item_id": "sku-1000"}, {"item_id": f"mine-{number % 2}"}]}
            if number % 2:
                event["occurred_at"] = (datetime.now(UTC) + timedelta(days=number % 3)).isoformat()
            body = gzip.compress(json.dumps(event).encode())
            for _ in range(2):
                async with session.post("/v1/events", data=body, headers={"Content-Encoding": "gzip"}):
                    pass


def test_what_others_post_meanwhile_is_counted_and_spoils_no_verdict():
    async def main():
        ledger = AcceptedEvents()
        external = ExternalTraffic(ledger, AGENT)
        config = CloudConfig(shards=2, seed=3, batch_size=100)
        async with EmbeddedCloud(config, witness=external) as cloud:
            sender = Sender(cloud.base_url, ledger, events_per_min=None)
            requests = local.shop(3, 2_000, None, local._now_ms())
            await asyncio.gather(sender.run(requests), post_by_hand(cloud, range(20)))
            await cloud.drain()
            async with aiohttp.ClientSession() as session:
                reader = Reader(session, cloud.emulator_url, cloud.emulator_url, REGION)
                tables = await reader.read_all(cloud.table, LATE_BUCKET, QUARANTINE_BUCKET)
            return reconcile(ledger, tables), external.request_count, tables

    result, request_count, tables = asyncio.run(asyncio.wait_for(main(), TIMEOUT_S))
    assert (result.lost, result.overcounted, request_count) == (0, 0, 40), result.findings
    assert sum(tables.users[f"U#me-{user}"].counters[1] for user in range(3)) == 20
