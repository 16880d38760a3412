"""``tapstack attributes``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tapstack.cli.local import Columns, Mapped

if TYPE_CHECKING:
    from tapstack.core.attributes.definitions import Definitions
    from tapstack_local.declared_values import Row


@click.group(
    "attributes",
    short_help="Check a file of declared attributes, and try it on a recording.",
    epilog="""\b
Examples:
  is it right, and what does a user's row cost with it:
    tapstack attributes check attributes.toml
  for a pipeline:
    tapstack attributes check attributes.toml --json | jq .write_units
  what would it make of a recording:
    tapstack attributes test attributes.toml --input views.csv
    tapstack attributes test attributes.toml --input clicks.jsonl --users 20

Exit codes: 0 the file is right; 2 it is not, or the command or the recording is wrong. What a file says:
docs/reference/attributes.md.""",
)
def command() -> None:
    """Check a file of declared attributes, and try it on a recording."""


@command.command("check", short_help="Say what is wrong with a file, or what it costs.")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def check(path: Path, *, as_json: bool) -> int:
    """Say all that is wrong with a file, or what it costs."""
    from tapstack.core.attributes.faults import InvalidDefinitions
    from tapstack.deploy.attributes import load

    try:
        definitions = load(path)
    except InvalidDefinitions as error:
        if as_json:
            click.echo(json.dumps({"ok": False, "faults": [fault._asdict() for fault in error.faults]}))
        else:
            click.echo("\n".join([f"{path}: {fault}" for fault in error.faults]), err=True)
        return 2
    click.echo(json.dumps(_cost(definitions)) if as_json else _cost_in_words(definitions))
    return 0


@command.command("test", short_help="Show the values that a recording leaves.")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--input", "recording", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE", required=True,
    help="The recording, CSV or JSON, as 'tapstack local' reads it; - is standard input.",
)  # fmt: skip
@click.option(
    "--map", "mapped", type=Mapped(), multiple=True, help="The column that holds a field; repeatable."
)
@click.option(
    "--columns", type=Columns(), metavar="A,B,...",
    help="The columns of a CSV file without a header, in order.",
)  # fmt: skip
@click.option("--skip-bad-rows", is_flag=True, help="Skip rows that cannot be read.")
@click.option(
    "--users", "users_shown", type=click.IntRange(1, 100_000), default=3, show_default=True,
    help="How many users to show, those with the most events first; and how many items and categories.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def test(
    path: Path,
    *,
    recording: Path,
    mapped: tuple[tuple[str, str], ...],
    columns: tuple[str, ...] | None,
    skip_bad_rows: bool,
    users_shown: int,
    as_json: bool,
) -> int:
    """Show the values that a recording leaves, at the moment of its newest event."""
    import time

    from tapstack.core.attributes.declared import Declared
    from tapstack.deploy.attributes import load_valid
    from tapstack_local.declared_values import covered, replay, rows_of
    from tapstack_local.recording import Layout, read_recording

    declared = Declared(load_valid(path))
    layout = Layout(columns=columns, names=dict(mapped), skip_bad_rows=skip_bad_rows)
    read = read_recording(recording, now_ms=time.time_ns() // 1_000_000, seed=0, layout=layout)
    replayed = replay(read, declared)
    rows = rows_of(replayed, declared)
    shown = set(list(replayed.users)[:users_shown])
    for kind in ("I#", "C#"):
        shown |= set([name for name in replayed.catalogue if name.startswith(kind)][:users_shown])
    result = {
        "events": replayed.events,
        "users": len(replayed.users),
        "skipped_rows": read.skipped_count,
        "at": _time(replayed.at_s),
        "windows": {
            name: {"start": _time(start_s), "end": _time(replayed.at_s)}
            for name, start_s in covered(declared.definitions, replayed.at_s).items()
        },
        "with_values": {name: _with_value(rows, name) for name in _features(declared.definitions)},
        "rows": [
            {"user": row.user, "session": row.session, "values": row.values, "missing_max": row.missing_max}
            for row in rows
            if row.user in shown
        ],
    }
    click.echo(json.dumps(result) if as_json else _described(result))
    return 0


def _cost(definitions: Definitions) -> dict[str, Any]:
    """Return what definitions cost."""
    from tapstack.core.attributes.prediction import predicted

    row = predicted(definitions)
    return {
        "ok": True,
        "attributes": row.attributes,
        "features": len(_features(definitions)),
        "row_bytes_usual": row.size.usual,
        "row_bytes_max": row.size.most,
        "write_units": row.write_units,
        "views": [_view(view) for view in definitions.feature_view],
    }


def _cost_in_words(definitions: Definitions) -> str:
    cost = _cost(definitions)
    lines = [
        f"{view['view']}  {view['entity']}, {view['attributes']} attributes: "
        f"usually {view['bytes_usual']:,} bytes, at most {view['bytes_max']:,}"
        for view in cost["views"]
    ]
    usual, most = cost["row_bytes_usual"], cost["row_bytes_max"]
    filled = "with every tile filled and three sessions"
    lines += [
        f"a user's row grows by {usual:,} bytes usually, {most:,} at most: {filled}",
        f"each transaction that writes it costs up to {cost['write_units']} write units more",
    ]
    return "\n".join(lines)


def _with_value(rows: Sequence[Row], name: str) -> dict[str, int]:
    values = [row.values[name] for row in rows if name in row.values]
    return {"rows": len(values), "with_value": sum(1 for value in values if value not in (None, 0))}


def _described(result: Mapping[str, Any]) -> str:
    """Put a result into lines."""
    lines = [f"{result['events']:,} events of {result['users']:,} users; values at {result['at']}", ""]
    for name, counts in result["with_values"].items():
        window = result["windows"].get(name)
        since = f"from {window['start']}" if window else "lifetime"
        lines.append(f"{name}  {since}: {counts['with_value']:,} of {counts['rows']:,} have a value beside 0")
    for row in result["rows"]:
        session = "" if row["session"] is None else f", session {row['session']}"
        kind = {"I": "item ", "C": "category "}.get(row["user"][0], "")
        lines += ["", f"{kind}{row['user'][2:]}{session}"]
        for name, value in row["values"].items():
            missing = row["missing_max"].get(name)
            lines.append(f"  {name}  {json.dumps(value)}{f'  up to {missing} missing' if missing else ''}")
    return "\n".join(lines)


def _time(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


def _features(definitions: Definitions) -> list[str]:
    """Return the names of features, each once, with its view's version."""
    from tapstack.core.attributes.definitions import served_names

    return [f"{view.key}:{name}" for view in definitions.feature_view for _, _, name in served_names(view)]


def _view(view: Any) -> dict[str, Any]:
    from tapstack.core.attributes.prediction import size_of_view

    size = size_of_view(view)
    return {
        "view": view.key,
        "entity": view.entity,
        "attributes": len(view.attribute),
        "bytes_usual": size.usual,
        "bytes_max": size.most,
    }
