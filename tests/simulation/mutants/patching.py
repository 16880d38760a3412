"""Modules of the product with lines replaced as they are imported; nothing on disk changes."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import NamedTuple


class Edit(NamedTuple):
    module: str
    old: str
    new: str


class Stale(Exception):  # noqa: N818 - it says what the mutant is
    """The text that a mutant replaces is not in the product any more (or more than once)."""


def edited(edit: Edit, source: str) -> str:
    if source.count(edit.old) != 1:
        msg = f"{edit.module} holds {source.count(edit.old)} times: {edit.old!r}"
        raise Stale(msg)
    return source.replace(edit.old, edit.new)


class _Loader(importlib.machinery.SourceFileLoader):
    edits: Sequence[Edit] = ()

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        for edit in self.edits:
            source = edited(edit, source)
        return compile(source, self.path, "exec", dont_inherit=True)


class _Finder:
    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        mine = [edit for edit in self._edits if edit.module == name]
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if mine else None
        if spec is None or spec.origin is None:
            return None
        loader = _Loader(name, spec.origin)
        loader.edits = mine
        spec.loader = loader
        return spec


def install(edits: Sequence[Edit]) -> None:
    """Edit modules as they are imported; must come before the product is."""
    loaded = [edit.module for edit in edits if edit.module in sys.modules]
    if loaded:
        msg = f"imported already: {loaded}"
        raise AssertionError(msg)
    sys.meta_path.insert(0, _Finder(edits))
