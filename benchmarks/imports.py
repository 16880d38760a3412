"""Import time of each Lambda function, in a fresh interpreter, beside boto3 alone.

From its zip, unpacked, with the standard library and nothing else to import; the collector also with a schema
of events, which it compiles. The consumer also from the checkout, where a library that only the tools need
(typing_extensions) is imported if it is there, and as Lambda finds it: a zip holds no compiled files, and
Lambda keeps none. All others have been compiled before. They take turns, since a machine that others use too
changes its speed within a run, and each begins a turn as often as the others.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from benchmarks._report import finish, options, progress
from benchmarks.consumer import ENVIRONMENT
from tapstack.deploy.package import FUNCTIONS, Architecture, build

RUNS = 15
WITH_SCHEMA = "collector_with_a_schema"
ROOT = Path(__file__).parents[1]
MACHINES: dict[str, Architecture] = {"x86_64": "x86_64", "aarch64": "arm64"}
EXTRA = {
    "TAPSTACK_STREAM": "clicks",
    "TAPSTACK_QUARANTINE_BUCKET": "quarantine",
    "TAPSTACK_SPILL_BUCKET": "spill",
    "TAPSTACK_EVENT_BYTES_MAX": "32768",
    "TAPSTACK_REQUEST_BYTES_MAX": "1000000",
}
SCHEMA = '{"x-tapstack": {"strictness": "quarantine", "event_types": ["purchase"]}, "required": ["currency"]}'
CODE = (
    "import sys; sys.path[:0] = {paths!r}; import time; start = time.perf_counter(); import {module}; "
    "print((time.perf_counter() - start) * 1000)"
)


def import_ms(module: str, paths: list[str], *flags: str) -> float:
    """Import a module once, with the standard library and `paths`."""
    environment = {**os.environ, **ENVIRONMENT, **EXTRA}
    if Path(paths[0], "schemas").exists():
        environment |= {"TAPSTACK_SCHEMAS": "schemas", "LAMBDA_TASK_ROOT": paths[0]}
    environment.pop("AWS_ENDPOINT_URL", None)  # with TLS, as in Lambda
    command = [sys.executable, "-I", "-S", *flags, "-c", CODE.format(paths=paths, module=module)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def unpacked(folder: Path) -> dict[str, list[str]]:
    """Build the functions' zips for this machine; tell where each is unpacked."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    schema = folder / "schemas" / "purchase" / "1.json"
    schema.parent.mkdir(parents=True)
    schema.write_text(SCHEMA)
    for place, schemas in ((folder, None), (folder / WITH_SCHEMA, folder / "schemas")):
        for package in build(ROOT, place, MACHINES[platform.machine()], python, schemas=schemas):
            with zipfile.ZipFile(package.path) as archive:
                archive.extractall(place / package.function)
                archive.extractall(place / "uncompiled" / package.function)
    return {
        **{function: [str(folder / function)] for function in FUNCTIONS},
        WITH_SCHEMA: [str(folder / WITH_SCHEMA / "collector")],
    }


def measure(shipped: dict[str, list[str]], uncompiled: Path) -> dict[str, float]:
    """Return the medians; the first run warms the disk's cache and the compiled files."""
    here = [str(ROOT / "src"), sysconfig.get_path("purelib")]
    entry = "tapstack.entrypoints."
    cases: dict[str, tuple[str, list[str], *tuple[str, ...]]] = {
        f"{name}_ms": (entry + name.removesuffix("_with_a_schema"), paths) for name, paths in shipped.items()
    }
    cases |= {"consumer_checkout_ms": (f"{entry}consumer", here), "boto3_ms": ("boto3", here)}
    if shipped:
        cases["consumer_uncompiled_ms"] = (f"{entry}consumer", [str(uncompiled / "consumer")], "-B")
    times: dict[str, list[float]] = {name: [] for name in cases}
    for run in range(RUNS + 1):
        progress(f"run {run} of {RUNS}")
        order = list(cases)
        for name in order[run % len(order) :] + order[: run % len(order)]:
            times[name].append(import_ms(*cases[name]))
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def main() -> None:
    """Measure."""
    as_json = options("imports", __doc__).parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        if platform.system() == "Linux" and platform.machine() in MACHINES:
            progress("building the functions' zips")
            shipped = unpacked(Path(folder))
        else:
            progress("skipped as shipped: the zips hold Linux code, and this machine cannot run it")
            shipped = {}
        figures = measure(shipped, Path(folder, "uncompiled"))
    boto3 = figures.pop("boto3_ms")
    ratios = {f"{name.removesuffix('_ms')}_to_boto3": found / boto3 for name, found in figures.items()}
    finish("imports", figures, {"boto3": {"ms": boto3}}, ratios, as_json=as_json)


if __name__ == "__main__":
    main()
