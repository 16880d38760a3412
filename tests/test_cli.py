"""The command line: a person's mistake is one clear line and exit code 2."""

import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import tapstack.cli
from tapstack.cli.__main__ import EXTRAS
from tapstack.cli._files import WrittenFile
from tapstack.cli._main import call, cli

RATE = "expected events a minute, at least 1, or 'max'"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--shade", "4"], "no such option", id="unknown option"),
        pytest.param(["--rate", "fast"], f"{RATE}, got 'fast'", id="rate"),
        pytest.param(["--rate", "0"], f"{RATE}, got '0'", id="rate of 0"),
        pytest.param(["--events", "0"], "0 is not in the range 1<=x<=1000000000", id="no events"),
        pytest.param(["--events", "9" * 20], "is not in the range", id="more events than there will be"),
        pytest.param(["--packages", "dist"], "--packages needs --stack", id="packages without a stack"),
        pytest.param(["--stack", "/"], "/: is a directory", id="a folder for a stack"),
        pytest.param(["--shards", "many"], "'many' is not a valid integer", id="shards"),
        pytest.param(["--faults", "few"], "'few' is not one of 'none', 'some', 'many'", id="faults"),
        pytest.param(["--map", "user_id"], "expected canonical=column", id="map"),
        pytest.param(["--map", "user_id=who"], "--map needs --input", id="map without input"),
        pytest.param(["--columns", "user_id,item_id"], "--columns needs --input", id="columns without input"),
        pytest.param(["--skip-bad-rows"], "--skip-bad-rows needs --input", id="skipping without input"),
        pytest.param(
            ["--columns", " , "],
            "expected names such as user_id,item_id,timestamp, got ' , '",
            id="no columns",
        ),
        pytest.param(["--input", "absent.csv"], "absent.csv: no such file or directory", id="missing file"),
        *(
            pytest.param(["--allow-origin", page], f"http://localhost:3000, got '{page}'", id=f"page {page}")
            for page in ("null", "*", "localhost:3000", "http://a/b", "ftp://a", "http://", "http://a b")
        ),
        pytest.param(["surplus"], "unexpected extra argument (surplus)", id="surplus"),
        pytest.param(
            ["--calls", "/no/such/folder/c.json"],
            "--calls: expected a file in a folder that can be written, got '/no/such/folder/c.json'",
            id="calls into no folder",
        ),
        pytest.param(["--calls", "/"], "--calls: expected a file", id="calls into a folder"),
        pytest.param(
            ["--input", __file__, "--map", "user_id=a", "--map", "user_id=b"],
            "--map: user_id is given twice",
            id="map twice",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert call(["local", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert output.err.startswith("tapstack: ")
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_a_bad_row_is_one_line_that_says_where(tmp_path, capsys):
    path = tmp_path / "views.csv"
    path.write_text("user_id,item_id,timestamp\nu,i,yesterday\n")
    assert call(["local", "--input", str(path), "--json"]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(f"tapstack: {path}: line 2, column 'timestamp': expected a time such as ")
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert call(["package", "--output", str(tmp_path / "taken" / "dist")]) == 1
    output = capsys.readouterr()
    assert output.err == f"tapstack: {tmp_path}/taken/dist: Not a directory\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_line(unbuffered: str) -> None:
    arguments = ["simulate", "--seeds", "1", "--json"]
    program = f"import sys; from tapstack.cli._main import call; sys.exit(call({arguments!r}))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert done.stderr.splitlines()[-1] == "tapstack: No space left on device"
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_a_port_in_use_is_one_line(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert call(["local", "--quiet", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"tapstack: port {port} is in use; choose another one with --port\n"


def test_an_unknown_command_is_one_line(capsys):
    assert call(["locale"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tapstack: no such command 'locale'")
    assert error.endswith("; see 'tapstack --help'\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--seeds", "0"], "0 is not in the range x>=1", id="no seeds"),
        pytest.param(["--jobs", "-1"], "-1 is not in the range x>=1", id="jobs"),
        pytest.param(
            ["--devices", "1,x"], "--devices: expected numbers with commas, got '1,x'", id="devices"
        ),
        pytest.param(["--profile", "fog"], "'fog' is not one of 'calm', 'swarm', 'storm'", id="profile"),
    ],
)
def test_a_mistake_in_a_simulation_is_one_line_too(arguments, message, capsys):
    assert call(["simulate", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_help_has_examples_and_exit_codes():
    result = CliRunner().invoke(cli, ["local", "--help"])
    assert result.exit_code == 0
    for text in (
        "tapstack local --events 20000 --rate max --exit",
        "--faults [none|some|many]",
        "Exit codes:",
    ):
        assert text in result.output


def test_without_a_command_the_help_is_shown(capsys):
    assert call([]) == 2
    assert "local" in capsys.readouterr().err


def run_as_a_program(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        pytest.param("click", ["--help"], id="click"),
        pytest.param("aiohttp", ["local"], id="local"),
        pytest.param("rich", ["local"], id="local, rich"),
        pytest.param("greenlet", ["simulate"], id="simulate"),
        pytest.param("boto3", ["bootstrap"], id="bootstrap"),
        pytest.param("boto3", ["sources", "list", "--secret", "s"], id="sources"),
    ],
)
def test_a_package_that_is_not_installed_is_one_line(package, arguments):
    program = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv = ["tapstack", *{arguments!r}]
from tapstack.cli.__main__ import main
main()
"""
    done = run_as_a_program(program)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"tapstack: {package} is not installed: pip install 'tapstack[local]'\n"


def test_the_packages_of_the_extras_are_those_of_pyproject():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    needed = {line for extra in project["optional-dependencies"].values() for line in extra}
    modules = {re.match("[a-z0-9-]+", line)[0].replace("-", "_") for line in needed}
    assert modules - {"tapstack"} == EXTRAS


@pytest.fixture
def new_command(tmp_path, monkeypatch):
    """Put one file beside the commands that are there."""
    (tmp_path / "greet.py").write_text(
        """
import click

@click.command("greet", short_help="Greet somebody.")
@click.option("--name", required=True, help="Whom to greet.")
def command(name):
    click.echo(f"Hello, {name}!")
    return 3
"""
    )
    monkeypatch.setattr(tapstack.cli, "__path__", [*tapstack.cli.__path__, str(tmp_path)])
    yield
    sys.modules.pop("tapstack.cli.greet", None)
    vars(tapstack.cli).pop("greet", None)


@pytest.mark.usefixtures("new_command")
def test_a_new_command_is_one_file(capsys):
    assert call(["--help"]) == 0
    assert re.search(r"greet +Greet somebody\.", capsys.readouterr().out)
    assert call(["greet", "--name", "Ada"]) == 3
    assert capsys.readouterr().out == "Hello, Ada!\n"
    assert call(["greet"]) == 2
    assert capsys.readouterr().err == "tapstack: missing option '--name'; see 'tapstack greet --help'\n"


@pytest.mark.parametrize("command", [None, *cli.list_commands(click.Context(cli))])
def test_help_fits_80_columns_and_is_never_cut(command):
    arguments = [command, "--help"] if command else ["--help"]
    result = CliRunner().invoke(cli, arguments, terminal_width=80)
    assert result.exit_code == 0
    assert [line for line in result.output.splitlines() if len(line) > 80] == []
    assert not re.search(r"\w\.\.\.$", result.output, re.MULTILINE)


def test_each_command_has_one_line_of_its_own():
    output = CliRunner().invoke(cli, ["--help"], terminal_width=80).output
    lines = output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == cli.list_commands(click.Context(cli))
    assert all(line.endswith(".") for line in lines)


@pytest.mark.parametrize(
    ("command", "code"),
    [("simulate --seeds 1 2>&-", 0), ("--help >&- 2>&-", 0), ("send - <&-", 2), ("send - <&- 2>&-", 2)],
)
def test_a_stream_that_is_closed_is_no_failure_of_the_command(command: str, code: int) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m tapstack.cli {command}', sys.executable],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_file_that_is_there_needs_no_folder_that_can_be_written():
    path = "/dev/null" if os.geteuid() else "/proc/sys/kernel/hostname"  # root may write to /dev
    assert not os.access(Path(path).parent, os.W_OK)
    assert WrittenFile().convert(path, None, None) == Path(path)
    with pytest.raises(click.UsageError, match="a folder that can be written"):
        WrittenFile(is_replaced=True).convert(path, None, None)
