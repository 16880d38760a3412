"""``tapstack package``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command(
    "package",
    short_help="Build the zips of the Lambda functions.",
    epilog="""\b
Examples:
  dist/*.zip for arm64 and Python 3.13:
    tapstack package
  for another platform:
    tapstack package --arch x86_64 --python 3.12
  with your schemas in the collector's:
    tapstack package --schemas schemas
  a digest of each:
    tapstack package --json | jq -r '.packages[] | .function, .sha256'

Exit codes: 0 built; 1 the wheels could not be fetched; 2 a mistake in the command or in the sources.""",
)
@click.option(
    "--arch", "architecture", type=click.Choice(["arm64", "x86_64"]), default="arm64", show_default=True,
    help="Processor architecture of the functions.",
)  # fmt: skip
@click.option(
    "--python", default="3.13", show_default=True, help="Python version of the functions, 3.11 or later."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default="dist",
    show_default=True,
    help="Folder for the zips.",
)
@click.option(
    "--root", type=click.Path(path_type=Path), default=".", show_default=True, help="The checkout to package."
)
@click.option(
    "--schemas", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Put the schemas of this folder, and what checks them, into the collector's zip.",
)  # fmt: skip
@click.option(
    "--attributes", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
    help="File of declared attributes.  [default: attributes.toml of the checkout, if there is one]",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def command(
    *,
    architecture: Literal["arm64", "x86_64"],
    python: str,
    output: Path,
    root: Path,
    schemas: Path | None,
    attributes: Path | None,
    as_json: bool,
) -> int:
    """Build the zips of the Lambda functions.

    A zip holds what its function imports and nothing else, and has the same bytes each time it is built.
    Sources come from a checkout, wheels from the package index, by the hashes in requirements.lock.
    """
    import json

    from tapstack.deploy.package import build

    if schemas is not None:
        from tapstack.collector.schema_folder import load_folder

        load_folder(schemas)
    packages = build(root, output, architecture, python, schemas=schemas, attributes=attributes)
    if as_json:
        rows = [
            {
                "function": built.function,
                "path": str(built.path),
                "zip_bytes": built.zip_bytes,
                "unzipped_bytes": built.unzipped_bytes,
                "file_count": built.file_count,
                "sha256": built.sha256,
            }
            for built in packages
        ]
        click.echo(json.dumps({"architecture": architecture, "python": python, "packages": rows}))
        return 0
    for built in packages:
        click.echo(
            f"{built.path}  {built.zip_bytes / 1e6:.2f} MB ({built.unzipped_bytes / 1e6:.2f} MB unzipped, "
            f"{built.file_count} files)  sha256 {built.sha256}"
        )
    return 0
