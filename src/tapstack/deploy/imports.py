"""Which files a module needs, found by following its imports.

Imports are read from the source, never executed, so that packages for another processor or Python can be
followed as well. What a function imports lazily counts too: better a small file too many than one too few.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What some modules need.

    Attributes
    ----------
    files
        Path inside the folder it was found in, such as ``msgspec/json.py``, to the file.
    missing
        Modules that are neither in the folders nor in the standard library, to one module that imports them.
    """

    files: Mapping[str, Path]
    missing: Mapping[str, str]


def follow(roots: Iterable[str], folders: Sequence[Path]) -> Needs:
    """Find every file that the modules need.

    Parameters
    ----------
    roots
        Dotted names of the modules to start from.
    folders
        Where modules are looked for, in this order.

    Returns
    -------
    Needs
        The files, and what was not found.
    """
    waiting = [(root, "") for root in roots]
    files: dict[str, Path] = {}
    missing: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        name, importer = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = _find(name, folders)
        if found is None:
            if name.partition(".")[0] not in sys.stdlib_module_names:
                missing[name] = importer
            continue
        folder, path = found
        files[path.relative_to(folder).as_posix()] = path
        waiting += [(imported, name) for imported in _imports(name, path, folders)]
    return Needs(files=files, missing=missing)


def _find(name: str, folders: Sequence[Path]) -> tuple[Path, Path] | None:
    """Find a module: a package, a source file, or an extension for any platform."""
    for folder in folders:
        base = folder.joinpath(*name.split("."))
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return folder, path
        extensions = sorted(base.parent.glob(f"{base.name}.*.so"))
        if extensions:
            return folder, extensions[0]
    return None


def _imports(name: str, path: Path, folders: Sequence[Path]) -> Iterator[str]:
    """Return what a module imports, and the packages that contain it."""
    parent = name.rpartition(".")[0]
    if parent:
        yield parent
    if path.suffix == ".so":
        yield from _names_in_extension(path, folders)
        return
    package = name if path.name == "__init__.py" else parent
    for node in ast.walk(ast.parse(path.read_bytes(), path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _from_import(node, package, folders)


def _from_import(node: ast.ImportFrom, package: str, folders: Sequence[Path]) -> Iterator[str]:
    """Return what ``from a import b`` imports: ``a``, and ``a.b`` if that is a module."""
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    base = ".".join([*above, *([node.module] if node.module else [])])
    yield base
    for alias in node.names:
        if _find(f"{base}.{alias.name}", folders) is not None:
            yield f"{base}.{alias.name}"


def _names_in_extension(path: Path, folders: Sequence[Path]) -> Iterator[str]:
    """Return the modules whose names an extension contains: C code imports by a zero-terminated string."""
    code = path.read_bytes()
    for folder in folders:
        for source in folder.rglob("*.py"):
            parts = source.relative_to(folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if f"{name}\0".encode() in code:
                yield name
