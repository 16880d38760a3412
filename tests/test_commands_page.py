"""docs/reference/commands.md names every command, option and target there is."""

import re
from pathlib import Path

import click
import pytest

from tapstack.cli._main import cli

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reference/commands.md").read_text()
MAKEFILES = [ROOT / "Makefile", *ROOT.glob("*.mk"), *(ROOT / "tests").rglob("*.mk")]


def options_of(command):
    """Return the options of a command, or of all commands of a group."""
    if isinstance(command, click.Group):
        return [option for each in command.commands.values() for option in options_of(each)]
    parameters = [each for each in command.params if isinstance(each, click.Option)]
    return [option for each in parameters for option in (*each.opts, *each.secondary_opts)]


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_every_option_of_a_command_stands_on_the_page(name):
    options = options_of(cli.get_command(click.Context(cli), name))
    assert options
    assert [option for option in options if not re.search(rf"`{option}[` ]", PAGE)] == []
    assert f"tapstack {name}" in PAGE


def test_every_target_of_make_stands_on_the_page():
    text = "\n".join(path.read_text() for path in MAKEFILES)
    targets = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert len(targets) > 18
    assert {name for name in targets - {"help"} if f"`{name}`" not in PAGE} == set()
