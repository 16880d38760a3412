"""ministack as a child process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from tapstack.errors import Unavailable
from tapstack_emulator.ministack import Emulator

pytestmark = pytest.mark.emulator


def client(service: str, emulator: Emulator):  # type: ignore[no-untyped-def] # boto3 has no types
    return boto3.client(
        service,
        endpoint_url=emulator.url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def running(pid: int) -> bool:
    listing = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(listing.stdout.strip()) and "Z" not in listing.stdout


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.01)


def test_what_is_created_is_there_and_the_end_leaves_nothing(tmp_path: Path) -> None:
    pids = []

    async def main() -> None:
        async with Emulator(tmp_path) as emulator:
            pids.append(emulator.pid)
            await emulator.create_table("behaviour")
            await emulator.create_bucket("tapstack-late")
            url = await emulator.create_queue("failures")
            await emulator.send_message("failures", "hello")
            await emulator.put_object("tapstack-late", "a/b", b"event")
            await asyncio.to_thread(look, emulator, url)

    def look(emulator: Emulator, url: str) -> None:
        dynamodb = client("dynamodb", emulator)
        table = dynamodb.describe_table(TableName="behaviour")["Table"]
        assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
        ttl = dynamodb.describe_time_to_live(TableName="behaviour")["TimeToLiveDescription"]
        assert ttl["AttributeName"] == "ttl"
        got = client("s3", emulator).get_object(Bucket="tapstack-late", Key="a/b")
        assert got["Body"].read() == b"event"
        messages = client("sqs", emulator).receive_message(QueueUrl=url)["Messages"]
        assert [message["Body"] for message in messages] == ["hello"]

    asyncio.run(asyncio.wait_for(main(), 60))
    assert not any(running(pid) for pid in pids if pid is not None)


def test_what_the_emulator_refuses_is_unavailable(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(tmp_path) as emulator:
            with pytest.raises(Unavailable, match="NoSuchBucket"):
                await emulator.put_object("nowhere", "a", b"")
        with pytest.raises(ValueError, match="not running"):
            await Emulator(tmp_path).create_bucket("b")

    asyncio.run(asyncio.wait_for(main(), 60))


def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = textwrap.dedent(
        f"""
        import asyncio, pathlib
        from tapstack_emulator.ministack import Emulator
        async def main():
            async with Emulator(pathlib.Path({str(tmp_path)!r})) as emulator:
                print(emulator.pid, flush=True)
                await asyncio.sleep(60)
        asyncio.run(main())
        """
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert running(pid)
        process.kill()
    until(lambda: not running(pid))


def test_one_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Emulator, "_environment", lambda self: {"GATEWAY_PORT": "no number", "BIND_HOST": "127.0.0.1"}
    )

    async def main() -> None:
        async with Emulator(tmp_path):
            raise AssertionError("it must not start")

    with pytest.raises(Unavailable, match=r"^ministack did not start: .*no number"):
        asyncio.run(main())
