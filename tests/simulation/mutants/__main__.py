"""``python -m tests.simulation.mutants``: simulate each mutant until an invariant breaks."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .catalogue import MUTANTS, Mutant
from .patching import Stale, install

SEEDS_MAX = 200


def simulate_one(name: str, seeds: int) -> dict[str, object]:
    """Simulate one mutant in this process, which must not have imported the product before."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    install(mutant.edits)
    try:
        from tapstack.local.simulation import Plan, faults, run
    except Stale as error:
        return {"name": name, "killed_by": None, "error": str(error)}
    profile = "swarm"
    if mutant.faults:
        profile = "storm"  # every run draws all of the few faults
        faults.RATES = {fault: faults.RATES[fault] for fault in mutant.faults}
    for seed in range(seeds):
        outcome = run.simulate(Plan(seed=seed, profile=profile))
        if outcome.violation is not None:
            return {"name": name, "killed_by": seed, "violation": outcome.violation[:160]}
    return {"name": name, "killed_by": None}


def spawn(mutant: Mutant, seeds: int) -> dict[str, object]:
    began_s = time.monotonic()
    command = [sys.executable, "-m", "tests.simulation.mutants", "--one", mutant.name, "--seeds", str(seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        result = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        result = {"name": mutant.name, "killed_by": None, "error": done.stderr.strip()[-300:]}
    return {**result, "wall_s": round(time.monotonic() - began_s, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help="simulate this mutant alone, in this process")
    parser.add_argument("--only", help="names of mutants, with commas")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="seeds a mutant may survive")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true", help="print the last line only")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(simulate_one(options.one, options.seeds)))  # noqa: T201 - a command
        return 0
    chosen = [m for m in MUTANTS if not options.only or m.name in options.only.split(",")]
    surviving = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutant, result in zip(
            chosen, pool.map(lambda mutant: spawn(mutant, options.seeds), chosen), strict=True
        ):
            killed = result["killed_by"] is not None
            if not killed:
                surviving.append(mutant.name)
            if not options.json or not killed:
                fate = f"killed by seed {result['killed_by']}" if killed else "SURVIVES"
                detail = result.get("violation") or result.get("error") or ""
                stream = sys.stderr if options.json else sys.stdout
                line = f"{mutant.name:<32}{fate:<22}{result['wall_s']:>6} s  {mutant.guard}: {detail}"
                print(line, file=stream, flush=True)
    print(  # noqa: T201 - a command
        json.dumps({"mutants": len(chosen), "killed": len(chosen) - len(surviving), "surviving": surviving})
    )
    return 1 if surviving else 0


if __name__ == "__main__":
    sys.exit(main())
