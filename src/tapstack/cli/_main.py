"""The command line: one file a command, and what every command shares."""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

import tapstack.cli
from tapstack.errors import TapstackError, UsageError

USAGE_EXIT = 2
FAILURE_EXIT = 1
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class Commands(click.Group):
    """The commands: each module of this package without an underscore is one, as its ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return their names."""
        modules = pkgutil.iter_modules(tapstack.cli.__path__)
        return sorted(module.name for module in modules if not module.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one: each imports what it needs when it runs, so that ``--help`` stays quick."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"tapstack.cli.{cmd_name}").command
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tapstack")
def cli() -> None:
    """Run a private clickstream pipeline that loses nothing and counts every event exactly once."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a person's mistake is one line and exit code 2."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this: a file opened next would be it
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process
    sys.exit(call(sys.argv[1:] if arguments is None else arguments))


def call(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    try:
        code = cli.main(list(arguments), prog_name="tapstack", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE_EXIT
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "tapstack"
        message = error.format_message().rstrip(".")
        click.echo(f"tapstack: {message[:1].lower()}{message[1:]}; see '{where} --help'", err=True)
        return USAGE_EXIT
    except TapstackError as error:
        click.echo(f"tapstack: {error}", err=True)
        return USAGE_EXIT if isinstance(error, UsageError) else FAILURE_EXIT
    except click.Abort:
        return 130
    except OSError as error:
        if error.filename is None and error.errno not in DISK_FULL:
            raise  # nothing that a person can put right by what it says
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"tapstack: {where}{error.strerror}", err=True)
        _drop_unwritten()
        return FAILURE_EXIT
    return code if isinstance(code, int) else 0


def _drop_unwritten() -> None:
    """Drop what standard output did not take: Python would try again at its end, and choose the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
