"""``tapstack attributes``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tapstack.core.attributes.definitions import Definitions


@click.group(
    "attributes",
    short_help="Check a file of declared attributes, and try it on a recording.",
    epilog="""\b
Examples:
  is it right, and what does a user's row cost with it:
    tapstack attributes check attributes.toml
  for a pipeline:
    tapstack attributes check attributes.toml --json | jq .write_units

Exit codes: 0 the file is right; 2 it is not, or the command is wrong. What a file says:
docs/reference/attributes.md.""",
)
def command() -> None:
    """Check a file of declared attributes, and try it on a recording."""


@command.command("check")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def check(path: Path, *, as_json: bool) -> int:
    """Say all that is wrong with a file, or what it costs."""
    from tapstack.core.attributes.faults import InvalidDefinitions
    from tapstack.core.attributes.prediction import predicted
    from tapstack.deploy.attributes import load

    try:
        definitions = load(path)
    except InvalidDefinitions as error:
        if as_json:
            click.echo(json.dumps({"ok": False, "faults": [fault._asdict() for fault in error.faults]}))
        else:
            click.echo("\n".join([f"{path}: {fault}" for fault in error.faults]), err=True)
        return 2
    row = predicted(definitions)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "ok": True,
                    "attributes": row.attributes,
                    "features": len(_features(definitions)),
                    "row_bytes_usual": row.size.usual,
                    "row_bytes_max": row.size.most,
                    "write_units": row.write_units,
                    "views": [_view(view) for view in definitions.feature_view],
                }
            )
        )
        return 0
    for view in definitions.feature_view:
        said = _view(view)
        click.echo(
            f"{said['view']}  {said['entity']}, {said['attributes']} attributes: "
            f"usually {said['bytes_usual']:,} bytes, at most {said['bytes_max']:,}"
        )
    click.echo(
        f"a user's row grows by {row.size.usual:,} bytes usually, {row.size.most:,} at most: with every tile "
        "filled and three sessions\n"
        f"each transaction that writes it costs up to {row.write_units} write units more"
    )
    return 0


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
