"""What the tests share: the stack as Terraform says it is, and one run on it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from infrastructure.toolbox import Missing
from tapstack_emulator.call_recorder import calls_from_json

from .exercise import Exercised, NoWheels, exercise, packaged
from .iam_requests import Request, requests
from .rendered import Rendered, rendered


@pytest.fixture(scope="session")
def stack() -> Rendered:
    """Give the stack of the state that the environment names, else of a plan, or skip."""
    try:
        return rendered()
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the zips that the environment names, else build them."""
    try:
        return packaged(tmp_path_factory.mktemp("packages"))
    except NoWheels as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def exercised(stack: Rendered, packages: Path) -> Exercised:
    """Run the pipeline on the stack."""
    return exercise(stack.document, packages)


@pytest.fixture(scope="session")
def asked(stack: Rendered, exercised: Exercised) -> list[Request]:
    """Give every request: of the run, of a longer run that the environment names, and what they imply."""
    named = os.environ.get("TAPSTACK_CALLS")
    more = calls_from_json(Path(named).read_bytes()) if named else Counter()
    return requests(sorted({*exercised.calls, *more}), stack)
