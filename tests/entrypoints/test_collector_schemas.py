"""The collector's function with schemas in its zip."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from functions_world import Cloud, lines, request

from event_strategies import NOON, client_event
from tapstack.core.sources import Key, Source, Sources, hash_of, write_sources
from tapstack.dead_letters import RefusedEvent, decode

QUARANTINE = {"x-tapstack": {"strictness": "quarantine"}, "required": ["session_id"]}
WARN = {"x-tapstack": {"strictness": "warn"}, "required": ["query"]}


@pytest.fixture
def task_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, document in {"own/1": QUARANTINE, "own/2": WARN}.items():
        path = tmp_path / "schemas" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    monkeypatch.setenv("TAPSTACK_SCHEMAS", "schemas")
    return tmp_path


def asked(*events: dict[str, Any]) -> dict[str, Any]:
    return request("POST", "/v1/events", list(events))


def test_what_breaks_one_is_kept_with_its_source_and_counted(
    cloud: Cloud, task_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = task_root / "sources.json"
    key = Key(hash=hash_of("key-of-web"), created_at=NOON)
    path.write_bytes(write_sources(Sources(sources=(Source(id="web", keys=(key,)),))))
    monkeypatch.setenv("TAPSTACK_SOURCES", f"file:{path}")
    collector = cloud.function("collector")
    event = asked(client_event(event_id="a"), client_event(event_id="b", session_id="s"))
    answer = collector.handler({**event, "headers": {"x-write-key": "key-of-web"}}, None)
    results = json.loads(answer["body"])["results"]
    assert [result["status"] for result in results] == ["invalid", "ok"]
    (body,) = cloud.aws.objects.values()
    (letter,) = decode(body)
    assert isinstance(letter, RefusedEvent)
    assert (letter.reason, letter.schema, letter.source) == ("breaks_schema", "own/1", "web")
    said = lines(capsys)
    rejected = next(line for line in said if "rejected" in line)
    assert (rejected["rejected"], rejected["reason"], rejected["schema"]) == (
        "session_id", "is required", "own/1",
    )  # fmt: skip
    summary = next(line for line in said if "requests" in line)
    assert (summary["events_schema_refused"], summary["events_schema_warned"]) == (1, 1)


def test_a_collector_without_its_schemas_does_not_start(
    cloud: Cloud, task_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPSTACK_SCHEMAS", "others")
    with pytest.raises(Exception, match=r"^TAPSTACK_SCHEMAS: .*others: expected a folder of schemas"):
        cloud.function("collector")


def test_a_collector_with_a_broken_schema_does_not_start(cloud: Cloud, task_root: Path) -> None:
    (task_root / "schemas/own/2.json").write_text("{}")
    with pytest.raises(Exception, match=r"^TAPSTACK_SCHEMAS: .*own/2\.json: /x-tapstack: is required"):
        cloud.function("collector")


def test_without_schemas_nothing_of_them_is_imported(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if "schema" in name and "msgspec" not in name]:
        monkeypatch.delitem(sys.modules, name)
    assert cloud.function("collector").handler(asked(client_event()), None)["statusCode"] == 200
    assert not {name for name in sys.modules if "schema" in name and "msgspec" not in name}
