"""One suite over every service that claims to be DynamoDB or Kinesis.

`MINISTACK_DIFFERS` names each behaviour that ministack is known not to have, with the reason; those
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
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tapstack.ports import AwsApi, AwsError
from tapstack.testing import MemoryDynamoDB, MemoryKinesis

TARGETS = {"dynamodb": "DynamoDB_20120810", "kinesis": "Kinesis_20131202"}

_RESHARDING_DELETES = "deletes the parent and its records when shards are split, merged or scaled"
_UNCHECKED = "does not check it"
_SPLIT = "answers ValidationException, or checks only against the shard's ends"

# Version 1.5.33, measured on 2026-11-23.
MINISTACK_DIFFERS: dict[str, str] = {
    # DynamoDB
    "test_a_condition_that_is_wrong_is_refused[value-undefined]": "names the unused value first",
    "test_an_update_that_is_wrong_is_refused_and_changes_nothing[overlap]": "accepts overlapping paths",
    "test_an_update_that_is_wrong_is_refused_and_changes_nothing[type]": "adds a number to a string",
    "test_an_update_that_is_wrong_is_refused_and_changes_nothing[twice]": "accepts a clause given twice",
    "test_an_update_that_is_wrong_is_refused_and_changes_nothing[digits]": "stores sums of over 38 digits",
    "test_a_batch_get_leaves_what_exceeds_16_mib_for_later": "answers any number of bytes",
    # Kinesis
    "test_sequence_numbers_have_56_digits": "gives 30 digits with zeros in front",
    "test_one_entry_that_is_wrong_refuses_the_whole_request[empty-key]": _UNCHECKED,
    "test_one_entry_that_is_wrong_refuses_the_whole_request[null-key]": "answers InternalError",
    "test_one_entry_that_is_wrong_refuses_the_whole_request[no-key]": _UNCHECKED,
    "test_one_entry_that_is_wrong_refuses_the_whole_request[no-data]": _UNCHECKED,
    "test_one_entry_that_is_wrong_refuses_the_whole_request[hash-key-large]": _UNCHECKED,
    "test_one_entry_that_is_wrong_refuses_the_whole_request[hash-key-word]": "answers InternalError",
    "test_no_records_at_all_are_refused": _UNCHECKED,
    "test_a_read_takes_1_to_10000_records[0]": _UNCHECKED,
    "test_a_read_takes_1_to_10000_records[10001]": _UNCHECKED,
    "test_an_iterator_nobody_gave_is_refused": "takes every unknown iterator for an expired one",
    "test_an_iterator_asked_for_wrongly_is_refused[no-number]": _UNCHECKED,
    "test_an_iterator_asked_for_wrongly_is_refused[number-too-many]": _UNCHECKED,
    "test_an_iterator_asked_for_wrongly_is_refused[no-digits]": _UNCHECKED,
    "test_a_split_keeps_the_parent_and_its_records": _RESHARDING_DELETES,
    "test_a_closed_shard_ends_with_its_children": _RESHARDING_DELETES,
    "test_records_after_a_split_go_to_the_children": _RESHARDING_DELETES,
    "test_update_shard_count_scales_out_and_in_and_keeps_every_record": _RESHARDING_DELETES,
    "test_update_shard_count_at_most_doubles": _UNCHECKED,
    "test_a_split_outside_the_shard_is_refused[start]": _SPLIT,
    "test_a_split_outside_the_shard_is_refused[start+1]": _SPLIT,
    "test_a_split_outside_the_shard_is_refused[end]": _SPLIT,
    "test_a_split_outside_the_shard_is_refused[end+1]": _SPLIT,
    "test_pages_of_list_shards_hold_each_shard_once": "needs the stream's name beside NextToken",
    "test_a_filter_at_latest_lists_open_shards_only": "ignores AFTER_SHARD_ID",
    "test_retention_can_be_increased_but_not_below_what_it_is": "answers ValidationException",
}

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


_EMULATOR = pytest.param(
    "ministack", marks=[pytest.mark.emulator, pytest.mark.xdist_group("ministack")], id="ministack"
)


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters is None or "ministack" not in parameters.params.values():
            continue
        whole = item.name.replace("ministack-", "").replace("[ministack]", "")
        if reason := MINISTACK_DIFFERS.get(whole):
            item.add_marker(pytest.mark.xfail(reason=f"ministack: {reason}", strict=True))
