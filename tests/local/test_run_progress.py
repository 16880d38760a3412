"""What a person sees while a run goes on, and at its end."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from rich.console import Console

from tapstack_local.reconciliation.checker import Reconciliation
from tapstack_local.reconciliation.finding import Finding
from tapstack_local.refusals import Refusal
from tapstack_local.run_progress import _MEANINGS, Live, Pace, Screen, figures
from tapstack_local.verdict import Summary, verdict_of

NOTE = ", 1,234 on their way, visible after 123 ms, 500 faults"


@pytest.mark.parametrize("width", [60, 80, 150])
def test_what_matters_most_stands_on_a_terminal_of_any_width(width: int) -> None:
    file = io.StringIO()
    live = Live(Console(file=file, width=width, force_terminal=True, color_system=None))
    live.show("sending", 0, 10_000, NOTE, 0.0)
    live.show("sending", 8_000, 10_000, NOTE, 40.0)
    live.close()
    assert "sending: 8,000 of 10,000 events, 80%, 10 s left" in file.getvalue()


@pytest.mark.parametrize(
    ("phases", "line"),
    [
        pytest.param([("sending", 0, 100, 0.0)], "sending: 0 of 100 events, 0%", id="nothing is known"),
        pytest.param(
            [("sending", 0, 100, 0.0), ("sending", 25, 100, 30.0)],
            "sending: 25 of 100 events, 25%, 1 min 30 s left",
            id="as fast as so far",
        ),
        pytest.param(
            [("sending", 0, 100, 0.0), ("draining", 90, 100, 50.0), ("draining", 95, 100, 52.0)],
            "draining: 95 of 100 events, 95%, 2 s left",
            id="each phase by itself",
        ),
        pytest.param([("sending", 100, 100, 9.0)], "sending: 100 of 100 events, 100%", id="at the end"),
        pytest.param([("reading", 7, None, 9.0)], "reading: 7 events", id="no total"),
    ],
)
def test_the_time_left_is_told_once_there_is_a_pace(phases: list[Any], line: str) -> None:
    pace = Pace()
    said = ""
    for phase, done, total, now_s in phases:
        said = pace.line(phase, done, total, "", now_s)
    assert said == line


FULL = Summary(
    **dict.fromkeys(_MEANINGS, 10**9),
    events_per_s=123_456.7,
    visible_ms={"p50": 86.0, "p99": 1e5, "max": 1e6},
    faults={f"D{n} dynamodb internal_error_applied": 10**n for n in range(9)},
)


def test_the_tables_fit_eighty_columns_and_cut_no_word() -> None:
    console = Console(width=80, file=io.StringIO())
    with console.capture() as captured:
        console.print(figures(FULL))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in captured.get()
    assert [f"D{n} dynamodb internal_error_applied" in captured.get() for n in (8, 6, 5)] == [
        True,
        True,
        False,
    ]
    rows = [line.split("│")[1:4] for line in lines if line.startswith("│")]
    assert len({len(row) for row in rows}) == 1


RESULT = Reconciliation(
    accepted=1, applied=1, duplicates=0, late=0, quarantined=0, gaps=0, lost=0, overcounted=0,
    findings=[Finding("items' counters in windows of 5m", 10**9, 1, 1, ["U#u [red]view: 1 instead of 2"])],
)  # fmt: skip


@pytest.mark.parametrize(("json", "quiet"), [(False, False), (False, True), (True, False), (True, True)])
def test_standard_output_has_the_verdict_alone_if_quiet_and_nothing_beside_json(
    json: bool, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = Refusal(kind="refused", reason="query: expected text", count=7, examples=["line 2", "line 3"])
    summary = Summary(reconciled=True, refused=7, applied=1, duplicates=0, failures=[failure])
    screen = Screen(json=json, quiet=quiet)
    screen.say("Hello")
    screen.conclude(summary, RESULT)
    screen.tell("It stays up.")
    out, err = capsys.readouterr()
    if json:
        assert out == ""
    elif quiet:
        assert out == verdict_of(summary) + "\n"
    everything = out + err
    assert "  refused: query: expected text: 7 events: line 2, line 3, ...\n" in everything
    assert "items' counters in windows of 5m: U#u [red]view: 1 instead of 2\n" in everything
    assert verdict_of(summary) in everything
    assert "It stays up." in everything
    assert ("Hello" in everything, "Reconciliation" in everything) == (not quiet, not quiet)
    assert sys.stdout is not None
