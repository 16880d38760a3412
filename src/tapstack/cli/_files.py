"""Files that commands write, as options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class WrittenFile(click.Path):
    """A file that is written at the end of a command: known at its beginning to be possible."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        path = super().convert(value, param, ctx)
        folder = Path(os.fsdecode(path)).absolute().parent
        if not os.access(folder, os.W_OK):
            self.fail(f"expected a file in a folder that can be written, got {str(value)!r}", param, ctx)
        return path
