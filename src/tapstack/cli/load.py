"""``tapstack load``."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from urllib.parse import urlsplit

import click

from tapstack.addresses import check_address
from tapstack.cli._files import WrittenFile
from tapstack.cli._write_key import WriteKey
from tapstack.errors import UsageError

REQUESTS_PER_S_FREE = 200.0  # more, or any load on another machine, needs --yes
EVENTS_MAX = 20_000_000
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@click.command(
    "load",
    short_help="Measure the collector's latency under a steady load.",
    epilog="""\b
Examples:
  50 requests a second for 30 seconds, to an embedded cloud of its own:
    tapstack load
  to a collector that runs, with a picture:
    tapstack load --url http://127.0.0.1:8080 --rate 100 --picture load.svg
  to a deployed stack, whose tables then hold events of users named load-...:
    tapstack load --url http://events.example.internal --rate 500 --yes

Requests are due by the clock, whether the answers before them came or not, and a latency counts from that
moment: a collector that is slow for a second shows in every request of that second.

Exit codes: 0 every event was answered as stored; 1 some were not, or none was sent; 2 a mistake in the
command; 130 Ctrl-C; 143 SIGTERM.""",
)
@click.option("--url", help="Address of a collector.  [default: an embedded cloud of its own]")
@click.option(
    "--rate", type=click.FloatRange(0.1, 20_000), default=50.0, show_default=True, help="Requests a second."
)
@click.option("--duration", type=click.IntRange(1, 86_400), default=30, show_default=True, help="Seconds.")
@click.option(
    "--events", type=click.IntRange(1, 2_500), default=20, show_default=True, help="Events of a request."
)
@click.option(
    "--write-key", type=WriteKey(), envvar="TAPSTACK_WRITE_KEY", default="", metavar="KEY", show_envvar=True,
    help="Write key of the requests.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), help="Repeats the same shop.  [default: random]")
@click.option(
    "--picture", type=WrittenFile(), metavar="FILE",
    help="Write the course of the latencies as SVG.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
@click.option("--yes", is_flag=True, help="Do it, although it is another machine or a heavy load.")
def command(
    *,
    url: str | None,
    rate: float,
    duration: int,
    events: int,
    write_key: str,
    seed: int | None,
    picture: Path | None,
    as_json: bool,
    yes: bool,
) -> int:
    """Send requests at a steady rate and print how long answers took."""
    if url is not None:
        _check_address(url)
    if isnan(rate):
        raise UsageError("--rate: expected requests a second, got nan")
    if rate * duration * events > EVENTS_MAX:
        raise UsageError(f"--rate, --duration and --events: expected at most {EVENTS_MAX:,} events in all")
    if not yes:
        _check_harmless(url, rate, events)
    from tapstack_local.load.run import Options, run  # aiohttp: only when it runs, not for --help

    return run(
        Options(
            url=url,
            requests_per_s=rate,
            duration_s=duration,
            events_per_request=events,
            write_key=write_key,
            seed=seed,
            picture=picture,
            json=as_json,
        )
    )


def _check_address(url: str) -> None:
    try:
        check_address(url)
    except ValueError as error:
        raise UsageError(f"--{error}") from None


def _check_harmless(url: str | None, rate: float, events: int) -> None:
    host = "127.0.0.1" if url is None else urlsplit(url).hostname
    if host not in LOOPBACK:
        what = f"{rate:g} requests a second of {events} events to {host}, which stores them"
    elif rate > REQUESTS_PER_S_FREE:
        what = f"{rate:g} requests a second, more than {REQUESTS_PER_S_FREE:g}"
    else:
        return
    raise UsageError(f"{what}: say so with --yes")
