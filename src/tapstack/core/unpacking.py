"""Reads states: what is none of ours is an `UndecodableRow`, whichever row holds it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tapstack.errors import UndecodableRow

T = TypeVar("T")


def unpack(kind: str, decoder: msgspec.msgpack.Decoder[T], state: bytes | msgspec.Raw) -> T:
    """Return what a state, or a part of one, holds.

    Parameters
    ----------
    kind
        Of the row, for the error.
    decoder
        Of its type.
    state
        MessagePack.

    Raises
    ------
    UndecodableRow
        If it holds something else, is cut off, has text that is no UTF-8, or is nested too deep.
    """
    try:
        return decoder.decode(state)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Of a UnicodeDecodeError only its kind: its text quotes the bytes.
        reason = str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__
        raise UndecodableRow(kind, reason) from None
