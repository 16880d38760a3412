"""The collector's function with write keys: from a file, and from Secrets Manager."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from functions_world import Cloud, lines, request

from event_strategies import NOON, client_event
from tapstack.core.sources import Key, Source, Sources, hash_of, write_sources
from tapstack.ports import AwsError

DOCUMENT = write_sources(
    Sources(sources=(Source(id="web", keys=(Key(hash=hash_of("key-of-web"), created_at=NOON),)),))
)


MISSING = "ResourceNotFoundException"


class Secrets:
    """Secrets Manager with one secret."""

    def __init__(self) -> None:
        self.is_written = True

    def call(self, operation: str, body: bytes) -> bytes:
        assert (operation, msgspec.json.decode(body)) == ("GetSecretValue", {"SecretId": "stack-sources"})
        if not self.is_written:
            raise AwsError(MISSING, body=json.dumps({"__type": MISSING}).encode())
        return msgspec.json.encode({"SecretString": DOCUMENT.decode()})


def asked(key: str) -> dict[str, Any]:
    event = request("POST", "/v1/events", client_event())
    return {**event, "headers": {**event["headers"], "x-write-key": key}}


def test_a_file_says_who_may_send(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "sources.json"
    path.write_bytes(DOCUMENT)
    monkeypatch.setenv("TAPSTACK_SOURCES", f"file:{path}")
    collector = cloud.function("collector")
    assert collector.handler(asked("key-of-web"), None)["statusCode"] == 200
    assert collector.handler(asked("another-key"), None)["statusCode"] == 401
    (record,) = cloud.kinesis.records("events")
    assert json.loads(record.data)["source"] == "web"
    said, refused = lines(capsys)
    assert said["answers"] == {"200 web": 1}
    assert (refused["status"], refused["events"]) == (401, 0)
    assert "key" not in json.dumps([said, refused])


def test_a_secret_says_who_may_send(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = Secrets()
    secrets.is_written = False
    cloud.aws.services["secretsmanager"] = secrets
    monkeypatch.setenv("TAPSTACK_SOURCES", "stack-sources")
    collector = cloud.function("collector")
    answer = collector.handler(asked("key-of-web"), None)
    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    assert MISSING in lines(capsys)[0]["error"]
    secrets.is_written = True
    collector = cloud.function("collector")  # or a second later
    assert collector.handler(asked("key-of-web"), None)["statusCode"] == 200


def test_a_file_that_is_not_there_lets_nobody_in(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TAPSTACK_SOURCES", f"file:{tmp_path / 'none.json'}")
    assert cloud.function("collector").handler(asked("key-of-web"), None)["statusCode"] == 503


def test_requests_that_are_refused_for_their_key_are_counted(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "sources.json"
    path.write_bytes(
        write_sources(
            Sources(
                sources=(
                    Source(id="web", keys=(Key(hash=hash_of("key-of-web"), created_at=NOON),)),
                    Source(
                        id="app",
                        keys=(Key(hash=hash_of("key-of-app"), created_at=NOON),),
                        formats=("segment",),
                    ),
                )
            )
        )
    )
    monkeypatch.setenv("TAPSTACK_SOURCES", f"file:{path}")
    monkeypatch.setenv("TAPSTACK_LOG_INTERVAL_S", "0")
    collector = cloud.function("collector")
    statuses = [
        collector.handler(asked(key), None)["statusCode"] for key in ("x", "key-of-app", "key-of-web")
    ]
    assert statuses == [401, 403, 200]
    sums = [line for line in lines(capsys) if "requests" in line]
    assert [line["requests_unauthorized"] for line in sums] == [1, 0, 0]
    assert [line["requests_forbidden"] for line in sums] == [0, 1, 0]
