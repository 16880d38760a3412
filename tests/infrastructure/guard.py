"""Terraform for tests, which can never reach a real account.

Every Terraform run against the emulator goes through `guarded_environment`. It refuses to start unless
the environment points at this machine and holds nothing that could open a real account; then it hands
Terraform an environment in which the ways around the endpoint (profiles, configuration files, instance
metadata) are closed.

From a shell: ``python -m infrastructure.guard -chdir=../lib plan``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

LOCAL_ENDPOINT = re.compile(r"http://127\.0\.0\.1:[0-9]{2,5}/?")
"""The address, not a name: a name could be made to lead elsewhere."""

DUMMY_KEYS = frozenset({"test", "testing", "dummy"})
"""Nothing that AWS would ever issue: real key ids have 20 characters."""

WAYS_AROUND = {
    "AWS_PROFILE": "a profile may hold real credentials",
    "AWS_DEFAULT_PROFILE": "a profile may hold real credentials",
    "AWS_ROLE_ARN": "a role would be assumed with real credentials",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "a web identity opens a real account",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "a container's credentials open a real account",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "a container's credentials open a real account",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "it makes Terraform ignore the local endpoint",
    "AWS_CONFIG_FILE": "a configuration file may name real credentials",
    "AWS_SHARED_CREDENTIALS_FILE": "a credentials file holds real credentials",
}


class NotLocal(Exception):  # noqa: N818 - says what the environment is
    """Terraform was not started, because it might have reached a real account."""


def reasons_to_refuse(env: Mapping[str, str]) -> list[str]:
    """Say why Terraform must not run with this environment.

    Parameters
    ----------
    env
        The environment that Terraform would get.

    Returns
    -------
    list[str]
        One sentence a reason; empty when it may run.
    """
    reasons = []
    if "AWS_ENDPOINT_URL" not in env:
        reasons.append("AWS_ENDPOINT_URL is not set: requests would go to AWS")
    reasons += [
        f"{name} must be http://127.0.0.1:PORT"
        for name, value in env.items()
        if name.startswith("AWS_ENDPOINT_URL") and not LOCAL_ENDPOINT.fullmatch(value)
    ]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if env.get(name) not in DUMMY_KEYS:
            reasons.append(f"{name} must be one of {', '.join(sorted(DUMMY_KEYS))}")
    if env.get("AWS_SESSION_TOKEN", "testing") not in DUMMY_KEYS:
        reasons.append("AWS_SESSION_TOKEN is set: it belongs to real credentials")
    reasons += [f"{name} is set: {why}" for name, why in WAYS_AROUND.items() if name in env]
    return reasons


def guarded_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Check an environment and close the ways around the local endpoint.

    Parameters
    ----------
    env
        The environment that the caller wants Terraform to have.

    Returns
    -------
    dict[str, str]
        What to start Terraform with.

    Raises
    ------
    NotLocal
        Naming every reason.
    """
    if reasons := reasons_to_refuse(env):
        raise NotLocal(
            "Terraform was not started, because it might reach a real account:\n- " + "\n- ".join(reasons)
        )
    return {
        **env,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def run_terraform(
    arguments: Sequence[str], env: Mapping[str, str], *, terraform: str = "terraform"
) -> subprocess.CompletedProcess[str]:
    """Run Terraform against the emulator and wait for it.

    Parameters
    ----------
    arguments
        As on the command line, without the program.
    env
        The environment; checked first.
    terraform
        The program.

    Returns
    -------
    subprocess.CompletedProcess[str]
        Exit status and everything that it wrote.

    Raises
    ------
    NotLocal
        Before anything is started.
    """
    checked = guarded_environment(env)
    return subprocess.run([terraform, *arguments], env=checked, text=True, capture_output=True, check=False)


def start_terraform(
    arguments: Sequence[str], env: Mapping[str, str], *, terraform: str = "terraform"
) -> subprocess.Popen[str]:
    """Start Terraform against the emulator and return while it runs, with pipes to it.

    The parameters and the refusal are those of `run_terraform`.
    """
    checked = guarded_environment(env)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [terraform, *arguments], env=checked, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
    )


def main() -> int:
    """Run Terraform with this process's own environment, if that is safe."""
    try:
        checked = guarded_environment(os.environ)
    except NotLocal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 2
    return subprocess.run(["terraform", *sys.argv[1:]], env=checked, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
