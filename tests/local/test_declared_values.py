"""``tapstack attributes``: what a file makes of a recording, and what is said of a file."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tapstack.cli._main import call
from tapstack.core.attributes.declared import Declared
from tapstack.core.attributes.reading import read_definitions
from tapstack_local.declared_values import replay, rows_of
from tapstack_local.reconciliation.attributes import Seen, expected
from tapstack_local.recording import Recording
from tapstack_local.traffic import generate

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "attributes.md").read_text()
FILE = PAGE.split("```toml\n")[1].split("```")[0]
EVENTS = PAGE.split("```json\n")[1].split("```")[0]
SHOWN = "ann\n" + PAGE.split("```\nann\n")[1].split("```")[0]
START_MS = 1_790_000_000_000
VIEWS: dict[str, Any] = {
    "name": "views",
    "aggregation": "counter",
    "events": ["item_view"],
    "windows": ["5m", "lifetime"],
}
SPEND: dict[str, Any] = {"name": "spend", "aggregation": "sum", "property": "items.price", "windows": ["1h"]}


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "attributes.toml").write_text(FILE)
    (tmp_path / "clicks.jsonl").write_text(EVENTS)
    return str(tmp_path / "attributes.toml"), str(tmp_path / "clicks.jsonl")


def test_the_pages_example_is_what_is_shown(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path, recording = files
    assert call(["attributes", "test", path, "--input", recording]) == 0
    shown = iter(capsys.readouterr().out.splitlines())
    wanted = SHOWN.splitlines()
    assert len(wanted) > 10
    assert [line for line in wanted if line not in shown] == []


def test_json_is_one_object(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    path, recording = files
    assert call(["attributes", "test", path, "--input", recording, "--users", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["events"], result["users"]) == (4, 2)
    assert {row["user"] for row in result["rows"]} == {"U#ann"}
    assert result["with_values"]["user_stats@2:spend_7d"] == {"rows": 2, "with_value": 1}


def test_values_are_those_of_the_recordings_events() -> None:
    text = f"""
version = 1
[[feature_view]]
name = "v"
entity = "user"
attribute = [{_inline(VIEWS)}, {_inline(SPEND)}]
"""
    requests = list(generate(3, 400, base_ms=START_MS))
    declared = Declared(read_definitions(text))
    replayed = replay(Recording(requests=requests), declared)
    events: dict[str, dict[tuple[Any, ...], Seen]] = {}
    for said in [event for request in requests for event in request.events if isinstance(event, dict)]:
        at_ms = round(datetime.fromisoformat(said["occurred_at"]).timestamp() * 1_000)
        user = f"U#{said['user_id']}" if "user_id" in said else f"A#{said['anonymous_id']}"
        name = (said.get("client_id"), said.get("n"), said.get("event_id"))
        events.setdefault(user, {}).setdefault(name, Seen(said, at_ms, at_ms // 1_000))
    rows = rows_of(replayed, declared)
    assert {row.user for row in rows} == set(events)
    for row in rows:
        seen = list(events[row.user].values())
        assert row.values == {
            f"v@1:{said['name']}_{window}": expected(said, window, seen, replayed.at_s)
            for said in (VIEWS, SPEND)
            for window in said["windows"]
        }


def _inline(value: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key} = {json.dumps(each)}" for key, each in value.items()) + "}"


def test_a_file_is_checked(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["attributes", "check", files[0]]) == 0
    assert re.search(r"^user_stats@2  user, 3 attributes: usually 4[0-9]{2} bytes", capsys.readouterr().out)
    assert call(["attributes", "check", files[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["write_units"] == 2
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(FILE.replace('"counter"', '"count"').replace('"7d"', '"8w"'))
    assert call(["attributes", "check", str(wrong)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert call(["attributes", "check", str(wrong), "--json"]) == 2
    assert [fault["line"] for fault in json.loads(capsys.readouterr().out)["faults"]] == [11, 21, 38]
    assert call(["attributes", "test", str(wrong), "--input", files[1]]) == 2
    assert "says 2 more" in capsys.readouterr().err
