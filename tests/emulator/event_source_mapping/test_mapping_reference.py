"""The reference page and the docstrings agree with the code."""

from __future__ import annotations

import doctest
from pathlib import Path

from tapstack_emulator.event_source_mapping import machine
from tapstack_emulator.event_source_mapping.reference import refreshed

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "event-source-mapping.md"


def test_the_tables_of_the_page_are_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert refreshed(page) == page


def test_the_example_of_the_machine_runs() -> None:
    assert doctest.testmod(machine).failed == 0


def test_no_state_has_two_answers_to_an_input() -> None:
    rows = [(state, row.on) for row in machine.TRANSITIONS for state in row.states]
    assert len(rows) == len(set(rows))
