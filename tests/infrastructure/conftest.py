"""Fixtures that find tools or skip with the reason."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .toolbox import Initialised, Missing, initialise, program


@pytest.fixture(scope="session")
def terraform() -> str:
    """Give Terraform, or skip."""
    if importlib.util.find_spec("hcl2") is None:
        pytest.skip("a part of `make infra-test`, which has an environment of its own")
    try:
        return program("terraform")
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def initialised(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> Initialised:
    """Give an initialised root module, or skip."""
    del terraform
    try:
        return initialise(Path(tmp_path_factory.mktemp("terraform-data")))
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def checkov() -> str:
    """Give checkov, or skip."""
    try:
        return program("checkov")
    except Missing as reason:
        pytest.skip(f"{reason}; it lives in .venv-infra, run `make infra-test`")
