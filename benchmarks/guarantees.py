"""Run what docs/delivery-guarantees.md reports, and write its results there.

``python -m benchmarks.guarantees [--seeds 10000] [--jobs 2]`` takes about half an hour on two cores. A run of
fewer seeds leaves the page alone, unless ``--write`` is given. Exits with 1 if an invariant broke or a mutant
survives.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks._report import finish, machine, options, progress

BLOCK = 1_000
FULL = 10_000  # seeds of a run that is worth a page
PAGE = Path(__file__).parent.parent / "docs" / "delivery-guarantees.md"
BEGIN, END = "<!-- results: written by python -m benchmarks.guarantees -->", "<!-- end of results -->"


def last_json(command: list[str]) -> dict[str, Any]:
    """Run a command and read the last line it prints."""
    progress(" ".join(command))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def simulate(seeds: int, jobs: int) -> dict[str, Any]:
    """Run the simulation a thousand seeds at a time, and add up."""
    tapstack = str(Path(sys.executable).parent / "tapstack")
    total: dict[str, Any] = {"seeds": 0, "violations": 0, "events": 0, "wall_s": 0.0}
    faults: Counter[str] = Counter()
    for first in range(0, seeds, BLOCK):
        count = str(min(BLOCK, seeds - first))
        part = last_json(
            [
                tapstack,
                "simulate",
                "--first-seed",
                str(first),
                "--seeds",
                count,
                "--jobs",
                str(jobs),
                "--json",
            ]
        )
        for name in total:
            total[name] += part[name]
        faults.update(part["faults"])
        for failure in part["failures"]:
            progress(f"{failure['violation'][:300]}\n  {failure['command']}")
        progress(f"{total['seeds']:,} seeds, {total['violations']} violations, {total['wall_s']:.0f} s")
    unreached = [name for name in part["unreached"] if not faults[name]]
    return {**total, "faults": dict(faults), "unreached": unreached, "unsupported": part["unsupported"]}


def commit() -> str:
    """Return the commit, and whether the tree differs from it."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True, check=True
    )
    return told.stdout.strip()


def render(simulated: dict[str, Any], mutants: dict[str, Any], at: str) -> str:
    """Write the section."""
    faults: dict[str, int] = simulated["faults"]
    per_s = simulated["seeds"] / simulated["wall_s"]
    where = machine()
    surviving = ", ".join(mutants["surviving"]) or "none"
    reached = ", ".join(f"{name} {count:,}" for name, count in sorted(faults.items(), key=_by_name))
    unsupported = "; ".join(f"{name}: {why}" for name, why in simulated.get("unsupported", {}).items())
    return f"""{BEGIN}
Commit {at}, {datetime.now(UTC):%Y-%m-%d}, Python {where["python"]}, {where["cores"]} cores, {where["cpu"]}.

| What | Result |
|---|---|
| Schedules run | {simulated["seeds"]:,} in {simulated["wall_s"] / 60:.1f} minutes ({per_s:.1f} a second) |
| Invariants violated | **{simulated["violations"]}** |
| Events | {simulated["events"]:,} |
| Faults injected | {sum(faults.values()):,} |
| Faults never reached | {", ".join(simulated["unreached"]) or "none"} |
| Mutants killed | {mutants["killed"]} of {mutants["mutants"]}; surviving: {surviving} |

Faults by name (docs of each: `tapstack simulate`): {reached}.

Not injected, because the feature they need does not exist yet: {unsupported or "nothing"}.
{END}"""


def _by_name(entry: tuple[str, int]) -> tuple[str, int]:
    return entry[0][0], int(entry[0][1:])


def rewrite(page: str, section: str) -> str:
    """Put the section where the old one stands."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + section + after


def is_kept(simulated: dict[str, Any], mutants: dict[str, Any]) -> bool:
    """Return whether everything held and every mutant died."""
    return not simulated["violations"] and not mutants["surviving"]


def main() -> int:
    """Run, and write."""
    parser = options("guarantees", __doc__)
    parser.add_argument("--seeds", type=int, default=FULL, help="how many schedules")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help="write the page even if there are fewer seeds")
    asked = parser.parse_args()
    at = commit()
    simulated = simulate(asked.seeds, asked.jobs)
    mutants = last_json([sys.executable, "-m", "tests.simulation.mutants"])
    if asked.write or asked.seeds >= FULL:
        PAGE.write_text(rewrite(PAGE.read_text(), render(simulated, mutants, at)))
    else:
        progress(
            f"{PAGE.name} is left as it is: {asked.seeds:,} seeds are fewer than {FULL:,}; --write writes it"
        )
    figures = {name: simulated[name] for name in ("seeds", "violations", "events", "wall_s")}
    figures |= {"faults": sum(simulated["faults"].values()), "unreached": len(simulated["unreached"])}
    figures |= {name: mutants[name] for name in ("mutants", "killed")}
    finish("guarantees", figures, {}, {}, as_json=asked.json)
    return 0 if is_kept(simulated, mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
