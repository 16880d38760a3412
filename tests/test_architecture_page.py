"""docs/architecture.md is the folder listing, and says where things go."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PAGE = (ROOT / "docs/architecture.md").read_text()
LISTING = PAGE.partition("## Folders\n\n```\n")[2].partition("```")[0]
NAMES = [
    name.strip("/")
    for line in LISTING.splitlines()
    if line.startswith("  ")
    for name in re.split("[, ]+", re.split("   +", line.strip())[0])
    if name != "__main__"
]
FOLDERS = sorted(path.parent for package in SRC.iterdir() for path in package.glob("*/__init__.py"))
MODULES = sorted(path for path in (SRC / "tapstack/core").glob("[!_]*.py"))


def test_the_listing_has_names():
    assert len(NAMES) > 50


@pytest.mark.parametrize("path", [*FOLDERS, *MODULES], ids=lambda path: str(path.relative_to(SRC)))
def test_each_folder_of_a_package_and_each_module_of_the_core_is_listed(path):
    assert path.stem in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_listing_is_a_folder_or_a_module(name):
    assert [*SRC.rglob(name), *SRC.rglob(f"{name}.py")]


def test_each_path_that_is_named_exists():
    paths = re.findall(r"`([\w./]+/[\w.]*|\w+\.py)`", PAGE.partition("## Where things go")[2])
    assert len(paths) > 15
    places = (ROOT, SRC, SRC / "tapstack", SRC / "tapstack_simulation", SRC / "tapstack/insights")
    assert [path for path in paths if not any((place / path).exists() for place in places)] == []
