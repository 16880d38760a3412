"""``tapstack sources``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click
import msgspec

from tapstack.cli._files import WrittenFile
from tapstack.cli._origin import Origin
from tapstack.collector.formats import FORMATS
from tapstack.core.events import EventType
from tapstack.core.sources import BACKFILL_AGE, Source, Sources
from tapstack.errors import UsageError

if TYPE_CHECKING:
    from tapstack.deploy.sources import Document

Command = TypeVar("Command", bound=Callable[..., Any])
_AFTER = "Collectors know it within 5 seconds."
_AFTER_REVOKING = "Collectors forget it within a minute."


@click.group(
    "sources",
    short_help="Add, list, rotate and revoke write keys.",
    epilog="""\b
Examples:
  a source of a deployed stack, and its key:
    tapstack sources add web --secret tapstack-dev-sources
  on this machine:
    tapstack sources add web --file sources.json
  who there is:
    tapstack sources list --file sources.json
  a new key, and the end of the old one:
    tapstack sources rotate web --file sources.json
    tapstack sources revoke web --old --file sources.json

Exit codes: 0 done; 1 AWS failed or did not answer; 2 a mistake in the command, missing credentials
or permissions.""",
)
def command() -> None:
    """Manage who may send events, and with which write keys."""


def _place(function: Command, *, is_there: bool = True) -> Command:
    """Add the options that every command has; only who adds a source may name a file that is not there."""
    file = (
        click.Path(path_type=Path, dir_okay=False, exists=True) if is_there else WrittenFile(is_replaced=True)
    )
    for option in reversed(
        [
            click.option("--secret", help="Secret with the sources: its name or ARN."),
            click.option("--file", "path", type=file, help="File with them."),
            click.option(
                "--region", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"], default="us-east-1",
                show_default=True, show_envvar=True, help="Region of the secret.",
            ),
            click.option("--endpoint-url", help="Address of Secrets Manager, if not AWS's own."),
            click.option("--json", "as_json", is_flag=True, help="Print only one JSON object."),
        ]
    ):  # fmt: skip
        function = option(function)
    return function


@command.command("add")
@click.argument("source_id", metavar="ID")
@click.option("--format", "formats", multiple=True, type=click.Choice([each.NAME for each in FORMATS]),
              help="Wire format that it may use; repeatable.  [default: any]")  # fmt: skip
@click.option("--type", "event_types", multiple=True, type=click.Choice(get_args(EventType)),
              help="Type of event that it may send; repeatable.  [default: any]", metavar="TYPE")  # fmt: skip
@click.option("--origin", "origins", type=Origin(), multiple=True,
              help="Origin of web pages that may use it; repeatable.  [default: not checked]")  # fmt: skip
@click.option("--events-per-s", type=click.IntRange(1, 1_000_000),
              help="Events a second that one execution environment takes.  [default: no limit]")  # fmt: skip
@click.option("--no-backfill", is_flag=True,
              help=f"Refuse events that are older than {BACKFILL_AGE.days} days.")  # fmt: skip
@click.option("--no-key", is_flag=True, help="It stands for requests without a key, in the formats named.")
@partial(_place, is_there=False)
def add(source_id: str, **options: Any) -> None:
    """Add a source, and show its write key once."""
    from tapstack.deploy import sources as operations

    document = _document(options)
    try:
        source = msgspec.convert(
            {
                "id": source_id,
                "sends_no_key": options["no_key"],
                "formats": options["formats"],
                "event_types": options["event_types"],
                "events_per_s_max": options["events_per_s"],
                "origins": options["origins"],
                "may_backfill": not options["no_backfill"],
            },
            Source,
        )
    except msgspec.ValidationError:
        raise UsageError(f"ID: expected small letters, digits and hyphens, got {source_id!r}") from None
    made = operations.add(document.read(), source, datetime.now(UTC))
    document.write(made.sources)
    if made.key is None:
        _print(options, {"source": source_id}, f"added      {source_id}: requests without a key\n\n{_AFTER}")
    else:
        _print_key(options, document, "added", source_id, made.key)


@command.command("list")
@_place
def list_sources(**options: Any) -> None:
    """List the sources: what each may send, never a key."""
    sources = _document(options).read()
    if options["as_json"]:
        click.echo(msgspec.json.encode({"sources": sources.sources}))
        return
    for source in sources.sources:
        click.echo("\n  ".join([source.id, *_lines(source)]))
    if not sources.sources:
        click.echo("no sources yet; 'tapstack sources add' makes one")


@command.command("rotate")
@click.argument("source_id", metavar="ID")
@_place
def rotate(source_id: str, **options: Any) -> None:
    """Make a second key of a source; the old one stays live."""
    from tapstack.deploy import sources as operations

    document = _document(options)
    made = operations.rotate(document.read(), source_id, datetime.now(UTC))
    document.write(made.sources)
    if made.key is None:
        raise AssertionError("a source without keys is refused")
    place = f"--file {options['path']}" if options["path"] else f"--secret {options['secret']}"
    next_step = f"Then, when every sender has it: tapstack sources revoke {source_id} --old {place}"
    _print_key(options, document, "rotated", source_id, made.key, next_step)


@command.command("revoke")
@click.argument("source_id", metavar="ID")
@click.option("--old", "is_old_only", is_flag=True, help="End the older of two keys only.")
@_place
def revoke(source_id: str, is_old_only: bool, **options: Any) -> None:
    """End a source's keys; SDKs drop what is then refused."""
    from tapstack.deploy import sources as operations

    document = _document(options)
    sources: Sources = operations.revoke(document.read(), source_id, is_old_only=is_old_only)
    document.write(sources)
    left = next(len(source.keys) for source in sources.sources if source.id == source_id)
    text = f"revoked    {source_id}: {left} live key{'' if left == 1 else 's'}\n\n{_AFTER_REVOKING}"
    _print(options, {"source": source_id, "live_keys": left}, text)


def _document(options: Mapping[str, Any]) -> Document:
    from tapstack.deploy.sources import FileDocument, SecretDocument

    secret, path = options["secret"], options["path"]
    if (secret is None) == (path is None):
        raise UsageError("expected --secret NAME, or --file PATH, to say where the sources are")
    if path is not None:
        return FileDocument(path)
    return SecretDocument(secret, options["region"], options["endpoint_url"])


def _print_key(
    options: Mapping[str, Any], document: Document, done: str, source_id: str, key: str, then: str = ""
) -> None:
    lines = [
        f"{done:<9}  {source_id}",
        f"write key  {key}",
        "",
        f"The key is shown this once. {_AFTER}",
        f"Next: give it to the SDK as its write key, or send it as X-Write-Key; {document.setting} is",
        "what the collector's setting TAPSTACK_SOURCES says.",
        *([then] if then else []),
    ]
    _print(options, {"source": source_id, "key": key, "setting": document.setting}, "\n".join(lines))


def _print(options: Mapping[str, Any], value: Mapping[str, object], text: str) -> None:
    click.echo(json.dumps(value) if options["as_json"] else text)


def _lines(source: Source) -> list[str]:
    keys = ", ".join(f"of {key.created_at:%Y-%m-%d}" for key in source.keys)
    none = "not needed" if source.sends_no_key else "none: revoked"
    rate = "no limit" if source.events_per_s_max is None else f"{source.events_per_s_max} events a second"
    return [
        f"keys        {keys or none}",
        f"formats     {', '.join(source.formats) or 'any'}",
        f"types       {', '.join(source.event_types) or 'any'}",
        f"origins     {', '.join(source.origins) or 'not checked'}",
        f"rate        {rate}",
        f"old events  {'taken' if source.may_backfill else f'refused after {BACKFILL_AGE.days} days'}",
    ]
