"""``tapstack local``; what it needs is imported when it runs, so that ``--help`` stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from tapstack.cli._origin import Origin
from tapstack.cli._write_key import WriteKey
from tapstack.errors import UsageError

_DEFAULT = click.core.ParameterSource.DEFAULT
_COMMANDLINE = click.core.ParameterSource.COMMANDLINE
EVENTS_MAX = 1_000_000_000


class Rate(click.ParamType[float | Literal["max"]]):
    """Events a minute, or ``max``."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | Literal["max"]:
        """Read it."""
        if value == "max":
            return "max"
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 1 <= number <= 1e9:
            self.fail(f"expected events a minute, at least 1, or 'max', got {value!r}", param, ctx)
        return number


class Mapped(click.ParamType[tuple[str, str]]):
    """A canonical name and a column."""

    name = "canonical=column"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        canonical, separator, column = str(value).partition("=")
        if not (canonical and separator and column):
            self.fail(f"expected canonical=column, such as user_id=visitor, got {value!r}", param, ctx)
        return canonical, column


class Columns(click.ParamType[tuple[str, ...]]):
    """Names of columns, with commas between them."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read them; an empty name is a column that is not read."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        if not any(names):
            self.fail(f"expected names such as user_id,item_id,timestamp, got {value!r}", param, ctx)
        return names


@click.command(
    "local",
    short_help="Run the whole pipeline on this machine and check every count.",
    epilog="""\b
Examples:
  a shop's traffic for about a minute, then try the API:
    tapstack local
  as fast as it goes:
    tapstack local --events 20000 --rate max --exit
  with crashes, lost responses and throttling:
    tapstack local --faults many --seed 7 --exit
  a recording:
    tapstack local --input views.csv --map user_id=visitor --exit
    zcat clicks.dat.gz | tapstack local --input - \\
      --columns session_id,timestamp,item_id,category
  with schemas of yours:
    tapstack local --schemas schemas --exit
  the applied Terraform stack, from its state and its zips:
    tapstack local --stack terraform --exit

Recordings are CSV with , ; | or tabs, JSON lines or a JSON array, in UTF-8 or UTF-16, plain or in gzip.
Columns are recognised by their usual names (user_id, visitorid, itemid, product_id, event, timestamp, ...) in
any case; --map names the others: user_id, anonymous_id, session_id, item_id, items, event_type, occurred_at,
date, offset_ms, price, quantity, value, currency, query, event_id. Names of events (view_item, Product Added,
...) are recognised too. More: docs/reference/commands.md.

Nothing is kept: what a run stores is gone when the command ends.

Exit codes: 0 everything was sent and counted exactly once; 1 it was not; 2 a mistake in the command or in the
recording; 130 Ctrl-C before the end; 143 SIGTERM.""",
)
@click.option(
    "--events",
    type=click.IntRange(1, EVENTS_MAX),
    help="Number of events.  [default: 10000; a whole recording]",
)
@click.option("--rate", type=Rate(), default="10000", show_default=True, help="Events a minute, or 'max'.")
@click.option(
    "--shards", type=click.IntRange(1, 64), default=4, show_default=True, help="Shards of the stream."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Repeats the same traffic; timing decides where faults strike.  [default: random]",
)
@click.option(
    "--input", "recording", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE",
    help="Replay a recording, CSV or JSON; - is standard input.",
)  # fmt: skip
@click.option(
    "--map", "mapped", type=Mapped(), multiple=True, help="The column that holds a field; repeatable."
)
@click.option(
    "--columns", type=Columns(), metavar="A,B,...",
    help="The columns of a CSV file without a header, in order.",
)  # fmt: skip
@click.option(
    "--skip-bad-rows", is_flag=True,
    help="Skip and count rows that cannot be read; without it the first one is an error.",
)  # fmt: skip
@click.option(
    "--faults", type=click.Choice(["none", "some", "many"]), default="none", show_default=True,
    help="How many faults to inject.",
)  # fmt: skip
@click.option(
    "--reshard/--no-reshard", default=None,
    help="Split and merge shards during the run.  [default: only with faults]",
)  # fmt: skip
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Port of the API; 0 is any free one.",
)
@click.option(
    "--allow-origin", "origins", type=Origin(), multiple=True,
    help="Let web pages of this origin use the API; repeatable.  [default: none]",
)  # fmt: skip
@click.option(
    "--sources", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
    help="Take events of these sources only, by their write keys; see 'tapstack sources'.",
)  # fmt: skip
@click.option(
    "--write-key", type=WriteKey(), envvar="TAPSTACK_WRITE_KEY", default="", metavar="KEY", show_envvar=True,
    help="With --sources: the key of the run's own events.",
)  # fmt: skip
@click.option(
    "--schemas", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="DIR",
    help="Hold events to the schemas of this folder; see 'tapstack schemas'.",
)  # fmt: skip
@click.option(
    "--enrichment", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
    help="Enrich events, and honour consents, as this file says.",
)  # fmt: skip
@click.option(
    "--attributes", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
    help="Keep the attributes that this file declares; see 'tapstack attributes'.",
)  # fmt: skip
@click.option("--exit", "leave", is_flag=True, help="Exit after the check; without it the API stays up.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; everything else goes to standard error."
)
@click.option("--quiet", is_flag=True, help="Print only the verdict.")
@click.option(
    "--stack", metavar="FILE",
    help="Run an applied stack: the output of 'terraform show -json', or 'terraform' to run that in lib/.",
)  # fmt: skip
@click.option(
    "--packages",
    type=click.Path(path_type=Path),
    default="dist",
    show_default=True,
    help="With --stack: the folder of the zips, built for this machine.",
)
@click.option(
    "--calls",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the AWS calls, with action and resource as IAM names them.",
)
def command(
    *,
    events: int | None,
    rate: float | Literal["max"],
    shards: int,
    seed: int | None,
    recording: Path | None,
    mapped: tuple[tuple[str, str], ...],
    columns: tuple[str, ...] | None,
    skip_bad_rows: bool,
    faults: Literal["none", "some", "many"],
    reshard: bool | None,
    port: int,
    origins: tuple[str, ...],
    sources: Path | None,
    write_key: str,
    schemas: Path | None,
    enrichment: Path | None,
    attributes: Path | None,
    leave: bool,
    as_json: bool,
    quiet: bool,
    stack: str | None,
    packages: Path,
    calls: Path | None,
) -> int:
    """Run the whole pipeline on this machine and check every count.

    A generated clickstream goes over HTTP through the collector, Kinesis, the event source mapping and
    the consumer into DynamoDB. At the end a checker compares the tables with what was sent.
    """
    for option, given in (("--map", mapped), ("--columns", columns), ("--skip-bad-rows", skip_bad_rows)):
        if given and recording is None:
            raise UsageError(f"{option} needs --input")
    if stack is None and click.get_current_context().get_parameter_source("packages") is not _DEFAULT:
        raise UsageError("--packages needs --stack")
    if sources is None and click.get_current_context().get_parameter_source("write_key") is _COMMANDLINE:
        raise UsageError("--write-key needs --sources")
    # aiohttp and rich: only when it runs, not for --help
    from tapstack_local.recording import Layout
    from tapstack_local.run import Options, run

    names = [canonical for canonical, _ in mapped]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"--map: {twice[0]} is given twice")
    return run(
        Options(
            events=events,
            events_per_min=None if rate == "max" else rate,
            shards=shards,
            seed=seed,
            input=recording,
            layout=Layout(columns=columns, names=dict(mapped), skip_bad_rows=skip_bad_rows),
            faults=faults,
            reshard=reshard,
            port=port,
            origins=origins,
            sources=sources,
            write_key=write_key if sources is not None else "",
            schemas=schemas,
            enrichment=enrichment,
            attributes=attributes,
            leave=leave,
            json=as_json,
            quiet=quiet,
            stack=stack,
            packages=packages,
            calls=calls,
        )
    )
