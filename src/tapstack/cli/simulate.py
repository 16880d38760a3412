"""``tapstack simulate``; what it needs is imported when it runs, so that ``--help`` stays quick."""

from __future__ import annotations

from typing import Literal

import click


@click.command(
    "simulate",
    short_help="Run the pipeline in memory, under faults drawn from seeds.",
    epilog="""\b
Examples:
  200 seeds, about half a minute:
    tapstack simulate
  many seeds:
    tapstack simulate --seeds 10000 --jobs 2
  every step of one run:
    tapstack simulate --seeds 1 --first-seed 48 --trace

Exit codes: 0 every invariant held; 1 one was violated (the seed, a shrunk schedule and the commands that
repeat both are printed); 2 a mistake in the command, or no run had any of the devices of --devices or of the
decisions of --only; 130 Ctrl-C; 143 SIGTERM.""",
)
@click.option("--seeds", type=click.IntRange(1), default=None, help="Number of seeds.  [default: 200]")
@click.option("--first-seed", type=click.IntRange(0), default=0, show_default=True, help="The first seed.")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="Number of processes.")
@click.option(
    "--profile", type=click.Choice(["calm", "swarm", "storm"]), default="swarm", show_default=True,
    help="Faults in a run: none, some of them, or nearly all.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
@click.option(
    "--only",
    default=None,
    help="Allow only these decisions of the schedule, with commas, as a failure prints them: d6#1:C3.",
)
@click.option("--devices", default=None, help="Keep only these devices, by number, separated by commas.")
@click.option("--events-max", type=click.IntRange(1), default=None, help="Most events that a device makes.")
@click.option(
    "--trace", is_flag=True, help="Print every step and decision of the first seed, and run no other."
)
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
    """Run the whole pipeline in memory, under faults drawn from seeds, and check its invariants.

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
