"""One suite over every service that claims to be DynamoDB, Kinesis or S3.

`ministack_differences` names each behaviour that ministack is known not to have, with the reason; those
tests must fail on it (strictly), so that the table cannot outlive a fix.
"""

from __future__ import annotations

import http.client
import itertools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import pytest
from ministack_differences import MINISTACK_DIFFERS

from tapstack.aws.http import Endpoint
from tapstack.aws.s3 import S3Bucket
from tapstack.aws.wide_bucket import WideBucket
from tapstack.ports import AwsApi, AwsError, SpillStore
from tapstack_emulator import MemoryBucket, MemoryDynamoDB, MemoryKinesis

TARGETS = {"dynamodb": "DynamoDB_20120810", "kinesis": "Kinesis_20131202"}

_numbers = itertools.count()


class HttpApi:
    """AWS JSON over plain HTTP, unsigned: enough for an emulator."""

    def __init__(self, port: int, service: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._service = service

    def call(self, operation: str, body: bytes) -> bytes:
        headers = {
            "Content-Type": f"application/x-amz-json-{'1.0' if self._service == 'dynamodb' else '1.1'}",
            "X-Amz-Target": f"{TARGETS[self._service]}.{operation}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"
            f"{self._service}/aws4_request, SignedHeaders=host, Signature=0",
        }
        self._connection.request("POST", "/", body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status < 400:
            return answer
        error: dict[str, Any] = msgspec.json.decode(answer)
        code = error["__type"].rpartition("#")[2]
        message = error.get("message") or error.get("Message") or ""
        raise AwsError(code, message, status=response.status, body=answer)

    def close(self) -> None:
        self._connection.close()


class Service:
    """A service under test: keyword arguments in, dictionaries out."""

    def __init__(self, api: AwsApi) -> None:
        self.api = api

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        answer = self.api.call(operation, msgspec.json.encode(request))
        return msgspec.json.decode(answer) if answer else {}

    def error(self, operation: str, **request: Any) -> AwsError:
        with pytest.raises(AwsError) as caught:
            self(operation, **request)
        return caught.value


@pytest.fixture(scope="session")
def ministack_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("ministack")
    environment = os.environ | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "STATE_DIR": str(folder),
        "LOG_LEVEL": "ERROR",
        "DYNAMODB_TTL_REAPER_INTERVAL": "3600",
    }
    command = [sys.executable, "-m", "ministack"]
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        if not _answers(port, child):
            pytest.skip(f"ministack did not start: {(folder / 'log').read_text()[-500:]}")
        yield port
    finally:
        child.terminate()
        child.wait(timeout=10)


def _answers(port: int, child: subprocess.Popen[bytes]) -> bool:
    for _ in range(200):
        if child.poll() is not None:
            return False
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/_ministack/health")
            connection.getresponse().read()
            connection.close()
        except OSError:
            threading.Event().wait(0.1)  # another process starts; no clock of ours can be moved
        else:
            return True
    return False


_EMULATOR = pytest.param("ministack", marks=pytest.mark.emulator, id="ministack")


def _service(request: pytest.FixtureRequest, name: str, memory: AwsApi) -> Iterator[Service]:
    if request.param == "memory":
        yield Service(memory)
        return
    api = HttpApi(request.getfixturevalue("ministack_port"), name)
    yield Service(api)
    api.close()


@pytest.fixture(params=["memory", _EMULATOR])
def dynamodb(request: pytest.FixtureRequest) -> Iterator[Service]:
    yield from _service(request, "dynamodb", MemoryDynamoDB())


@pytest.fixture(params=["memory", _EMULATOR])
def kinesis(request: pytest.FixtureRequest) -> Iterator[Service]:
    yield from _service(request, "kinesis", MemoryKinesis())


@pytest.fixture
def table(dynamodb: Service) -> str:
    name = f"table-{os.getpid()}-{next(_numbers)}"
    dynamodb(
        "CreateTable",
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture
def stream(kinesis: Service) -> str:
    name = f"stream-{os.getpid()}-{next(_numbers)}"
    kinesis("CreateStream", StreamName=name, ShardCount=2)
    return name


class Bucket(NamedTuple):
    store: SpillStore
    object_at: Callable[[str], bytes | None]


_WIDE = pytest.param("wide", marks=pytest.mark.emulator, id="ministack, four connections")


@pytest.fixture(params=["memory", _EMULATOR, _WIDE])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    if request.param == "memory":
        memory = MemoryBucket()
        return Bucket(memory, memory.objects.get)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    port = request.getfixturevalue("ministack_port")
    of = ("s3", "us-east-1", f"http://127.0.0.1:{port}")
    endpoint = Endpoint(*of)
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    assert endpoint.send("PUT", f"/{name}", [], b"").status == 200

    def object_at(key: str) -> bytes | None:
        answer = endpoint.send("GET", quote(f"/{name}/{key}"), [], b"")
        return answer.body if answer.status == 200 else None

    if request.param == "wide":
        return Bucket(WideBucket([endpoint, *[Endpoint(*of) for _ in range(3)]], name), object_at)
    return Bucket(S3Bucket(endpoint, name), object_at)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters is None or "ministack" not in parameters.params.values():
            continue
        whole = item.name.replace("ministack-", "").replace("[ministack]", "")
        if reason := MINISTACK_DIFFERS.get(whole) or MINISTACK_DIFFERS.get(whole.partition("[")[0]):
            item.add_marker(pytest.mark.xfail(reason=f"ministack: {reason}", strict=True))
