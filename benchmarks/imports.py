"""Import time of each Lambda function, in a fresh interpreter, beside boto3 alone."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

from benchmarks._report import finish, options, progress
from benchmarks.consumer import ENVIRONMENT

RUNS = 9
EXTRA = {
    "TAPSTACK_STREAM": "clicks",
    "TAPSTACK_EVENT_BYTES_MAX": "32768",
    "TAPSTACK_REQUEST_BYTES_MAX": "1000000",
}
CODE = (
    "import time; start = time.perf_counter(); import {module}; print((time.perf_counter() - start) * 1000)"
)


def import_ms(module: str) -> float:
    """Tell the median; the first run warms the disk's cache and the compiled files."""
    environment = {**os.environ, **ENVIRONMENT, **EXTRA}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CODE.format(module=module)]
    times = [
        float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
        for _ in range(RUNS + 1)
    ]
    return statistics.median(times[1:])


def main() -> None:
    """Measure."""
    as_json = options("imports", __doc__).parse_args().json
    functions = {}
    for name in ("consumer", "collector", "insights"):
        progress(f"importing {name}")
        functions[f"{name}_ms"] = import_ms(f"tapstack.entrypoints.{name}")
    progress("importing boto3")
    boto3 = import_ms("boto3")
    finish(
        "imports",
        functions,
        {"boto3": {"ms": boto3}},
        {"consumer_to_boto3": functions["consumer_ms"] / boto3},
        as_json=as_json,
    )


if __name__ == "__main__":
    main()
