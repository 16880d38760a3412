"""What a person sees while a run goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tapstack_local.run_progress import Live


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_count_stands_on_a_terminal_of_any_width(width: int) -> None:
    file = io.StringIO()
    live = Live(Console(file=file, width=width, force_terminal=True, color_system=None))
    live.show("sending", 8_123, 10_000, ", 1,234 on their way, visible after 123 ms, 500 faults", 0.0)
    live.close()
    assert "8123/10000" in file.getvalue()
