"""``tapstack simulate``; what it needs is imported when it runs, so that ``--help`` stays quick."""

from __future__ import annotations

from typing import Literal

import click


@click.command(
    "simulate",
    epilog="""\b
Examples:
  tapstack simulate                                     200 seeds, about half a minute
  tapstack simulate --seeds 10000 --jobs 2
  tapstack simulate --seeds 1 --first-seed 48 --trace   every step of one run
  tapstack simulate --json | jq .violations

\b
Exit codes: 0 every invariant held, 1 one broke: the seed, a shrunk schedule and the commands that repeat
both are printed; 2 no run had any of the devices, or any of the decisions, that were asked for; 130 after
Ctrl-C, 143 after SIGTERM.""",
)
@click.option("--seeds", type=click.IntRange(1), default=None, help="How many to run.  [default: 200]")
@click.option("--first-seed", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Processes.")
@click.option(
    "--profile", type=click.Choice(["calm", "swarm", "storm"]), default="swarm", show_default=True,
    help="No faults, some of them in each run, or nearly all.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON and nothing else.")
@click.option(
    "--only",
    default=None,
    help="Decisions of the schedule that may happen, with commas, as a failure prints them: d6#1:C3.",
)
@click.option("--devices", default=None, help="Numbers of the devices that exist, with commas.")
@click.option("--events-max", type=click.IntRange(1), default=None, help="Events a device makes at most.")
@click.option("--trace", is_flag=True, help="Print every step and every decision of one seed, the first.")
def command(
    *,
    seeds: int | None,
    first_seed: int,
    jobs: int,
    profile: Literal["calm", "swarm", "storm"],
    as_json: bool,
    only: str | None,
    devices: str | None,
    events_max: int | None,
    trace: bool,
) -> None:
    """Run the whole pipeline in memory under every fault, from seeds, and check that nothing is lost.

    The same seed at the same commit gives the same run.
    """
    from tapstack_simulation.command import run

    run(
        seeds=seeds,
        first_seed=first_seed,
        jobs=jobs,
        profile=profile,
        as_json=as_json,
        only=only,
        devices=devices,
        events_max=events_max,
        trace=trace,
    )
