"""``tapstack schemas check``: what it says of schemas, and of the events of a recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from event_strategies import client_event
from tapstack.cli._main import call

QUARANTINE = {"x-tapstack": {"strictness": "quarantine", "sources": ["web"]}, "required": ["session_id"]}
WARN = {"x-tapstack": {"strictness": "warn", "event_types": ["share"]}, "required": ["event_name"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, document in {"own/1": QUARANTINE, "own/2": WARN}.items():
        path = tmp_path / "schemas" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))
    return tmp_path / "schemas"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    events = [client_event(event_id="a", session_id="s"), client_event(event_id="b", event_type="share")]
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(map(json.dumps, events)))
    return path


def test_schemas_in_order_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["schemas", "check", str(folder)]) == 0
    assert capsys.readouterr().out == "own/1  quarantine\nown/2  warn\n"


def test_each_mistake_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "own/3.json").write_text("{}")
    (folder / "own/x.json").write_text("{}")
    assert call(["schemas", "check", str(folder)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said] == [
        str(folder / "own/3.json"), str(folder / "own/x.json"), "tapstack",
    ]  # fmt: skip
    assert said[-1] == f"tapstack: 2 mistakes in {folder}"
    assert call(["schemas", "check", str(folder), "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"schemas": [], "events": 0, "problems": said[:-1]}
    assert printed.err == ""


def test_events_that_break_a_schema_are_named_by_their_lines(
    folder: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["schemas", "check", str(folder), "--input", str(recording)]
    assert call(arguments) == 0
    assert capsys.readouterr().out.splitlines() == [
        "own/1  quarantine  broken by 0 of 2 events",
        "own/2  warn  broken by 1 of 2 events",
        "  line 2: event_name: is required",
    ]
    assert call([*arguments, "--source", "web", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "schemas": [
            {
                "schema": "own/1", "strictness": "quarantine", "broken_by": 1,
                "examples": ["line 2: session_id: is required"],
            },
            {"schema": "own/2", "strictness": "warn", "broken_by": 0, "examples": []},
        ],
        "events": 2,
        "problems": [],
    }  # fmt: skip


def test_a_source_sends_events(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["schemas", "check", str(folder), "--source", "web"]) == 2
    assert "--source needs --input" in capsys.readouterr().err
