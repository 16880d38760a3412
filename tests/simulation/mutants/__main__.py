"""``python -m tests.simulation.mutants``: simulate each mutant until an invariant breaks.

A design that failed on paper has to hold without faults first, and then to fail by its own: as the design
page says, by counting twice or by losing. One that breaks without faults counts as surviving.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .catalogue import MUTANTS, Mutant
from .patching import Stale, install

SEEDS_MAX = 200
CALM_SEEDS = 25  # that a failed design has to hold without faults; fewer in `make test`
SHRINKING_RUNS_MAX = 60


def simulate_one(name: str, seeds: int, calm_seeds: int = CALM_SEEDS) -> dict[str, object]:
    """Simulate one mutant in this process, which must not have imported the product before."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    install(mutant.edits)
    try:
        from tapstack_simulation import Plan, faults, run
        from tapstack_simulation.shrink import shrink
    except Stale as error:
        return {"name": name, "killed_by": None, "error": str(error)}
    gc.freeze()  # as in the workers of a campaign
    result: dict[str, object] = {"name": name, "killed_by": None}
    if mutant.invariants:
        for seed in range(calm_seeds):
            violation = run.simulate(Plan(seed=seed, profile="calm")).violation
            if violation is not None:
                return {**result, "error": f"dies without any fault, at seed {seed}: {violation[:160]}"}
        result["calm_seeds"] = calm_seeds
    if mutant.faults:
        faults.RATES = {fault: faults.RATES[fault] for fault in mutant.faults}
    for seed in range(seeds):
        # Every run of a storm draws all of the few faults.
        plan = Plan(seed=seed, profile="storm" if mutant.faults else "swarm")
        outcome = run.simulate(plan)
        if outcome.violation is None:
            continue
        invariant = broken(outcome.violation)
        if mutant.invariants and invariant not in mutant.invariants:
            continue  # not what the design is said to do
        result |= {"killed_by": seed, "invariant": invariant, "violation": outcome.violation[:160]}
        if mutant.invariants:
            small = shrink(plan, outcome, runs_max=SHRINKING_RUNS_MAX).outcome
            result["faults"] = sorted({decision.split(":")[1] for decision in small.decisions})
        return result
    return result


def broken(violation: str) -> int | None:
    """Return the number of the invariant that broke; None if the run failed otherwise."""
    found = re.match(r"invariant (\d+):", violation)
    return None if found is None else int(found[1])


def spawn(mutant: Mutant, seeds: int) -> dict[str, object]:
    began_s = time.monotonic()
    command = [sys.executable, "-m", "tests.simulation.mutants", "--one", mutant.name, "--seeds", str(seeds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        result = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        result = {"name": mutant.name, "killed_by": None, "error": done.stderr.strip()[-300:]}
    return {**result, "wall_s": round(time.monotonic() - began_s, 1)}


def described(mutant: Mutant, result: dict[str, object]) -> str:
    """Describe a mutant's fate in a line."""
    invariant = result.get("invariant")
    what = "a failure" if invariant is None else f"invariant {invariant}"
    is_killed = result["killed_by"] is not None
    fate = f"killed by seed {result['killed_by']}, {what}" if is_killed else "SURVIVES"
    said = [f"{mutant.name:<34}{fate:<33}{result['wall_s']:>6} s "]
    if mutant.invariants:
        said.append(f"survives calm: {'yes' if 'calm_seeds' in result else 'NO'};")
    if caused := result.get("faults"):
        assert isinstance(caused, list)
        said.append(f"by {', '.join(caused)};")
    said.append(f"{mutant.guard}: {result.get('violation') or result.get('error') or ''}")
    return " ".join(said)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", help="simulate this mutant alone, in this process")
    parser.add_argument("--only", help="names of mutants, with commas")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="seeds a mutant may survive")
    parser.add_argument("--calm-seeds", type=int, default=CALM_SEEDS, help="of --one: what it has to hold")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true", help="print the last line only")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(simulate_one(options.one, options.seeds, options.calm_seeds)))  # noqa: T201 - a command
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
                print(described(mutant, result), file=sys.stderr if options.json else sys.stdout, flush=True)
    print(  # noqa: T201 - a command
        json.dumps({"mutants": len(chosen), "killed": len(chosen) - len(surviving), "surviving": surviving})
    )
    return 1 if surviving else 0


if __name__ == "__main__":
    sys.exit(main())
