"""``tapstack schemas``; what it needs is imported when it runs, so that ``--help`` stays quick."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tapstack.errors import InvalidEvent, UsageError

if TYPE_CHECKING:
    from tapstack.collector.schemas import Schemas

USAGE_EXIT = 2
EXAMPLES_MAX = 3  # of each schema


@click.group(
    "schemas",
    short_help="Check the schemas that events are held to.",
    epilog="""\b
Examples:
  is every schema in order?
    tapstack schemas check schemas
  what would become of these events?
    tapstack schemas check schemas --input events.ndjson

The folder goes into the collector's zip with 'tapstack package --schemas schemas'. How schemas are written:
docs/reference/schemas.md.

Exit codes: 0 in order, and no event is refused; 1 events of the input are; 2 a mistake in a schema, in the
input or in the command.""",
)
def command() -> None:
    """Check the schemas that events are held to."""


@command.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--input", "recording", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE",
    help="Hold the events of a recording to them, as 'tapstack local --input' reads it.",
)  # fmt: skip
@click.option("--source", metavar="ID", help="With --input: the source that sends them.")
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def check(*, folder: Path, recording: Path | None, source: str | None, as_json: bool) -> int:
    """Check every schema in DIR, and with --input what becomes of events."""
    from tapstack.collector.schema_folder import read_folder
    from tapstack.collector.schemas import Schemas

    if source is not None and recording is None:
        raise UsageError("--source needs --input")
    registry = read_folder(folder)
    if registry.problems:
        return _say_problems(folder, registry.problems, as_json=as_json)
    strictness = {schema.name: schema.use.strictness for schema in registry.schemas}
    tally = Counter[str]()
    examples: dict[str, list[str]] = {}
    if recording is not None:
        for breach in _breaches(recording, Schemas(registry.schemas), source, tally):
            tally[breach.schema] += 1
            told = examples.setdefault(breach.schema, [])
            if len(told) < EXAMPLES_MAX:
                told.append(f"{breach.where}: {breach.problem}")
    if as_json:
        rows = [
            {"schema": name, "strictness": how, "broken_by": tally[name], "examples": examples.get(name, [])}
            for name, how in strictness.items()
        ]
        click.echo(json.dumps({"schemas": rows, "events": tally[""], "problems": []}))
    else:
        for name, how in strictness.items():
            broken = f"  broken by {tally[name]:,} of {tally['']:,} events" if recording is not None else ""
            click.echo(f"{name}  {how}{broken}")
            for example in examples.get(name, ()):
                click.echo(f"  {example}")
    return 1 if any(tally[name] for name, how in strictness.items() if how == "quarantine") else 0


def _say_problems(folder: Path, problems: Sequence[str], *, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"schemas": [], "events": 0, "problems": problems}))
        return USAGE_EXIT
    for problem in problems:
        click.echo(problem, err=True)
    raise UsageError(f"{len(problems)} mistake{'' if len(problems) == 1 else 's'} in {folder}")


class _Breach(NamedTuple):
    schema: str
    where: str
    problem: str


def _breaches(path: Path, schemas: Schemas, source: str | None, tally: Counter[str]) -> Iterator[_Breach]:
    """Yield what breaks a schema; count all events under the empty name."""
    from tapstack.core.client_events import decode_client_event
    from tapstack_local.batches import batches
    from tapstack_local.recording import read_recording

    recording = read_recording(path, now_ms=time.time_ns() // 1_000_000, seed=0)
    for batch in batches(recording):
        for entry in batch:
            tally[""] += 1
            try:
                found = schemas.check(decode_client_event(entry.data), source)
            except InvalidEvent as error:
                yield _Breach(error.schema, entry.where, str(error))
            else:
                if found is not None:
                    yield _Breach(found.schema, entry.where, str(found.broken))
