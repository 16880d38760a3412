"""A test can never reach a real account."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .guard import (
    WAYS_AROUND,
    NotLocal,
    guarded_environment,
    reasons_to_refuse,
    run_terraform,
    start_terraform,
)

SAFE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:5000",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
}


def test_a_local_endpoint_with_dummy_keys_is_let_through() -> None:
    assert reasons_to_refuse(SAFE) == []
    assert guarded_environment(SAFE).items() >= SAFE.items()


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_every_missing_part_is_a_reason(name: str) -> None:
    without = {key: value for key, value in SAFE.items() if key != name}
    assert any(reason.startswith(name) for reason in reasons_to_refuse(without))


@pytest.mark.parametrize(
    "url",
    [
        "https://kinesis.us-east-1.amazonaws.com",
        "http://localhost:5000",
        "http://127.0.0.1.example.com:5000",
        "http://127.0.0.1:5000@example.com",
        "http://127.0.0.1:5000/../x",
        "http://0.0.0.0:5000",
        "http://127.0.0.1",
        "",
    ],
)
def test_only_the_address_of_this_machine_is_local(url: str) -> None:
    assert reasons_to_refuse({**SAFE, "AWS_ENDPOINT_URL": url}) != []
    assert reasons_to_refuse({**SAFE, "AWS_ENDPOINT_URL_S3": url}) != []


@pytest.mark.parametrize(
    "change",
    [
        {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"},
        {"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
        {"AWS_SESSION_TOKEN": "a-real-token"},
        *({name: "anything"} for name in WAYS_AROUND),
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_could_open_an_account_is_refused(change: dict[str, str]) -> None:
    assert any(reason.startswith(next(iter(change))) for reason in reasons_to_refuse({**SAFE, **change}))


def test_files_and_metadata_are_closed() -> None:
    closed = guarded_environment(SAFE)
    assert closed["AWS_CONFIG_FILE"] == closed["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert closed["AWS_EC2_METADATA_DISABLED"] == "true"


@pytest.mark.parametrize("start", [run_terraform, start_terraform], ids=["run", "start"])
def test_nothing_is_started_without_a_local_endpoint(start: object, tmp_path: Path) -> None:
    witness = tmp_path / "started"
    with pytest.raises(NotLocal, match="AWS_ENDPOINT_URL is not set"):
        start(["-c", f"open({str(witness)!r}, 'w')"], {}, terraform=sys.executable)  # type: ignore[operator]
    assert not witness.exists()


def test_the_refusal_names_every_reason() -> None:
    with pytest.raises(NotLocal) as refusal:
        guarded_environment({"AWS_PROFILE": "production"})
    for part in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        assert part in str(refusal.value)


def test_the_command_refuses_with_its_own_status() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "infrastructure.guard", "version"],
        cwd=tests,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "real account" in done.stderr


def test_every_terraform_run_against_the_emulator_goes_through_the_guard() -> None:
    for name in ("local_stack.py", "cycle.py"):
        source = (Path(__file__).parent / name).read_text()
        assert "subprocess.run" not in source
        assert "subprocess.Popen(" not in source
