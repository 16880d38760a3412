"""Where Terraform, its provider and checkov are on this machine, or why they are not."""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "lib"
PROVIDER = Path("registry.terraform.io/hashicorp/aws")


class Missing(Exception):  # noqa: N818 - reads as the reason of a skip
    """A tool is not here; the message is the reason for a skipped test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """A root module that is ready for validate, test and plan.

    Attributes
    ----------
    env
        The environment to run Terraform with.
    plugin_arguments
        What `terraform init` needs on this machine to find the provider.
    """

    env: dict[str, str]
    plugin_arguments: tuple[str, ...]


def program(name: str) -> str:
    """Find a program beside this Python, else on the path.

    Raises
    ------
    Missing
        If it is in neither place.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def mirrors() -> Iterator[Path]:
    """Yield the folders that may hold the provider, the most explicit first.

    References
    ----------
    .. [1] https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories,
       read 2026-11-23
    """
    if named := os.environ.get("TAPSTACK_TF_PLUGIN_DIR"):
        yield Path(named)
    yield LIB / "terraform.d/plugins"
    yield Path.home() / ".terraform.d/plugins"
    yield Path(os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local/share"))) / "terraform/plugins"
    for folder in os.environ.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":"):
        yield Path(folder) / "terraform/plugins"
    optional_software = Path("/opt")
    if optional_software.is_dir():
        yield from sorted(child for child in optional_software.iterdir() if child.is_dir())


def mirror_with_provider() -> Path | None:
    """Find the first mirror that holds the AWS provider for this machine."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    packed, unpacked = (
        f"*{platform.system().lower()}_{machine}.zip",
        f"*/{platform.system().lower()}_{machine}",
    )
    for mirror in mirrors():
        folder = mirror / PROVIDER
        if folder.is_dir() and (any(folder.glob(packed)) or any(folder.glob(unpacked))):
            return mirror
    return None


def _init(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Without TF_PLUGIN_CACHE and the like: a plain init, with the folder for its results outside lib/.
    command = [
        program("terraform"),
        f"-chdir={LIB}",
        "init",
        "-backend=false",
        "-input=false",
        "-no-color",
        *arguments,
    ]
    env = terraform_environment(data_dir)
    return subprocess.run(command, env=env, text=True, capture_output=True, check=False, timeout=300)


def terraform_environment(data_dir: Path) -> dict[str, str]:
    """Give the environment for Terraform runs that need no AWS: nothing of the caller's account in it."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "TF_VAR_", "TF_CLI_ARGS"))
    }
    ours = {"TF_DATA_DIR": str(data_dir), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    # The provider builds its schemas anew for each run: a quarter of that CPU is Go's garbage collector.
    return {"GOGC": "400", **env, **ours}


@functools.cache
def initialise(data_dir: Path) -> Initialised:
    """Initialise lib/ with the provider, from the registry or from a mirror.

    Parameters
    ----------
    data_dir
        A folder for what init fetches.

    Returns
    -------
    Initialised
        How to go on.

    Raises
    ------
    Missing
        If there is no Terraform, or no provider anywhere.
    """
    plain = _init(data_dir, "-lockfile=readonly")
    if plain.returncode == 0:
        return Initialised(env=terraform_environment(data_dir), plugin_arguments=())
    mirror = mirror_with_provider()
    if mirror is None:
        last_line = (plain.stderr.strip().splitlines() or ["no message"])[-1]
        raise Missing(
            "the AWS provider is in no registry and no mirror that is reachable here; "
            f"set TAPSTACK_TF_PLUGIN_DIR ({last_line})"
        )
    arguments = (f"-plugin-dir={mirror}",)
    mirrored = _init(data_dir, "-lockfile=readonly", *arguments)
    if mirrored.returncode != 0:
        raise Missing(
            f"the provider in {mirror} does not fit the lock file: {mirrored.stderr.strip()[-300:]}"
        )
    return Initialised(env=terraform_environment(data_dir), plugin_arguments=arguments)
