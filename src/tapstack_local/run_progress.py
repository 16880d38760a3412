"""What a person sees while `tapstack local` runs, and at its end."""

from __future__ import annotations

import sys
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column, Table

from tapstack_local.reconciliation.checker import Reconciliation

PLAIN_EVERY_S = 5.0  # between lines where there is no terminal
PLAIN_WIDTH = 110  # of tables where there is no terminal
REFRESH_S = 0.2
BAR_FROM_COLUMNS = 110  # a narrower terminal has no room for a bar beside the figures
COUNT_COLUMNS = 15  # 1000000/1000000: the count is cut last


class Stage(Protocol):
    """Shows how far the run is."""

    def show(self, phase: str, done: int, total: int | None, note: str, now_s: float) -> None:
        """Show it, if it is time to."""
        ...

    def close(self) -> None:
        """Leave the screen to others."""
        ...


class Silent:
    """Shows nothing."""

    def show(self, phase: str, done: int, total: int | None, note: str, now_s: float) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing to leave."""


class Plain:
    """A line every few seconds, and one when the phase changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase = ""
        self._next_s = 0.0

    def show(self, phase: str, done: int, total: int | None, note: str, now_s: float) -> None:
        """Print a line, if it is time to."""
        if phase == self._phase and now_s < self._next_s:
            return
        self._phase, self._next_s = phase, now_s + PLAIN_EVERY_S
        of = "" if total is None else f" of {total:,}"
        self._console.print(
            f"{phase}: {done:,}{of} events{note}", highlight=False, markup=False, soft_wrap=True
        )

    def close(self) -> None:
        """Nothing to leave."""


class Live:
    """A progress bar on a terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            *([BarColumn()] if console.width >= BAR_FROM_COLUMNS else []),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=COUNT_COLUMNS)),
            TextColumn("events{task.fields[note]}", table_column=Column(no_wrap=True)),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None, note="")
        self._progress.start()

    def show(self, phase: str, done: int, total: int | None, note: str, now_s: float) -> None:  # noqa: ARG002
        """Move the bar."""
        self._progress.update(self._task, description=phase, completed=done, total=total, note=escape(note))

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


class Screen:
    """Where everything for people goes: standard error beside ``--json``, else standard output.

    Parameters
    ----------
    json
        Whether standard output belongs to the one JSON object.
    quiet
        Whether only the verdict is said.
    """

    def __init__(self, *, json: bool, quiet: bool) -> None:
        file = sys.stderr if json else sys.stdout
        width = None if file.isatty() else PLAIN_WIDTH
        self.console = Console(file=file, width=width, highlight=False, soft_wrap=True)
        self._quiet = quiet

    def say(self, text: str, *, always: bool = False) -> None:
        """Print a line of text, unless quiet."""
        if always or not self._quiet:
            self.console.print(text, markup=False)

    def stage(self) -> Stage:
        """Begin to show progress."""
        if self._quiet:
            return Silent()
        return Live(self.console) if self.console.is_terminal else Plain(self.console)

    def conclude(self, summary: dict[str, Any], result: Reconciliation) -> None:
        """Print what came out."""
        if not self._quiet:
            self.console.print(_figures(summary))
            self.console.print(_checks(result))
        for finding in result.findings:
            for example in finding.examples:
                self.console.print(f"  {finding.name}: {example}", markup=False)
        if count := summary["foreign_requests"]:
            self.say(
                f"Others sent {count:,} requests meanwhile: their events count too, and are not checked."
            )
        self.console.print(verdict(summary), markup=False)


def verdict(summary: dict[str, Any]) -> str:
    """Say in one line whether every event was counted exactly once, or set aside as late for a reason."""
    if summary["lost"] or summary["overcounted"]:
        return (
            f"NOT exact: {summary['lost']:,} lost, {summary['overcounted']:,} overcounted "
            f"(seed {summary['seed']})"
        )
    if summary["unanswered"]:
        return f"The collector never answered for {summary['unanswered']:,} events (seed {summary['seed']})"
    late = f", {summary['late']:,} stored as late" if summary["late"] else ""
    kept = f", {summary['quarantined']:,} in quarantine" if summary["quarantined"] else ""
    return (
        f"Every event was counted exactly once{' or set aside as late' if late else ''}: "
        f"{summary['applied']:,} applied, {summary['duplicates']:,} duplicates recognised{late}{kept}, "
        "0 lost, 0 overcounted."
    )


_MEANINGS = {
    "sent": "events sent to the collector",
    "accepted": "answered ok or duplicate",
    "invalid": "rejected by the collector",
    "duplicates": "accepted copies of accepted events",
    "applied": "distinct events counted",
    "late": "stored aside, not counted: no longer to be judged",
    "quarantined": "objects stored aside: no events",
    "lost": "accepted, and neither counted nor late for a reason",
    "overcounted": "counted more often than accepted",
}


def _figures(summary: dict[str, Any]) -> Table:
    table = Table(title="Reconciliation", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, meaning in _MEANINGS.items():
        style = "bold red" if name in {"lost", "overcounted"} and summary[name] else ""
        table.add_row(name, f"{summary[name]:,}", meaning, style=style)
    table.add_section()
    table.add_row("events/s", f"{summary['events_per_s']:,.0f}", "from first request until drained")
    visible = summary["visible_ms"]
    if visible["p50"] is not None:
        text = "/".join(f"{visible[name]:,.0f}" for name in ("p50", "p99", "max"))
        table.add_row("visible ms", text, "p50/p99/max after the answer")
    faults = summary["faults"]
    if faults:
        worst = sorted(faults.items(), key=lambda entry: -entry[1])[:4]
        shown = ", ".join(f"{escape(name)} {count:,}" for name, count in worst)
        table.add_row("faults", f"{sum(faults.values()):,}", f"{len(faults)} kinds: {shown} ...")
    return table


def _checks(result: Reconciliation) -> Table:
    table = Table(title="Compared with the tables, read back", title_justify="left")
    table.add_column("what")
    table.add_column("figures", justify="right")
    table.add_column("too low", justify="right")
    table.add_column("too high", justify="right")
    for finding in result.findings:
        if finding.compared:
            style = "bold red" if finding.short or finding.over else ""
            figures = (finding.compared, finding.short, finding.over)
            table.add_row(finding.name, *(f"{figure:,}" for figure in figures), style=style)
    return table
