"""Progress and results on the terminal."""

from __future__ import annotations

import sys
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Column, Table

from tapstack_local.reconciliation.checker import Reconciliation
from tapstack_local.verdict import Summary, exit_code_of, verdict_of

PLAIN_EVERY_S = 5.0  # between lines where there is no terminal
PLAIN_WIDTH = 80  # of tables where there is no terminal
REFRESH_S = 0.2
BAR_FROM_COLUMNS = 130  # a narrower terminal has no room for a bar beside the figures
FAULTS_SHOWN = 3  # the most frequent ones


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


class Pace:
    """How fast a phase goes, and so how long it will take."""

    def __init__(self) -> None:
        self._phase = ""
        self._began_s = 0.0
        self._began_at = 0

    def line(self, phase: str, done: int, total: int | None, note: str, now_s: float) -> str:
        """Return the line that shows how far a phase is: what matters most comes first."""
        if phase != self._phase:
            self._phase, self._began_s, self._began_at = phase, now_s, done
        if total is None:
            return f"{phase}: {done:,} events{note}"
        share = done / total if total else 1.0
        left = self._left(done, total, now_s)
        return f"{phase}: {done:,} of {total:,} events, {share:.0%}{left}{note}"

    def _left(self, done: int, total: int, now_s: float) -> str:
        if done >= total or done <= self._began_at:
            return ""
        left_s = round((now_s - self._began_s) * (total - done) / (done - self._began_at))
        minutes, seconds = divmod(left_s, 60)
        return f", {minutes} min {seconds:02} s left" if minutes else f", {seconds} s left"


class Plain:
    """A line every few seconds, and one when the phase changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pace = Pace()
        self._phase = ""
        self._next_s = 0.0

    def show(self, phase: str, done: int, total: int | None, note: str, now_s: float) -> None:
        """Print a line, if it is time to."""
        line = self._pace.line(phase, done, total, note, now_s)
        if phase == self._phase and now_s < self._next_s:
            return
        self._phase, self._next_s = phase, now_s + PLAIN_EVERY_S
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Nothing to leave."""


class Live:
    """A line on a terminal that is written over, with a bar if there is room."""

    def __init__(self, console: Console) -> None:
        self._pace = Pace()
        self._progress = Progress(
            SpinnerColumn(),
            *([BarColumn()] if console.width >= BAR_FROM_COLUMNS else []),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._progress.start()

    def show(self, phase: str, done: int, total: int | None, note: str, now_s: float) -> None:
        """Write the line anew."""
        line = self._pace.line(phase, done, total, note, now_s)
        self._progress.update(self._task, description=escape(line), completed=done, total=total)

    def close(self) -> None:
        """Take the line away."""
        self._progress.stop()


class Screen:
    """Where everything for people goes: standard error beside ``--json``, else standard output.

    Parameters
    ----------
    json
        Whether standard output belongs to the one JSON object.
    quiet
        Whether it belongs to the verdict alone; what else must be said goes to standard error.
    """

    def __init__(self, *, json: bool, quiet: bool) -> None:
        file = sys.stderr if json else sys.stdout
        is_terminal = file.isatty()
        width = None if is_terminal else PLAIN_WIDTH
        # On a terminal long lines end between words; elsewhere a line stays one.
        self.console = Console(file=file, width=width, highlight=False, soft_wrap=not is_terminal)
        self._aside = Console(file=sys.stderr, highlight=False, soft_wrap=True) if quiet else self.console
        self._quiet = quiet

    def say(self, text: str) -> None:
        """Print text as it stands, unless quiet."""
        if not self._quiet:
            self.console.print(text, markup=False, soft_wrap=True)

    def tell(self, text: str) -> None:
        """Print what must be said in any case."""
        self._aside.print(text, markup=False, soft_wrap=True)

    def stage(self) -> Stage:
        """Begin to show progress."""
        if self._quiet:
            return Silent()
        return Live(self.console) if self.console.is_terminal else Plain(self.console)

    def conclude(self, summary: Summary, result: Reconciliation | None) -> None:
        """Print what came out."""
        if result is not None and not self._quiet:
            self.console.print(figures(summary))
            self.console.print(_checks(result))
        for finding in [] if result is None else result.findings:
            for example in finding.examples:
                self.tell(f"  {finding.name}: {example}")
        for example in summary.skipped_examples:
            self.tell(f"  skipped: {example}")
        for failure in summary.failures:
            more = ", ..." if failure.count > len(failure.examples) else ""
            places = ", ".join(failure.examples)
            self.tell(f"  {failure.kind}: {failure.reason}: {failure.count:,} events: {places}{more}")
        self.console.print(
            verdict_of(summary), markup=False, style="bold red" if exit_code_of(summary) else ""
        )


# Each has a row of its own if it is no zero; those of a clean run always have one.
_MEANINGS = {
    "sent": "events sent to the collector",
    "unsent": "events not sent",
    "skipped_rows": "rows of the recording left out",
    "accepted": "answered ok or duplicate",
    "invalid": "malformed on purpose, and refused",
    "invalid_accepted": "malformed on purpose, and accepted",
    "refused": "valid, and refused",
    "schema_refused": "break a schema, and refused",
    "unanswered": "never answered for",
    "duplicates": "accepted copies of accepted events",
    "applied": "distinct events counted",
    "late": "stored: cannot be deduplicated",
    "quarantined": "records that are not events",
    "lost": "accepted, neither counted nor late",
    "overcounted": "counted more often than accepted",
    "never_visible": "users that the API did not show",
    "failed_folds": "runs of the projector; repeated",
    "external_applied": "events of others, counted as well",
    "external_late": "events of others, late",
}
_BAD = {"unsent", "invalid_accepted", "refused", "unanswered", "lost", "overcounted", "never_visible"}
_IF_ANY = _BAD - {"refused", "lost", "overcounted"} | {
    "schema_refused", "skipped_rows", "external_applied", "external_late", "failed_folds",
}  # fmt: skip


def figures(summary: Summary) -> Table:
    """Return the figures of a run as a table that fits 80 columns."""
    table = Table(title="Reconciliation", title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", no_wrap=True, overflow="ellipsis")
    for name, meaning in _MEANINGS.items():
        figure = getattr(summary, name) or 0
        if figure or name not in _IF_ANY:
            style = "bold red" if name in _BAD and figure else ""
            table.add_row(name.replace("_", " "), f"{figure:,}", meaning, style=style)
    for source, count in summary.sources.items():
        table.add_row(f"of {source}"[:24], f"{count:,}", "distinct events of this source counted")
    table.add_section()
    table.add_row("events/s", f"{summary.events_per_s or 0:,.0f}", "from first request until drained")
    times = {name: f"{time:,.0f}" for name, time in summary.visible_ms.items() if time is not None}
    if times:
        table.add_row("visible ms", times["p50"], "after the answer, median")
        table.add_row("", f"{times['p99']}/{times['max']}", "99th percentile/maximum")
    if summary.faults:
        table.add_row(
            "faults", f"{sum(summary.faults.values()):,}", f"of {len(summary.faults)} kinds, such as"
        )
        for name, count in sorted(summary.faults.items(), key=lambda entry: -entry[1])[:FAULTS_SHOWN]:
            table.add_row("", f"{count:,}", escape(name))
    return table


def _checks(result: Reconciliation) -> Table:
    table = Table(title="Compared with the tables, read back", title_justify="left")
    table.add_column("what", no_wrap=True, overflow="ellipsis")
    table.add_column("figures", justify="right", no_wrap=True)
    table.add_column("too low", justify="right", no_wrap=True)
    table.add_column("too high", justify="right", no_wrap=True)
    for finding in result.findings:
        if finding.compared:
            style = "bold red" if finding.short or finding.over else ""
            figures = (finding.compared, finding.short, finding.over)
            table.add_row(finding.name, *(f"{figure:,}" for figure in figures), style=style)
    return table
