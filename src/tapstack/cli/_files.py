"""Files that commands write, as options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class WrittenFile(click.Path):
    """A file that is written at the end of a command: known at its beginning to be possible.

    Parameters
    ----------
    is_replaced
        Whether a new file takes the place of one that is there, which its folder must allow.
    """

    def __init__(self, *, is_replaced: bool = False) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True)
        self._is_replaced = is_replaced

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        path = super().convert(value, param, ctx)
        written = Path(os.fsdecode(path)).absolute()
        needs_folder = self._is_replaced or not written.exists()
        if needs_folder and not os.access(written.parent, os.W_OK):
            self.fail(f"expected a file in a folder that can be written, got {str(value)!r}", param, ctx)
        return path
