"""The SDKs that `make sdk-test` installs, and how each is run."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

CLIENTS = Path(__file__).parent / "clients"
INSTALLED = Path(__file__).parents[2] / ".tapstack" / "sdk"
PATIENCE_S = 180


class Sdk(NamedTuple):
    """A client: the interpreter, the script, and its further arguments."""

    interpreter: str
    script: str
    arguments: tuple[str, ...] = ()


SDKS = {
    "segment-analytics-python 2.4": Sdk("python", "segment_python.py"),
    "segment-analytics-python 2.3": Sdk("python-old", "segment_python.py"),
    "rudder-sdk-python": Sdk("python", "rudder_python.py"),
    "snowplow-tracker by POST": Sdk("python", "snowplow_python.py"),
    "snowplow-tracker by GET": Sdk("python", "snowplow_python.py", ("get",)),
    "posthog": Sdk("python", "posthog_python.py"),
    "boto3 personalize-events": Sdk("python", "personalize_boto3.py"),
    "@segment/analytics-node": Sdk("node", "segment_node.mjs"),
    "@rudderstack/rudder-sdk-node": Sdk("node", "rudder_node.mjs"),
    "@snowplow/node-tracker": Sdk("node", "snowplow_node.mjs"),
    "posthog-node": Sdk("node", "posthog_node.mjs"),
}
# Versions that many services still have: they have to be counted right, and are not put through outages.
OLDER = {
    "rudder-sdk-python 2.0": Sdk("python-old", "rudder_python.py"),
    "snowplow-tracker 1.0": Sdk("python-old", "snowplow_python.py"),
    "posthog 3": Sdk("python-old", "posthog_python.py"),
    "@segment/analytics-node 1": Sdk("node-old", "segment_node.mjs"),
    "@rudderstack/rudder-sdk-node 2": Sdk("node-old", "rudder_node.mjs"),
    "posthog-node 4": Sdk("node-old", "posthog_node.mjs"),
}


def command(sdk: Sdk) -> list[str]:
    """Return how to run a client; skips the test if it is not installed."""
    if not sdk.interpreter.startswith("node"):
        python = INSTALLED / sdk.interpreter / "bin" / "python"
        if not python.exists():
            pytest.skip("needs SDKs in a venv of their own: make sdk-test")
        return [str(python), str(CLIENTS / sdk.script)]
    node = shutil.which("node")
    if node is None or not (INSTALLED / sdk.interpreter / "node_modules").is_dir():
        pytest.skip("needs node, npm and the SDKs from npm: make sdk-test")
    script = INSTALLED / sdk.interpreter / sdk.script  # beside the packages that it imports
    shutil.copy(CLIENTS / sdk.script, script)
    return [node, str(script)]


async def run(sdk: Sdk, base_url: str, count: int) -> tuple[int | None, str]:
    """Let a client send events; return its exit code and what it said."""
    child = await asyncio.create_subprocess_exec(
        *command(sdk), base_url, str(count), *sdk.arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    return child.returncode, said.decode(errors="replace")[-2_000:]
