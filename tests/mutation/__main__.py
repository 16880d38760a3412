"""``python -m tests.mutation [PART ...]``: how many mutants of each part mypy and its unit tests kill.

mutmut makes the mutants: functions with one operator, constant, argument or assignment changed. Each part is
mutated in a folder of its own, build/mutation/PART, from nothing: ``mutmut show NAME`` there prints a mutant.
Hypothesis draws few examples, and the same ones in every run (profile ``mutation``).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name

from .report import report, sampled

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutation"
PARTS = ("core", "consumer", "projections", "collector", "entrypoints", "aws")
# Tests that take most of the time, and try in many ways what others try in one. A survivor meets all others.
LONG = " or ".join(
    [
        "whatever_happens",
        "backlog_is_worked_off",
        "(under_faults and not everything)",
        "who_never_stops",
        "within_two_kib",
        "any_text_is_read",
        "what_was_read_is_committed",
    ]
)
# Tests that guard a part and stand elsewhere, since they go through others to it.
BESIDE = {
    "core": ["tests/projections/test_declared_attributes.py"],
    "projections": ["tests/consumer/test_newer_layouts.py", "tests/consumer/test_consume_impressions.py"],
}
# What mypy finds here, `make check` would. The project's further checks see a mutant's form, not its types.
TYPES = ["mypy", "--config-file=", "--strict", "--disable-error-code=unused-ignore", "--output=json"]
STUBS = ROOT / "tests" / "mutation" / "stubs"
FILES = ["src", "tests", "docs", "lib", "README.md"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--sample", type=int, help="so many mutants of each part, the same in every run")
    parser.add_argument("--modules", metavar="NAME,...", help="only mutants of these, such as ranking,rows")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    parts = options.parts or list(PARTS)
    if strange := sorted(set(parts) - set(PARTS)):
        parser.error(f"PART: expected any of {', '.join(PARTS)}, got {', '.join(strange)}")
    modules = options.modules.split(",") if options.modules else []
    found = {part: run(part, options.sample, options.jobs, modules) for part in parts}
    print(*report(found), sep="\n")  # noqa: T201 - a command
    return 0


def run(part: str, sample: int | None, jobs: int, modules: Sequence[str]) -> dict[str, str]:
    """Return what became of each mutant of a part, of some modules or a sample of them, by its name."""
    sources = sources_of(part, modules)
    chosen = names(sources)
    if not chosen:
        sys.exit(f"{part} has none of the modules {', '.join(modules)}")
    if sample is not None:
        chosen = sampled(chosen, sample)
    folder = prepare(part, sources)
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutation", "MYPYPATH": f"{STUBS}:src"}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs), *chosen]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    found = fates(part)
    return {name: found[name] for name in chosen}


def sources_of(part: str, modules: Sequence[str]) -> list[Path]:
    """Return the files of a part, or of some modules of it: others are not mutated, which saves minutes."""
    paths = sorted((ROOT / "src" / "tapstack" / part).rglob("*.py"))
    return [path.relative_to(ROOT) for path in paths if not modules or path.stem in modules]


def names(sources: Sequence[Path]) -> list[str]:
    """Return the names that mutmut gives to the mutants of some files."""
    found: list[str] = []
    for source in sources:
        made = mutate_file_contents(str(source), (ROOT / source).read_text())
        found += [get_mutant_name(source, name) for name in made.mutant_names]
    return found


def prepare(part: str, sources: Sequence[Path]) -> Path:
    """Make the folder in which a part is mutated, without results of an earlier run."""
    folder = BUILD / part
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).symlink_to(ROOT / name)
    settings = {
        "source_paths": ["src"],
        "only_mutate": [str(source) for source in sources],
        "also_copy": FILES,
        "type_check_command": [sys.executable, "-m", *TYPES, f"src/tapstack/{part}"],
        "pytest_add_cli_args": ["-p", "no:xdist", "-k", f"not ({LONG})"],
        "pytest_add_cli_args_test_selection": [f"tests/{part}", *BESIDE.get(part, ())],
        "process_isolation": "forkserver",  # or a mutant meets what tests of the original have left in memos
        "timeout_multiplier": 2.0,
        "timeout_constant": 4.0,
    }
    # Lists, strings and numbers are the same in JSON and TOML.
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    text = (ROOT / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text("\n".join([text, "[tool.mutmut]", *lines, ""]))
    return folder


def fates(part: str) -> dict[str, str]:
    """Return what became of each mutant of a part, by its name."""
    found: dict[str, str] = {}
    for path in sorted((BUILD / part / "mutants").rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        found |= {name: status_by_exit_code[code] for name, code in codes.items()}
    return found


if __name__ == "__main__":
    sys.exit(main())
