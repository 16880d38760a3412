"""Cursors: where an answer ended, for the next request to go on; opaque to whoever passes them back."""

from __future__ import annotations

import base64
import hashlib
from typing import TypeVar

import msgspec

from tapstack.http import echo
from tapstack.insights.problems import InvalidRequest, parameter_fault

CHECK_BYTES = 8

T = TypeVar("T", bound=msgspec.Struct)


def write_cursor(position: msgspec.Struct, *question: str | int) -> str:
    """Write a cursor, at most 4/3 of the position's bytes and some.

    The check is no secret, and need not be: a cursor says where to go on in what its sender may read anyway.
    It finds cursors that were cut or belong to another question, which would skip what was asked for.

    Parameters
    ----------
    position
        Where the answer ended.
    question
        What was asked: the cursor is of no use for anything else.
    """
    packed = msgspec.msgpack.encode(position)
    asked = msgspec.msgpack.encode((question, packed))
    check = hashlib.blake2b(asked, digest_size=CHECK_BYTES, person=b"cursor").digest()
    return base64.urlsafe_b64encode(check + packed).rstrip(b"=").decode()


def read_cursor(text: str, kind: type[T], *question: str | int) -> T:
    """Read a cursor that `write_cursor` made for this question.

    Raises
    ------
    InvalidRequest
        If it is anything else.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        position = msgspec.msgpack.decode(raw[CHECK_BYTES:], type=kind)
    except (ValueError, msgspec.DecodeError, RecursionError):
        position = None
    if position is None or write_cursor(position, *question) != text:
        expected = "expected next_cursor of an answer to the same request (n may differ)"
        raise InvalidRequest([parameter_fault("cursor", f"{expected}, got {echo(text)}")])
    return position
