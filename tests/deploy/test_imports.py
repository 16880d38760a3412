"""Imports are followed by reading, never by running."""

from pathlib import Path

import pytest

from tapstack.deploy.imports import follow


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        pytest.param("import a", {"a/__init__.py"}, id="package"),
        pytest.param("import a.b", {"a/__init__.py", "a/b.py"}, id="module in a package"),
        pytest.param("from a import b", {"a/__init__.py", "a/b.py"}, id="module by from"),
        pytest.param("from a import name", {"a/__init__.py"}, id="name by from"),
        pytest.param("def f():\n  import a", {"a/__init__.py"}, id="inside a function"),
        pytest.param(
            "import a.relative",
            {"a/__init__.py", "a/relative.py", "a/b.py", "a/deep/__init__.py"},
            id="relative",
        ),
        pytest.param(
            "import a.deep.up",
            {"a/__init__.py", "a/deep/__init__.py", "a/deep/up.py", "a/b.py"},
            id="two dots",
        ),
        pytest.param(
            "import native",
            {"native.cpython-313-aarch64-linux-gnu.so", "a/__init__.py", "a/b.py"},
            id="extension",
        ),
        pytest.param("import os, xml.dom", set(), id="standard library"),
    ],
)
def test_a_module_needs_what_it_imports(source: str, needed: set[str], tmp_path: Path) -> None:
    (tmp_path / "a/deep").mkdir(parents=True)
    for name, text in {
        "root.py": source,
        "a/__init__.py": "",
        "a/b.py": "",
        "a/unused.py": "",
        "a/relative.py": "from . import b\nfrom .deep import name",
        "a/deep/__init__.py": "",
        "a/deep/up.py": "from ..b import name",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "native.cpython-313-aarch64-linux-gnu.so").write_bytes(b"\x7fELF\0a.b\0a.unusedx\0")
    assert set(follow(["root"], [tmp_path]).files) == {"root.py", *needed}


def test_what_is_nowhere_is_named_with_who_imports_it(tmp_path: Path) -> None:
    (tmp_path / "root.py").write_text("try:\n  import absent.part\nexcept ImportError: pass")
    assert follow(["root"], [tmp_path]).missing == {"absent.part": "root"}
