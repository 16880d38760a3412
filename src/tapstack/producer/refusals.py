"""Events that will not be delivered: told to the application, and kept in a file if it wants one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

Code = Literal["invalid", "abandoned"]

_encoder = msgspec.json.Encoder()


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was taken and will not be delivered.

    Parameters
    ----------
    code
        ``invalid``: the collector will never accept it. ``abandoned``: the producer was closed before it was
        answered for; it may have been delivered, and may be sent again unchanged.
    field
        The field that is wrong; None for the event as a whole.
    reason
        What was expected there.
    event
        As it was sent, JSON.
    tag
        The application's number of it.
    """

    code: Code
    field: str | None = None
    reason: str | None = None
    event: bytes
    tag: int = 0


class _Letter(msgspec.Struct):
    """A line of the file."""

    code: Code
    field: str | None
    reason: str | None
    event: msgspec.Raw


class DeadLetters:
    """A file of refused events, one JSON object a line, readable for its owner alone.

    Parameters
    ----------
    path
        Appended to; made when the first event is refused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, refused: Iterable[Refused]) -> None:
        """Append events; they are on the disk when it returns.

        Raises
        ------
        OSError
            If not all of them are.
        """
        letters = [_Letter(each.code, each.field, each.reason, msgspec.Raw(each.event)) for each in refused]
        if not letters:
            return
        data = b"".join([_encoder.encode(letter) + b"\n" for letter in letters])
        append_private(self._path, data, syncs=True)


def append_private(path: Path, data: bytes, *, syncs: bool = False) -> None:
    """Append to a file that its owner alone can read, and have the disk itself hold it if asked.

    A full disk leaves no part of it: the next line would be written behind a half one.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size, written = os.fstat(file).st_size, 0
        try:
            while written < len(data):
                written += os.write(file, data[written:])
        except OSError:
            if os.fstat(file).st_size == size + written:  # else another process has appended meanwhile
                os.ftruncate(file, size)
            raise
        if syncs:
            os.fsync(file)
    finally:
        os.close(file)
