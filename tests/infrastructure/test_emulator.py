"""The emulator, and the state backend on it. What passes here was shown on an emulator only."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="moto lives in .venv-infra; run `make infra-test`")

from .emulator.patching import adds, replaces
from .emulator.process import TESTS, running_emulator
from .local_stack import LocalStack
from .toolbox import Initialised

LIST_PATCHES = """
import infrastructure.emulator.__main__
from infrastructure.emulator.patching import APPLIED
for patch in APPLIED: print(patch.target, '|', patch.why)
"""


class Example:
    def method(self) -> str:
        return "moto"

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__


def test_every_patch_is_applied_once_and_says_why() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIST_PATCHES], cwd=TESTS, text=True, capture_output=True, check=True
    )
    patches = [line.split(" | ") for line in done.stdout.splitlines()]
    assert len({target for target, _ in patches}) == len(patches) >= 10
    assert all(len(why) > 30 for _, why in patches)


def test_a_patch_of_something_that_moto_lost_is_an_error() -> None:
    with pytest.raises(AttributeError):
        replaces(Example, "gone", why="")


def test_a_patch_that_moto_made_needless_is_an_error() -> None:
    with pytest.raises(AttributeError, match="remove the patch"):
        adds(Example, "method", why="")


def test_a_replacement_gets_the_original() -> None:
    replaces(Example, "method", why="")(lambda original, self: original(self) + " patched")
    replaces(Example, "of_class", why="")(lambda original, cls: f"{original()} of {cls.__name__}")
    assert Example().method() == "moto patched"
    assert Example.of_class() == "Example of Example"


def test_the_modules_import_without_starting_a_server() -> None:
    assert importlib.import_module("moto").__version__ == "5.2.5"


@pytest.fixture
def stack(initialised: Initialised, tmp_path: Path) -> Iterator[LocalStack]:
    """Give a stack with an empty state in S3 on a running emulator."""
    del initialised
    with running_emulator(tmp_path / "emulator.log") as endpoint:
        stack = LocalStack(endpoint=endpoint, folder=tmp_path)
        stack.make_state_bucket()
        stack.init()
        yield stack


@pytest.mark.slow
@pytest.mark.emulator
def test_a_second_run_is_refused_while_the_first_holds_the_lock(stack: LocalStack) -> None:
    first = stack.start_apply_that_waits_for_a_yes()
    assert first.stdin is not None
    assert first.stdout is not None
    shown = ""
    while "Enter a value" not in shown:
        piece = first.stdout.read(1)
        assert piece, shown
        shown += piece

    second = stack.terraform("plan", "-lock-timeout=0s", *stack.plan_arguments(), expected=(1,))
    assert "Error acquiring the state lock" in second.stderr
    assert "Lock Info" in second.stderr
    assert "OperationTypeApply" in second.stderr
    assert "tapstack/local/terraform.tfstate" in second.stderr

    first.communicate("no\n", timeout=60)
    assert first.returncode == 1, "the first run was told not to apply"
    third = stack.terraform("plan", "-lock-timeout=0s", *stack.plan_arguments())
    assert "to add, 0 to change, 0 to destroy" in third.stdout
