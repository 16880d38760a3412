"""``tapstack simulate``."""

from __future__ import annotations

import sys
import textwrap
from datetime import timedelta

import click
from msgspec.structs import replace

from tapstack.errors import UsageError
from tapstack_simulation.campaign import CampaignResult, named, run_simulations, unmatched
from tapstack_simulation.faults import FAULTS
from tapstack_simulation.plan import Plan, Profile
from tapstack_simulation.run import simulate
from tapstack_simulation.shrink import shrink

SEEDS = 200
DECISIONS_SHOWN_MAX = 40
PLAIN_EVERY_S = 5.0  # between lines of progress where there is no terminal
COLUMNS = 79  # of what is printed


def run(
    *,
    seeds: int | None,
    first_seed: int,
    jobs: int,
    profile: Profile,
    as_json: bool,
    only: str | None,
    devices: str | None,
    events_max: int | None,
    trace: bool,
) -> None:
    """Run seeds and print what came of them; the parameters are the command's options.

    Raises
    ------
    UsageError
        If no run had what was asked for.
    """
    template = Plan(
        seed=first_seed,
        profile=profile,
        only=None if only is None else _decisions(only),
        devices=None if devices is None else _numbers(devices),
        events_max=events_max,
    )
    if trace:
        if as_json:
            raise UsageError("--trace: not together with --json")
        if seeds not in (None, 1):
            raise UsageError(f"--trace: expected --seeds 1, got {seeds}")
        _trace(template)
        return
    seeds = SEEDS if seeds is None else seeds
    result = run_simulations(
        seeds,
        first_seed=first_seed,
        jobs=1 if seeds == 1 else jobs,
        profile=profile,
        template=template,
        progress=None if as_json else _Progress(seeds),
    )
    if as_json:
        click.echo(result.json())
    else:
        _show(result)
        if result.failures:
            _show_failure(result, template)
    _end(template, result.unmatched, is_violated=bool(result.violations))


def _end(template: Plan, missing: list[str], *, is_violated: bool) -> None:
    """Print which given devices or decisions did not occur, and exit."""
    for option, asked in (
        ("--devices", [f"device {number}" for number in template.devices or ()]),
        ("--only", sorted(template.only or ())),
    ):
        absent = [name for name in asked if name in missing]
        if not absent:
            continue
        said = f"{option}: no run had {', '.join(absent)}"
        if len(absent) == len(asked) and not is_violated:
            raise UsageError(said)
        click.echo(said, err=True)
    if is_violated:
        sys.exit(1)


def _decisions(text: str) -> frozenset[str]:
    decisions = frozenset(filter(None, text.split(",")))
    for decision in sorted(decisions):
        _, _, what = decision.partition(":")
        if what.partition(":")[0] not in FAULTS:
            raise UsageError(
                f"--only: {decision!r} is no decision of a schedule; expected such as d6#1:C3, "
                "as a failing run prints them"
            )
    return decisions


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"--devices: expected numbers with commas, got {text!r}")
    return tuple(map(int, parts))


def _trace(plan: Plan) -> None:
    log: list[str] = []
    outcome = simulate(plan, log)
    click.echo("".join(log), nl=False)
    click.echo(f"{len(outcome.decisions)} decisions:")
    for decision in outcome.decisions:
        click.echo(f"  {decision}")
    click.echo(f"trace {outcome.trace}; {outcome.violation or 'all invariants hold'}")
    _end(plan, unmatched(named(plan), outcome), is_violated=outcome.violation is not None)


class _Progress:
    """One line, written over on a terminal; elsewhere one at once, one with a rate, then a few a minute."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._is_terminal = sys.stderr.isatty()
        self._next_s = 0.0
        self._seeds_said = 0

    def __call__(self, result: CampaignResult) -> None:
        is_first_rate = result.seeds > self._seeds_said == 0
        if not (self._is_terminal or is_first_rate or result.wall_s >= self._next_s):
            return
        self._seeds_said = result.seeds
        self._next_s = result.wall_s + PLAIN_EVERY_S
        said = progress_line(result, self._total)
        click.echo(f"\r{said:<{COLUMNS}}" if self._is_terminal else said, nl=not self._is_terminal, err=True)


def progress_line(result: CampaignResult, total: int) -> str:
    """Return a line of how far a campaign is."""
    said = f"{result.seeds:,} of {total:,} seeds, {result.seeds * 100 // total} %"
    if result.seeds:
        rate = result.seeds / max(result.wall_s, 0.001)
        said += f", {rate:.1f}/s, {timedelta(seconds=round((total - result.seeds) / rate))} left"
    return f"{said}, {result.violations:,} violations"


def _row(count: str, name: str, text: str) -> str:
    """Return a line of a table, and as many further ones as its text needs."""
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=f"{count:>9}  {name:<4}",
        subsequent_indent=" " * 15,
        break_on_hyphens=False,
    )


def _show(result: CampaignResult) -> None:
    click.echo(err=True)
    for name, meaning in FAULTS.items():
        reason = result.unsupported.get(name)
        if reason is None:
            click.echo(_row(f"{result.faults.get(name, 0):,}", name, meaning))
        else:
            click.echo(_row("-", name, f"not supported: {reason}"))
    rate = result.seeds / max(result.wall_s, 0.001)
    click.echo(
        f"{result.seeds:,} seeds in {result.wall_s:.1f} s ({rate:.1f}/s): {result.events:,} events,"
        f" {result.records:,} records,\n{result.invocations:,} invocations, {result.commits:,} commits,"
        f" {sum(result.faults.values()):,} faults, {result.violations:,} violations"
    )
    if result.unreached:
        click.echo(textwrap.fill(f"never reached: {', '.join(result.unreached)}", COLUMNS))


def _show_failure(result: CampaignResult, template: Plan) -> None:
    """Shrink the first failure and print how to repeat it."""
    for failure in result.failures:
        click.echo(f"seed {failure.seed}: {failure.violation}")
    plan = replace(template, seed=result.failures[0].seed)
    outcome = simulate(plan)
    click.echo(f"shrinking seed {plan.seed}: {len(outcome.decisions)} faults, {outcome.events} events ...")
    small = shrink(plan, outcome)
    click.echo(
        f"after {small.runs} runs: {len(small.outcome.decisions)} faults, {small.outcome.events} events:"
        f" {small.outcome.violation}"
    )
    for decision in small.outcome.decisions[:DECISIONS_SHOWN_MAX]:
        click.echo(f"  {decision}")
    click.echo(f"again:   {plan.command()}")
    click.echo(f"smaller: {small.plan.command()}")
