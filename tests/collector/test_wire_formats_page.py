"""docs/reference/wire-formats.md says what the code does."""

from __future__ import annotations

from wire_formats_page import PAGE, rendered


def test_the_tables_are_current() -> None:
    assert PAGE.read_text() == rendered(PAGE.read_text())
