"""The collector's function with enrichment: its settings, and its key in Secrets Manager."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from functions_world import Cloud, lines, request

from event_strategies import client_event
from tapstack.collector.enrichment.pseudonyms import pseudonym

KEY = "0123456789abcdef0123456789abcdef"


class Secrets:
    """Secrets Manager with the key of pseudonyms."""

    def call(self, operation: str, body: bytes) -> bytes:
        assert (operation, msgspec.json.decode(body)) == ("GetSecretValue", {"SecretId": "stack-pseudonyms"})
        return msgspec.json.encode({"SecretString": KEY + "\n"})


def sent(cloud: Cloud, *events: dict[str, Any]) -> Any:
    return cloud.function("collector").handler(request("POST", "/v1/events", list(events)), None)


def test_fields_are_hashed_with_the_key_of_a_secret_which_no_log_holds(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.aws.services["secretsmanager"] = Secrets()
    monkeypatch.setenv("TAPSTACK_PSEUDONYMISED_FIELDS", "user_id")
    monkeypatch.setenv("TAPSTACK_PSEUDONYM_KEY", "stack-pseudonyms")
    assert sent(cloud, client_event(user_id="ann"))["statusCode"] == 200
    (record,) = cloud.kinesis.records("events")
    assert json.loads(record.data)["user_id"] == pseudonym(b"ann", KEY.encode())
    assert KEY not in json.dumps(lines(capsys))


def test_what_is_denied_is_counted_in_the_log_and_nowhere_else(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAPSTACK_CONSENT", "refused")
    denied = client_event(user_id="zz-ann", event_id="zz-1", consent={"analytics": False})
    answer = sent(cloud, denied, {**denied, "event_type": "zz-nothing"}, client_event())
    assert answer["statusCode"] == 200
    results = json.loads(answer["body"])["results"]
    assert [result["status"] for result in results] == ["denied", "invalid", "ok"]
    assert len(cloud.kinesis.records("events")) == 1
    said = lines(capsys)
    assert [line["events_denied"] for line in said if "requests" in line] == [1]
    assert "zz-" not in json.dumps(said)


def test_settings_that_cannot_be_are_refused_at_import(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPSTACK_CONSENT", "anonymous")
    with pytest.raises(Exception, match="TAPSTACK_PSEUDONYM_KEY"):
        cloud.function("collector")
