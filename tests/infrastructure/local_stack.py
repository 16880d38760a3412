"""The whole stack on the emulator: state bucket, init with the S3 backend, plan, apply, destroy.

Every Terraform run goes through `guard.run_terraform`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from .guard import run_terraform, start_terraform
from .toolbox import LIB, ROOT, initialise, program

STATE_BUCKET = "tapstack-state-emulator"
STATE_KEY = "tapstack/local/terraform.tfstate"
REGION = "us-east-1"
FUNCTIONS = ("consumer", "projector", "drainer", "collector", "insights")
DESTROYABLE = {"deletion_protection": "false", "force_destroy_buckets": "true"}


class TerraformFailed(Exception):  # noqa: N818 - says what happened
    """Terraform ended with another status than expected; the message holds its output."""


def packages(folder: Path) -> Path:
    """Give the folder of the functions' zips: dist/ if they are built, else placeholders.

    Parameters
    ----------
    folder
        Where placeholders may be written.
    """
    built = ROOT / "dist"
    if all((built / f"{name}.zip").exists() for name in FUNCTIONS):
        return built
    folder.mkdir(parents=True, exist_ok=True)
    for name in FUNCTIONS:
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as package:
            entry = zipfile.ZipInfo(
                "placeholder.txt", date_time=(1980, 1, 1, 0, 0, 0)
            )  # the same bytes each time
            package.writestr(entry, "Stands in for the package that `make package` builds.\n")
    return folder


def local_environment(endpoint: str) -> dict[str, str]:
    """Give the AWS variables that lead to the emulator and nowhere else."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        # What the emulator lacks, it answers with 500, which the default retries for minutes.
        "AWS_MAX_ATTEMPTS": "2",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """The stack on one emulator.

    Attributes
    ----------
    endpoint
        Address of the emulator.
    folder
        Where backend.hcl, plugins and placeholders are kept.
    variables
        Terraform variables that differ from the defaults.
    """

    endpoint: str
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def source(self) -> Path:
        """Give a copy of lib/, made once, so that an edit meanwhile does not look like drift."""
        copy = self.folder / "lib"
        if not copy.exists():
            shutil.copytree(LIB, copy, ignore=shutil.ignore_patterns(".terraform", "tests", "*.tfvars"))
        return copy

    def environment(self) -> dict[str, str]:
        """Give Terraform's environment: the emulator's, and a data folder apart from lib/."""
        ready = initialise(self.folder / "plugins")
        backend_data = {"TF_DATA_DIR": str(self.folder / "data")}
        return {**ready.env, **backend_data, **local_environment(self.endpoint)}

    def make_state_bucket(self) -> None:
        """Make the versioned bucket that `tapstack bootstrap` makes in an account."""
        s3 = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        s3.create_bucket(Bucket=STATE_BUCKET)
        s3.put_bucket_versioning(Bucket=STATE_BUCKET, VersioningConfiguration={"Status": "Enabled"})

    def write_backend_file(self) -> Path:
        """Write backend.hcl, as an operator would, for the emulator."""
        path = self.folder / "backend.hcl"
        path.write_text(f'bucket = "{STATE_BUCKET}"\nkey    = "{STATE_KEY}"\nregion = "{REGION}"\n')
        return path

    def terraform(self, *arguments: str, expected: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """Run Terraform in lib/ through the guard.

        Raises
        ------
        TerraformFailed
            If it ends with another status than `expected`.
        """
        done = run_terraform(
            [f"-chdir={self.source()}", *arguments], self.environment(), terraform=program("terraform")
        )
        if done.returncode not in expected:
            raise TerraformFailed(
                f"terraform {arguments[0]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def init(self) -> None:
        """Initialise with the S3 backend on the emulator."""
        ready = initialise(self.folder / "plugins")
        backend = f"-backend-config={self.write_backend_file()}"
        self.terraform(
            "init", "-input=false", "-no-color", "-lockfile=readonly", backend, *ready.plugin_arguments
        )

    def start_apply_that_waits_for_a_yes(self) -> subprocess.Popen[str]:
        """Start an apply that holds the state's lock until somebody answers its question.

        It is of the VPC alone: the lock is that of the whole state, and is there sooner.
        """
        interactive = [argument for argument in self._arguments() if argument != "-input=false"]
        return start_terraform(
            [f"-chdir={self.source()}", "apply", "-target=aws_vpc.main", *interactive],
            self.environment(),
            terraform=program("terraform"),
        )

    def plan_arguments(self) -> list[str]:
        """Give the arguments of every plan of this stack."""
        return self._arguments()

    def _arguments(self) -> list[str]:
        values = {"package_dir": str(packages(self.folder / "packages")), **DESTROYABLE, **self.variables}
        return ["-input=false", "-no-color", *(f"-var={name}={value}" for name, value in values.items())]

    def apply(self) -> str:
        """Apply, and return what Terraform wrote."""
        return self.terraform("apply", "-auto-approve", *self._arguments()).stdout

    def plan_again(self) -> str:
        """Plan after an apply, and return what Terraform wrote.

        Raises
        ------
        TerraformFailed
            If anything would change.
        """
        return self.terraform("plan", "-detailed-exitcode", *self._arguments()).stdout

    def state(self) -> dict[str, Any]:
        """Read the state, with every value as applied."""
        state: dict[str, Any] = json.loads(self.terraform("show", "-json").stdout)
        return state

    def destroy(self) -> str:
        """Destroy, and return what Terraform wrote."""
        return self.terraform("destroy", "-auto-approve", *self._arguments()).stdout
