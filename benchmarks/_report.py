"""How every benchmark reports."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

Figures = Mapping[str, float | int | str]


def progress(text: str) -> None:
    """Say what goes on; standard output is for the result."""
    print(text, file=sys.stderr, flush=True)


def options(name: str, description: str | None) -> argparse.ArgumentParser:
    """Make the parser of a benchmark's options, to be asked before anything is measured."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser


def finish(
    name: str, figures: Figures, peers: Mapping[str, Figures], ratios: Figures, *, as_json: bool
) -> None:
    """Print the result: one JSON object, or something to read."""
    result = {"name": name, "figures": figures, "peers": peers, "ratios": ratios, "machine": machine()}
    if as_json:
        print(json.dumps(result))
        return
    print(f"\n{name}")
    for title, rows in (
        ("figures", figures),
        *((f"peer {peer}", rows) for peer, rows in peers.items()),
        ("ratios", ratios),
    ):
        print(f"  {title}")
        for key, value in rows.items():
            print(
                f"    {key:44} {value:>14,.3f}" if isinstance(value, float) else f"    {key:44} {value:>14}"
            )


def machine() -> dict[str, str | int]:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
