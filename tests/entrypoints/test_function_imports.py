"""What a function imports, and that a missing variable fails its import."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from functions_world import ENVIRONMENT, Cloud

STAGES = {
    "consumer": "consumer",
    "projector": "projections",
    "collector": "collector",
    "drainer": "collector",
    "insights": "insights",
}


@pytest.mark.parametrize("function", STAGES)
def test_a_function_imports_its_own_stage_and_no_boto3(function: str) -> None:
    others = set(STAGES.values()) - {STAGES[function]}
    script = f"import sys, tapstack.entrypoints.{function}; print(*sys.modules)"
    environment = {**ENVIRONMENT, "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {name.partition(".")[0] for name in loaded}.isdisjoint(
        {"boto3", "botocore", "aiohttp", "click", "rich"}
    )
    assert not {f"tapstack.{stage}" for stage in (*others, "testing", "local")} & loaded
    if STAGES[function] == "collector":  # it knows no rows
        assert not {f"tapstack.core.{name}" for name in ("history", "journal", "ranking", "rows")} & loaded


@pytest.mark.parametrize("function", STAGES)
def test_a_missing_variable_fails_the_import_with_its_name(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    name = "TAPSTACK_STREAM" if STAGES[function] == "collector" else "TAPSTACK_TABLE"
    monkeypatch.delenv(name)
    with pytest.raises(Exception, match=f"^{name}: is required$"):
        cloud.function(function)
