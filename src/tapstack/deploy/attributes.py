"""Files that declare attributes, and the file that functions read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tapstack.core.attributes.definitions import Definitions, encode_definitions
from tapstack.core.attributes.faults import InvalidDefinitions
from tapstack.core.attributes.reading import read_definitions
from tapstack.errors import UsageError

COMPILED = "attributes.json"  # beside the code of a function


def load(path: Path) -> Definitions:
    """Read a file of declared attributes.

    Raises
    ------
    InvalidDefinitions
        With all that is wrong.
    UsageError
        If it is no text.
    """
    try:
        return read_definitions(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: expected UTF-8, byte {error.start} is none") from None


def load_valid(path: Path) -> Definitions:
    """Read a file of declared attributes; raises `UsageError`, naming the first thing that is wrong."""
    try:
        return load(path)
    except InvalidDefinitions as error:
        more = len(error.faults) - 1
        advice = f"; 'tapstack attributes check {path}' says {more} more" if more else ""
        raise UsageError(f"{path}: {error.faults[0]}{advice}") from None


@contextmanager
def compiled(definitions: Definitions | None) -> Iterator[str]:
    """Write definitions into a file as functions read them, while the context lasts.

    Yields
    ------
    str
        The file's path, as ``TAPSTACK_ATTRIBUTES`` names it; empty for None.
    """
    if definitions is None:
        yield ""
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, COMPILED)
        path.write_bytes(encode_definitions(definitions))
        yield str(path)
