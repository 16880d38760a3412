"""The embedded cloud's DynamoDB, S3 and SQS: ministack in a child process on a free port of 127.0.0.1.

What it does well and badly was measured on 2026-11-23 (version 1.5.33): DynamoDB with transactions is
fast and right, its Kinesis and its event source mapping lose records and are never used.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

import aiohttp
import msgspec

from tapstack.errors import Unavailable
from tapstack_emulator.lambda_host.config import ACCOUNT_ID, REGION
from tapstack_emulator.processes import child_process

SERVICES = ("dynamodb", "s3", "sqs", "sts")
START_TIMEOUT_S = 30.0  # it takes 0.3 s on an idle machine
START_ATTEMPTS = 3  # somebody else may take the free port before it does
_POLL_S = 0.02

# ministack recognises the service by the scope of the credential, and does not check signatures.
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=local/20260101/{region}/{service}/aws4_request,"
    " SignedHeaders=host, Signature=0"
)


class Emulator:
    """A running ministack; an async context manager.

    Parameters
    ----------
    folder
        Where its log and its temporary files go.
    region
        The AWS region it shows.
    on_death
        Called with process id and exit code if it ends and was not told to, once it has answered.
    """

    def __init__(
        self,
        folder: Path,
        *,
        region: str = REGION,
        on_death: Callable[[int, int], object] = child_process.unheard,
    ) -> None:
        self.log_path = folder / "ministack.log"
        self.port = 0
        self._folder = folder
        self._region = region
        self._on_death = on_death
        self._stopping = False
        self._child: child_process.ChildProcess | None = None
        self._log: IO[bytes] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Where every service answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id, once started."""
        return None if self._child is None else self._child.pid

    async def __aenter__(self) -> Self:
        """Start it and wait until it answers.

        Raises
        ------
        Unavailable
            If it does not; the message ends with the last line of its log.
        """
        self._log = self.log_path.open("ab")
        self._session = aiohttp.ClientSession(auto_decompress=False)
        try:
            for _ in range(START_ATTEMPTS):
                if await self._start():
                    return self
        except BaseException:
            await self.stop()
            raise
        await self.stop()
        raise Unavailable(f"ministack did not start: {last_line(self.log_path)}")

    async def __aexit__(self, *exception: object) -> None:
        """Stop it; what it held is gone."""
        await self.stop()

    async def stop(self) -> None:
        """End the process and close the log."""
        self._stopping = True
        if self._child is not None:
            # Nothing in it is kept, so there is nothing a polite stop would save.
            await self._child.stop(patience_s=0.0)
        if self._session is not None:
            await self._session.close()
        if self._log is not None:
            self._log.close()

    async def create_table(
        self, name: str, *, partition_key: str = "pk", sort_key: str = "sk", ttl_attribute: str = "ttl"
    ) -> None:
        """Create a table whose keys are strings.

        Parameters
        ----------
        name
            The table's name.
        partition_key, sort_key
            Names of its key attributes.
        ttl_attribute
            Attribute that holds when an item may be deleted.

        Raises
        ------
        Unavailable
            If it could not be made.
        """
        keys = {partition_key: "HASH", sort_key: "RANGE"}
        await self._dynamodb(
            "CreateTable",
            {
                "TableName": name,
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
                "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
        enabled = {"Enabled": True, "AttributeName": ttl_attribute}
        await self._dynamodb("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": enabled})

    async def query(self, table: str, partition: str) -> list[dict[str, Any]]:
        """Read a partition of at most 1 MB whose key is the attribute ``pk``, as last written.

        Returns
        -------
        list[dict[str, Any]]
            Items as DynamoDB's JSON has them.

        Raises
        ------
        Unavailable
            If it could not be read.
        """
        request = {
            "TableName": table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": partition}},
            "ConsistentRead": True,
        }
        answer = msgspec.json.decode(await self._dynamodb("Query", request))
        return list(answer["Items"])

    async def create_bucket(self, name: str) -> None:
        """Create a bucket; raises Unavailable if it could not be made."""
        await self._send("s3", "PUT", f"/{name}", {}, b"")

    async def create_queue(self, name: str) -> str:
        """Create a queue.

        Parameters
        ----------
        name
            The queue's name.

        Returns
        -------
        str
            Its URL.

        Raises
        ------
        Unavailable
            If it could not be made.
        """
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.CreateQueue"}
        await self._send("sqs", "POST", "/", headers, msgspec.json.encode({"QueueName": name}))
        return f"{self.url}/{ACCOUNT_ID}/{name}"

    async def send_message(self, queue: str, body: str) -> None:
        """Send a message to a queue.

        Parameters
        ----------
        queue
            The queue's name.
        body
            The message.

        Raises
        ------
        Unavailable
            If the queue did not take it.
        """
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}
        message = {"QueueUrl": f"{self.url}/{ACCOUNT_ID}/{queue}", "MessageBody": body}
        await self._send("sqs", "POST", "/", headers, msgspec.json.encode(message))

    async def put_object(self, bucket: str, key: str, body: bytes) -> None:
        """Store an object; raises Unavailable if the bucket did not take it."""
        await self._send("s3", "PUT", f"/{bucket}/{key}", {}, body)

    async def _dynamodb(self, operation: str, request: dict[str, Any]) -> str:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        return await self._send("dynamodb", "POST", "/", headers, msgspec.json.encode(request))

    async def _send(self, service: str, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
        if self._session is None:
            raise ValueError("the emulator is not running")
        signed = {"Authorization": _AUTHORIZATION.format(region=self._region, service=service), **headers}
        try:
            async with self._session.request(method, self.url + path, headers=signed, data=body) as answer:
                text = await answer.text()
        except aiohttp.ClientError as error:
            raise Unavailable(f"{service}: {method} {path}: {error}") from None
        if answer.status >= 300:
            raise Unavailable(f"{service}: {method} {path}: {answer.status} {text[:200]}")
        return text

    async def _start(self) -> bool:
        """Start the process on a free port; False if it ended before it answered."""
        assert self._log is not None  # noqa: S101 - opened by the caller
        self.port = free_port()
        self._child = await child_process.start(
            "ministack", python=sys.executable, environment=self._environment(), log=self._log
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._child.running and time.monotonic() < deadline:
            if await self._ready():
                self._child.ended.add_done_callback(self._hear)
                return True
            await asyncio.sleep(_POLL_S)
        await self._child.stop(patience_s=0.0)
        return False

    def _hear(self, ended: asyncio.Future[int]) -> None:
        if self._child is not None and not self._stopping and not ended.cancelled():
            self._on_death(self._child.pid, ended.result())

    async def _ready(self) -> bool:
        assert self._session is not None  # noqa: S101 - opened by the caller
        try:
            async with self._session.get(f"{self.url}/_ministack/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def _environment(self) -> dict[str, str]:
        return {
            "BIND_HOST": "127.0.0.1",  # its default is every interface
            "GATEWAY_PORT": str(self.port),
            "SERVICES": ",".join(SERVICES),
            "MINISTACK_REGION": self._region,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "IOT_MTLS_ENABLED": "0",  # its default opens port 8883 as well
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self._folder),  # for its pid file
            "S3_DATA_DIR": str(self._folder / "s3"),
            "HOME": str(self._folder),
            "PATH": os.environ.get("PATH", os.defpath),
        }


def last_line(log_path: Path) -> str:
    """Return the last line of a log, which says best why a process ended."""
    lines = log_path.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
