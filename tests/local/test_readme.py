"""What the README shows of a run is what a run prints."""

from pathlib import Path

from rich.console import Console

from tapstack_local.run_progress import figures
from tapstack_local.verdict import Summary

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_table_in_the_readme_has_the_labels_of_a_run():
    summary = Summary(visible_ms={"p50": 1.0, "p99": 1.0, "max": 1.0})
    console = Console(width=80)
    with console.capture() as captured:
        console.print(figures(summary))
    printed = [line.split("│") for line in captured.get().splitlines() if line.startswith("│")]
    labels = [(cells[1].strip(), cells[-2].strip()) for cells in printed]
    shown = [line.split("│") for line in README.splitlines() if line.count("│") == 4]
    assert labels
    assert [(cells[1].strip(), cells[-2].strip()) for cells in shown] == labels
