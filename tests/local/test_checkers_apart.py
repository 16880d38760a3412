"""The checkers share no code with what they check: not its decisions, not its rows, not its parsing.

Dead letters have one format, and one module that reads it.
"""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
CHECKERS = [
    *SRC.glob("tapstack_local/reconciliation/*.py"),
    *SRC.glob("tapstack_simulation/checking/*.py"),
]
THEIRS = ("tapstack_local.reconciliation", "tapstack_simulation.checking")
ALLOWED = {"tapstack.errors", "tapstack.dead_letters"}


@pytest.mark.parametrize("path", CHECKERS, ids=lambda path: path.stem)
def test_a_checker_imports_checkers_only(path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    ours = {name for name in names if name.split(".")[0].startswith("tapstack")}
    assert {name for name in ours - ALLOWED if not name.startswith(THEIRS)} == set()


def test_there_are_checkers():
    assert len(CHECKERS) >= 19
