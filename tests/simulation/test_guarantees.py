"""The page's benchmark: what it writes, and what it says at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks import guarantees

from tapstack_simulation.checking.rows import INVARIANTS

PAGE = f"before\n{guarantees.BEGIN}\nold\n{guarantees.END}\nafter\n"

FAILURE = {"violation": "invariant 3: twice", "command": "tapstack simulate 7"}


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    monkeypatch.setattr(guarantees, "PAGE", path)
    monkeypatch.setattr(guarantees, "commit", lambda: "0123456")
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, violations: int = 0, surviving: str = "") -> int:
    def answer(command: list[str]) -> dict[str, Any]:
        if "simulate" in command:
            seeds = int(command[command.index("--seeds") + 1])
            return {
                "seeds": seeds, "violations": violations, "events": seeds, "wall_s": 1.0, "faults": {"C1": 1},
                "unreached": [], "unsupported": {},
                "failures": [FAILURE] * violations,
            }  # fmt: skip
        return {"mutants": 2, "killed": 2 - len(surviving.split()), "surviving": surviving.split()}

    monkeypatch.setattr(guarantees, "last_json", answer)
    monkeypatch.setattr(sys, "argv", ["guarantees", "--json", *arguments])
    return guarantees.main()


def test_a_full_run_is_written(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch) == 0
    written = page.read_text()
    assert written.startswith("before\n<!-- results")
    assert written.endswith("-->\nafter\n")
    assert "| Schedules run | 10,000 in" in written


def test_a_shorter_run_is_written_if_asked_for(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "--seeds", "20") == 0
    assert page.read_text() == PAGE
    assert run(monkeypatch, "--seeds", "20", "--write") == 0
    assert "| Schedules run | 20 in" in page.read_text()


def test_what_breaks_or_survives_fails_the_command_and_is_named(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--seeds", "20", violations=1) == 1
    assert "invariant 3: twice\n  tapstack simulate 7\n" in capsys.readouterr().err
    assert run(monkeypatch, "--seeds", "20", surviving="age_ignored") == 1


def test_the_page_lists_the_invariants() -> None:
    page = (Path(__file__).parents[2] / "docs" / "delivery-guarantees.md").read_text()
    assert all(f"| {number} | {text} |" in page for number, text in INVARIANTS.items())
    assert list(INVARIANTS) == list(range(1, 15))
