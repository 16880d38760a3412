"""The built wheel, installed into empty environments: `make wheel-test`.

All other tests run from the checkout with every extra installed; these show that the wheel is complete.
Versions and hashes are those of requirements.lock.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
DISTRIBUTIONS = (
    "from importlib.metadata import distributions; print(*sorted(d.name for d in distributions()))"
)
HANDLERS = {
    "consumer": {
        "TAPSTACK_TABLE": "t",
        "TAPSTACK_QUARANTINE_BUCKET": "q",
        "TAPSTACK_LATE_BUCKET": "l",
        "TAPSTACK_LANES": "4",
        "TAPSTACK_ROW_TTL_DAYS": "400",
        "TAPSTACK_HISTORY_INTERACTIONS": "500",
        "TAPSTACK_HISTORY_DAYS": "90",
        "TAPSTACK_EVENT_AGE_MAX_DAYS": "30",
        "TAPSTACK_SEARCH_USERS_MIN": "5",
    },
    "collector": {
        "TAPSTACK_STREAM": "s",
        "TAPSTACK_QUARANTINE_BUCKET": "q",
        "TAPSTACK_SPILL_BUCKET": "p",
        "TAPSTACK_EVENT_BYTES_MAX": "16384",
        "TAPSTACK_EVENT_AGE_MAX_DAYS": "30",
        "TAPSTACK_REQUEST_BYTES_MAX": "1048576",
    },
    "drainer": {"TAPSTACK_STREAM": "s", "TAPSTACK_SPILL_BUCKET": "p"},
    "insights": {
        "TAPSTACK_TABLE": "t",
        "TAPSTACK_HISTORY_INTERACTIONS": "500",
        "TAPSTACK_HISTORY_DAYS": "90",
    },
}
IN_LAMBDA = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}


def uv(*arguments):
    subprocess.run([UV, "--quiet", *arguments], check=True)


def environment(folder, requirement):
    uv("venv", "--python", sys.executable, folder)
    uv("pip", "install", "--python", folder, "--constraint", ROOT / "requirements.lock", requirement)
    return folder / "bin"


def run(*command, cwd, env=None):
    return subprocess.run(
        command, cwd=cwd, env=env or {}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    return environment(tmp_path_factory.mktemp("bare"), f"tapstack @ {wheel.as_uri()}")


@pytest.fixture(scope="module")
def local(wheel, tmp_path_factory):
    return environment(tmp_path_factory.mktemp("local"), f"tapstack[local] @ {wheel.as_uri()}")


def test_without_extras_it_needs_what_lambda_gets_and_nothing_else(bare, tmp_path):
    assert run(bare / "python", "-c", DISTRIBUTIONS, cwd=tmp_path).stdout.split() == [
        "httpagentparser",
        "httptools",
        "msgspec",
        "tapstack",
    ]


def test_the_producers_extra_is_one_package_and_works(wheel, tmp_path):
    python = environment(tmp_path / "producer", f"tapstack[producer] @ {wheel.as_uri()}") / "python"
    assert run(python, "-c", DISTRIBUTIONS, cwd=tmp_path).stdout.split() == [
        "httpagentparser",
        "httptools",
        "msgspec",
        "tapstack",
        "urllib3",
    ]
    program = """
from tapstack import Producer
with Producer("http://127.0.0.1:1", journal="journal") as producer:
    producer.track("search", user_id="u")
    producer.close(0)
print(producer.stats.pending)
"""
    assert run(python, "-c", program, cwd=tmp_path).stdout == "1\n"


def test_the_clients_extra_is_one_package_and_works(wheel, tmp_path):
    python = environment(tmp_path / "client", f"tapstack[client] @ {wheel.as_uri()}") / "python"
    assert run(python, "-c", DISTRIBUTIONS, cwd=tmp_path).stdout.split() == [
        "httpagentparser",
        "httptools",
        "msgspec",
        "tapstack",
        "urllib3",
    ]
    program = """
from tapstack import Insights
from tapstack.client import Unavailable
try:
    Insights("http://127.0.0.1:1", retries=0).status()
except Unavailable:
    print("unavailable")
"""
    assert run(python, "-c", program, cwd=tmp_path).stdout == "unavailable\n"


@pytest.mark.parametrize("function", HANDLERS)
def test_without_extras_a_handler_is_imported(function, bare, tmp_path):
    program = f"from tapstack.entrypoints.{function} import handler; print(callable(handler))"
    done = run(bare / "python", "-c", program, cwd=tmp_path, env=IN_LAMBDA | HANDLERS[function])
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_without_extras_the_command_says_what_to_install(bare, tmp_path):
    done = run(bare / "tapstack", "--help", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "tapstack: click is not installed: pip install 'tapstack[local]'\n"


def test_with_local_the_pipeline_runs_from_any_folder(local, tmp_path):
    arguments = ["local", "--events", "500", "--rate", "max", "--port", "0", "--exit", "--quiet"]
    done = run(local / "tapstack", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "0 lost" in done.stdout
    assert list(tmp_path.iterdir()) == []
