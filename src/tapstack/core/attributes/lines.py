"""Where in a TOML file a member is: `tomllib` tells values, and not where they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)([^\]\[]+)\]")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)\s*[=.]""")


class Lines:
    """The lines of a file's tables and keys.

    A line inside a text of several lines may look like a key: then a message names that one.
    """

    def __init__(self, text: str) -> None:
        self._found: dict[Path, int] = {}
        arrays: dict[Path, int] = {}  # the place of the last table of each array
        table: Path = ()
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(line):
                table = _table(header[2], arrays, is_element=header[1] == "[[")
                self._found.setdefault(table, number)
            elif key := _KEY.match(line):
                self._found.setdefault((*table, key[1].strip("\"'")), number)

    def of(self, path: Path) -> int:
        """Return the line of a member, or of the nearest that contains it; 1 if none is known."""
        while path and path not in self._found:
            path = path[:-1]
        return self._found.get(path, 1)


def _table(name: str, arrays: dict[Path, int], *, is_element: bool) -> Path:
    path: Path = ()
    *parents, last = [part.strip().strip("\"'") for part in name.split(".")]
    for parent in parents:
        path = _element((*path, parent), arrays)
    path = (*path, last)
    if is_element:
        arrays[path] = arrays.get(path, -1) + 1
    return _element(path, arrays)


def _element(path: Path, arrays: Mapping[Path, int]) -> Path:
    return (*path, arrays[path]) if path in arrays else path


def shown(path: Path) -> str:
    """Return a path as messages have it: ``feature_view[0].name``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")
