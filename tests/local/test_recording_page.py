"""docs/reference/commands.md lists the columns and names of events that recordings are read by."""

from pathlib import Path

import pytest

from tapstack_local.recording.cells import ABSENT
from tapstack_local.recording.columns import COLUMNS, ITEM_COLUMNS
from tapstack_local.recording.event_types import NAMES
from tapstack_local.recording.replay import REQUEST_BYTES_MAX, REQUEST_EVENTS_MAX, VISIT_MAX_MS

PAGE = (Path(__file__).parents[2] / "docs/reference/commands.md").read_text()


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(line)} |".replace("| --- ", "|---").replace("|--- |", "|---|") for line in lines
    )


def columns():
    rows = [[f"`{name}`", ", ".join(column.names), column.meaning] for name, column in COLUMNS.items()]
    return table(["Canonical name", "Columns recognised", "What it is"], rows)


def event_names():
    rows = [[f"`{event_type}`", ", ".join(names)] for event_type, names in NAMES.items()]
    return table(["Event type", "Other names of it"], rows)


@pytest.mark.parametrize("rendered", [columns(), event_names()], ids=["columns", "event names"])
def test_the_table_on_the_page_is_that_of_the_code(rendered):
    assert rendered in PAGE, f"the page should have:\n{rendered}"


def test_the_limits_and_markers_on_the_page_are_those_of_the_code():
    assert ", ".join(f"`{marker}`" for marker in ABSENT if marker) in PAGE
    assert ", ".join(f"`{name}`" for name in ITEM_COLUMNS) in PAGE
    assert f"{REQUEST_EVENTS_MAX} events and {REQUEST_BYTES_MAX // 1_000} KB" in PAGE
    assert f"longer than {VISIT_MAX_MS // 86_400_000} days" in PAGE
